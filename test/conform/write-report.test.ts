import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Report } from '../../src/conform/report.ts';
import { renderHtml } from '../../src/conform/report-html.ts';
import { renderIndex } from '../../src/conform/report-json.ts';
import { DEFAULT_SETTINGS } from '../../src/conform/settings.ts';
import { prepareReport, writeReport } from '../../src/conform/write-report.ts';
import { makeResult } from '../support/conform-results.ts';

const REPORT: Report = {
  tested: 'client',
  agents: new Map([['echo', [makeResult()]]]),
  settings: DEFAULT_SETTINGS,
  created: new Date('2026-01-02T03:04:05Z'),
};

async function makeDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'conform-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  return directory;
}

describe('writing a report', () => {
  it('makes the directory, and two files in it', async () => {
    const directory = join(await makeDirectory(), 'new', 'one');
    await prepareReport(directory);
    await writeReport(directory, REPORT);
    await writeReport(directory, REPORT);
    expect((await readdir(directory)).toSorted()).toEqual(['index.html', 'index.json']);
    expect(await readFile(join(directory, 'index.json'), 'utf8')).toBe(renderIndex(REPORT));
    expect(await readFile(join(directory, 'index.html'), 'utf8')).toBe(renderHtml(REPORT));
  });

  it('says where it cannot be written', async () => {
    const file = join(await makeDirectory(), 'file');
    await writeFile(file, '');
    await expect(prepareReport(file)).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(writeReport(file, REPORT)).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});
