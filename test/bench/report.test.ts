import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);

interface Markdown {
  replacePart: (text: string, name: string, part: string) => string;
}
interface Gate {
  verdictOf: (
    id: string,
    multiple: number,
    normal: number,
    margin: number,
  ) => { passes: boolean; text: string };
}
const urlOf = (file: string): string => pathToFileURL(file).href;
const { replacePart }: Markdown = await import(urlOf('bench/report/markdown.mjs'));
const { verdictOf }: Gate = await import(urlOf('bench/shared/gate-verdict.mjs'));

/** Without what a formatter of Markdown may change. */
const bare = (text: string): string => text.replaceAll(/ +/g, ' ').replaceAll(/-+/g, '-');

describe('the report of the figures', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'report-'));
    await run(process.execPath, ['bench/report.mjs', '--out', folder]);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each([
    ['performance.md', 'docs/performance.md'],
    ['README.md', 'README.md'],
  ])('is what stands in %s', async (made, document) => {
    const [expected, stands] = await Promise.all(
      [join(folder, made), document].map((file) => readFile(file, 'utf8')),
    );
    expect(bare(stands!)).toBe(bare(expected!));
  });

  it('has the charts that stand beside it, and no others', async () => {
    const [expected, stand] = await Promise.all(
      [join(folder, 'performance'), 'docs/performance'].map((path) => readdir(path)),
    );
    expect(stand).toEqual(expected);
    for (const name of stand!) {
      const [made, there] = await Promise.all(
        [join(folder, 'performance', name), join('docs/performance', name)].map((file) =>
          readFile(file, 'utf8'),
        ),
      );
      expect(there).toBe(made);
    }
  });
});

describe('a part of a document', () => {
  const text = 'before\n<!-- x: begin -->\nold\n<!-- x: end -->\nafter';

  it('is replaced between its marks alone', () => {
    expect(replacePart(text, 'x', 'new')).toBe(
      'before\n<!-- x: begin -->\n\nnew\n\n<!-- x: end -->\nafter',
    );
  });

  it('is not written where its marks are missing', () => {
    expect(() => replacePart(text, 'y', 'new')).toThrow('the marks of y are missing');
  });
});

describe('the gate', () => {
  it('lets pass what is within the margin', () => {
    expect(verdictOf('64k', 2.4, 1.5, 1.6)).toEqual({
      passes: true,
      text: '64k costs 2.4 times a raw net echo; normal is 1.5, and up to 2.4 is fine.',
    });
  });

  it('says what is beyond it', () => {
    expect(verdictOf('64k', 2.41, 1.5, 1.6)).toEqual({
      passes: false,
      text: '64k costs 2.41 times a raw net echo; normal is 1.5, and more than 2.4 is a regression.',
    });
  });
});
