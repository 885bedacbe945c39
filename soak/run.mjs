// A soak: clients by the thousand that talk, stall, break the protocol and vanish, and a server of the
// public API that has to bear it. Everything that is said is checked, in both directions, by checksum and
// by order; at the end the server must have nothing left of it.
//
//   npm run soak -- [--minutes 2] [--connections 2000] [--seed NAME] [--pace 4000] [--no-networks]
//
// It ends with 1 where anything was not as it must be. With the same seed all clients make the same
// choices; when what they do happens, is left to the machine. A first signal ends it before its time, a
// second one at once.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Conductor } from './conductor.mjs';
import { findWay } from './network.mjs';
import { formatReport } from './report.mjs';

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    connections: { type: 'string', default: '2000' },
    seed: { type: 'string', default: `${randomInt(2 ** 32)}` },
    // Milliseconds that a client rests at the most before it goes on talking.
    pace: { type: 'string', default: '4000' },
    'no-networks': { type: 'boolean', default: false },
    // Said by the program to itself, where it is in a network of its own.
    apart: { type: 'boolean', default: false },
  },
});

function positive(name) {
  const value = Number(flags[name]);
  if (!(value > 0)) throw new RangeError(`--${name} takes a number above 0, not "${flags[name]}"`);
  return value;
}

const settings = {
  minutes: positive('minutes'),
  connections: positive('connections'),
  pace: positive('pace'),
  seed: flags.seed,
  hasNetworks: flags.apart,
};

/** Tells of signals, and of the end of who started us. */
function onEnd(first) {
  let isFirst = true;
  const end = () => {
    if (!isFirst) process.exit(130);
    isFirst = false;
    first();
  };
  process.on('SIGINT', end).on('SIGTERM', end);
  return end;
}

/** Runs itself in a network of its own, with all that it starts; nothing of it outlasts that process. */
function runApart(way) {
  const own = fileURLToPath(import.meta.url);
  const words = Object.entries({ ...settings, hasNetworks: undefined })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `--${name}=${value}`);
  const child = spawn(way[0], [...way.slice(1), process.execPath, own, '--apart', ...words], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // A signal from a terminal comes to us alone.
    detached: true,
  });
  process.on('exit', () => child.kill('SIGKILL'));
  onEnd(() => child.send('stop'));
  child.on('exit', (code) => (process.exitCode = code ?? 1));
}

async function conduct() {
  const { minutes, connections, seed, hasNetworks } = settings;
  const conductor = new Conductor(settings);
  const end = onEnd(() => conductor.stop());
  if (flags.apart) {
    process.on('message', end);
    process.on('disconnect', onDesertion);
  }
  console.log(`soak of ${minutes} minutes with ${connections} connections, --seed ${seed}`);
  const began = Date.now();
  const measured = await conductor.run();
  const { ledger, peakDescriptors, fates } = conductor;
  console.log(
    hasNetworks
      ? 'crowds had networks of their own, whose links were cut\n'
      : 'there were no networks for crowds: peers vanished by being stopped and killed\n',
  );
  const seconds = (Date.now() - began) / 1000;
  console.log(formatReport(ledger, { ...measured, peakDescriptors, seconds, fates }));
  if (ledger.deviations > 0) {
    console.log(`\nnot as it must be (--seed ${seed}):\n  ${ledger.told.join('\n  ')}`);
    process.exitCode = 1;
  }
  if (!flags.apart) return;
  process.removeListener('disconnect', onDesertion);
  process.disconnect();
}

/** Who started us is gone. */
function onDesertion() {
  process.exit(130);
}

const way = flags.apart || flags['no-networks'] ? null : findWay();
if (way === null) await conduct();
else runApart(way);
