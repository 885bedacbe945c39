// The program that makes the load: load.c where a C compiler is present, load.mjs otherwise, which takes
// and prints the same.
import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const pathOf = (name) => fileURLToPath(new URL(name, import.meta.url));
const SOURCE = pathOf('load.c');
const BINARY = pathOf('../../node_modules/.cache/tautline-bench/load');

/**
 * @returns {{ command: string[], by: string }} what to run, and what it is, for the report
 */
export function loadGenerator() {
  const compiler = ['cc', 'gcc', 'clang'].find(
    (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
  );
  if (compiler === undefined || process.platform !== 'linux') {
    return { command: [process.execPath, pathOf('load.mjs')], by: 'Node' };
  }
  if (!isNewer(BINARY, SOURCE)) {
    mkdirSync(dirname(BINARY), { recursive: true });
    const { status } = spawnSync(compiler, ['-O2', '-Wall', '-Wextra', '-o', BINARY, SOURCE], {
      stdio: 'inherit',
    });
    if (status !== 0) throw new Error(`${SOURCE} does not compile`);
  }
  return { command: [BINARY], by: 'C' };
}

function isNewer(path, than) {
  const time = (name) => statSync(name, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return time(path) > time(than);
}
