// The program that makes the load: load.c where a C compiler is present, load.mjs otherwise, which takes
// and prints the same.
import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CORE } from '../shared/processes.mjs';

const pathOf = (name) => fileURLToPath(new URL(name, import.meta.url));
const SOURCE = pathOf('load.c');
const BINARY = pathOf('../../node_modules/.cache/tautline-bench/load');

/**
 * @param {string} forced - 'c' or 'node', or '' for what there is
 * @returns {{ command: string[], by: string, core: string }} what to run, what it is, for the report, and
 *   on which processors
 */
export function loadGenerator(forced = '') {
  const compiler = forced === 'node' ? undefined : findCompiler();
  if (compiler === undefined) {
    if (forced === 'c') throw new Error('there is no C compiler');
    return { command: [process.execPath, pathOf('load.mjs')], by: 'Node', core: CORE.loads };
  }
  if (!isNewer(BINARY, SOURCE)) {
    mkdirSync(dirname(BINARY), { recursive: true });
    const { status } = spawnSync(compiler, ['-O2', '-Wall', '-Wextra', '-o', BINARY, SOURCE], {
      stdio: 'inherit',
    });
    if (status !== 0) throw new Error(`${SOURCE} does not compile`);
  }
  return { command: [BINARY], by: 'C', core: CORE.load };
}

function findCompiler() {
  if (process.platform !== 'linux') return undefined;
  return ['cc', 'gcc', 'clang'].find(
    (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
  );
}

function isNewer(path, than) {
  const time = (name) => statSync(name, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return time(path) > time(than);
}
