// Where figures go: a file of JSON that says on which machine and with which versions they came about.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, cpus, platform, release } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = fileURLToPath(new URL('../../package.json', import.meta.url));

/** @param {string} node - the Node that was measured, where it is not the one that measures */
function machineOf(node) {
  const own = node === process.execPath;
  return {
    node: own
      ? process.version
      : spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    system: `${platform()} ${release()} ${arch()}`,
  };
}

/** Writes nothing where no file is named. */
export function writeResults(file, figures, { node = process.execPath, versions = {} } = {}) {
  if (file === '') return;
  const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8'));
  const head = {
    machine: machineOf(node),
    versions: { tautline: version, ...versions },
    date: new Date().toISOString().slice(0, 10),
    // Shown with the figures: what has to be known of this run.
    ...(process.env.BENCH_NOTE !== undefined && { note: process.env.BENCH_NOTE }),
  };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ ...head, ...figures }, null, 2)}\n`);
}
