// All benchmarks, one after the other, each in a process of its own: their tables on the screen,
// their figures in bench/results/. What one of them measures stands at its beginning.
//
//   npm run bench [-- micro memory] [--quick] [--out bench/results]
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

// name: what makes it short, for a look whether it runs at all
const QUICK = {
  micro: ['--rounds', '1', '--time', '20'],
  memory: ['--rounds', '1', '--connections', '200'],
  deflate: ['--rounds', '1', '--connections', '5', '--messages', '50'],
  servers: ['--rounds', '1', '--seconds', '0.2', '--warmup', '0.1', '--peers', 'tautline,net'],
};

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    out: { type: 'string', default: 'bench/results' },
  },
});
const names = positionals.length > 0 ? positionals : Object.keys(QUICK);

for (const name of names) {
  if (!Object.hasOwn(QUICK, name)) throw new Error(`there is no benchmark called ${name}`);
  const file = fileURLToPath(new URL(`${name}.mjs`, import.meta.url));
  const quick = flags.quick ? QUICK[name] : [];
  const { status } = spawnSync(
    process.execPath,
    ['--expose-gc', file, '--json', join(flags.out, `${name}.json`), ...quick],
    { stdio: 'inherit' },
  );
  if (status !== 0) process.exit(1);
}
