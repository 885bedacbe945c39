import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';

function filesOf(folder: string, pattern: RegExp): string[] {
  const names = readdirSync(folder, { encoding: 'utf8', recursive: folder !== '.' });
  return names.filter((name) => pattern.test(name)).map((name) => join(folder, name));
}

const DOCUMENTS = ['.', 'docs', 'autobahn'].flatMap((folder) => filesOf(folder, /\.md$/));
const EXAMPLES = filesOf('examples', /^(?!demo\/).*\.(mjs|ts)$/);
const SCRIPTS: unknown = JSON.parse(readFileSync('package.json', 'utf8'));

interface Block {
  readonly language: string;
  /** The file that is named before it. */
  readonly file: string | undefined;
  readonly code: string;
}

function blocksOf(text: string): Block[] {
  const found = text.matchAll(/(?:<!-- (\S+) -->\n\n)?^```(\w*)\n([\s\S]*?)^```$/gm);
  return [...found].map(([, file, language = '', code = '']) => ({ language, file, code }));
}

/** The anchors of a document, as they are made of its headings. */
function anchorsOf(text: string): string[] {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

describe.each(DOCUMENTS)('%s', (document) => {
  const text = readFileSync(document, 'utf8');
  const blocks = blocksOf(text);

  it('shows no code but lines of a file that is run', () => {
    for (const { language, file, code } of blocks) {
      expect(['js', 'ts', 'nginx', 'sh', 'text', 'json']).toContain(language);
      if (!['js', 'ts', 'nginx'].includes(language)) continue;
      expect(file, code).toBeDefined();
      // Whole lines of it, one behind the other.
      expect(`\n${readFileSync(file!, 'utf8')}`, file).toContain(`\n${code}`);
    }
  });

  it('names no command of npm that there is not', () => {
    const names = [...text.matchAll(/\bnpm run (?:-s )?([a-z][\w:-]*)/g)].map(([, name]) => name);
    for (const name of names) expect(SCRIPTS).toHaveProperty(['scripts', name!]);
  });

  it('links to what exists', () => {
    const targets = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)];
    for (const [, path = '', anchor] of targets) {
      const target = path === '' ? document : join(dirname(document), path);
      expect(existsSync(target), `${document} links to ${path}`).toBe(true);
      if (anchor !== undefined) {
        expect(anchorsOf(readFileSync(target, 'utf8'))).toContain(anchor);
      }
    }
  });
});

it('README.md shows its examples whole', () => {
  const shown = blocksOf(readFileSync('README.md', 'utf8')).filter(
    ({ file }) => file !== undefined,
  );
  expect(shown.length).toBeGreaterThan(5);
  for (const { file, code } of shown) expect(code).toBe(readFileSync(file!, 'utf8'));
});

describe('the examples', () => {
  const tests = filesOf('test/interop', /\.test\.ts$/).map((file) => readFileSync(file, 'utf8'));

  it.each(EXAMPLES)('%s is named by a test', (file) => {
    expect(tests.some((text) => text.includes(file))).toBe(true);
  });
});
