import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const trees: string[] = [];

afterEach(async () => {
  await Promise.all(trees.splice(0).map((tree) => rm(tree, { recursive: true })));
});

/** Runs the check on a tree of these files. Resolves with what it complains about. */
async function complaintsAbout(files: Record<string, string>): Promise<string[]> {
  const tree = await mkdtemp(join(tmpdir(), 'imports-'));
  trees.push(tree);
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(tree, file)), { recursive: true });
    await writeFile(join(tree, file), text);
  }
  const outcome = await run(process.execPath, ['scripts/check-imports.mjs', tree]).then(
    ({ stderr }) => ({ stderr, code: 0 }),
    (error: { stderr: string; code: number }) => error,
  );
  const complaints = outcome.stderr.split('\n').filter((line) => line !== '');
  expect(outcome.code).toBe(complaints.length > 0 ? 1 : 0);
  return complaints;
}

describe('the check of imports', () => {
  it('lets imports go down', async () => {
    expect(
      await complaintsAbout({
        'frame/a.ts': "import { b } from '../errors.ts';\nimport { isUtf8 } from 'node:buffer';",
        'errors.ts': 'export const b = 1;',
        'server/s.ts':
          "import {\n  a,\n} from '../frame/a.ts';\nimport { createServer } from 'node:net';",
      }),
    ).toEqual([]);
  });

  it.each([
    ['up', 'frame/a.ts', "import { b } from '../connection/b.ts';"],
    ['to a neighbour', 'handshake/a.ts', "import type { b } from '../connection/b.ts';"],
    ['to a package', 'frame/a.ts', "import { b } from 'ws';"],
    ['of a package at run time', 'server/a.ts', "const b = await import('ws');"],
    ['of the network below the shells', 'connection/a.ts', "import { Socket } from 'node:net';"],
    ['of randomness elsewhere', 'frame/a.ts', "import { randomInt } from 'node:crypto';"],
    ['whose name is computed', 'frame/a.ts', 'const b = await import(`node:net`);'],
    ['by another door', 'frame/a.ts', "process.getBuiltinModule('node:net');"],
    ['re-exported', 'frame/a.ts', "export * from '../connection/b.ts';"],
    ['over several lines', 'frame/a.ts', "import {\n  b,\n  c,\n} from '../server/b.ts';"],
  ])('refuses an import %s', async (_what, file, text) => {
    const [complaint, ...others] = await complaintsAbout({ [file]: text });
    expect(complaint ?? '').toMatch(/may not import|imports a package|belongs in/);
    expect(others).toEqual([]);
  });

  it('refuses a circle of files', async () => {
    expect(
      await complaintsAbout({
        'frame/a.ts': "import './b.ts';",
        'frame/b.ts': "import './c.ts';",
        'frame/c.ts': "import './a.ts';",
      }),
    ).toEqual(['circle: frame/a.ts -> frame/b.ts -> frame/c.ts -> frame/a.ts']);
  });

  it('refuses a file that stands in no room', async () => {
    expect(await complaintsAbout({ 'helpers/a.ts': '' })).toEqual([
      'helpers/a.ts stands in no room of the house',
    ]);
  });
});
