// A crowd of clients in a process of its own, which may be in a network of its own: so many sessions at a
// time, each followed by another, until it is told that there have been enough.
import { setMaxListeners } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { runHonest } from './honest.mjs';
import { runHostile } from './hostile.mjs';
import { Ledger } from './ledger.mjs';
import { Random } from './random.mjs';
import { SESSION_TIMEOUT } from './settings.mjs';

const REPORT_INTERVAL = 500;
/** Connections that a crowd numbers before another crowd's numbers begin. */
const NUMBERS = 2 ** 20;
/** Milliseconds between two sessions of one place. */
const REST = 200;

const ledger = new Ledger();
const stopping = new AbortController();
// Every place waits for it.
setMaxListeners(0, stopping.signal);
let open = 0;
let count = 0;

async function runSession(settings, random) {
  const { crowd, name, host, port, hostile, mayBreak, pace } = settings;
  const connection = crowd * NUMBERS + count++;
  const known = `${name}, connection ${connection}`;
  let describe = () => known;
  const context = {
    random,
    ledger,
    connection,
    mayBreak,
    pace,
    name: known,
    tellsOf: (by) => (describe = by),
    isStopping: () => stopping.signal.aborted,
    urlOf(route, { plan, ends, topics, waits }) {
      const query = new URLSearchParams({
        connection: `${connection}`,
        plan,
        ends: (mayBreak && !ends.includes(1006) ? [...ends, 1006] : ends).join('.'),
        topics: topics.join('.'),
        waits: `${waits}`,
      });
      return `ws://${host}:${port}/${route}?${query}`;
    },
  };
  const timer = setTimeout(() => ledger.deviate('stuck', describe()), SESSION_TIMEOUT);
  open++;
  try {
    await (random.chance(hostile) ? runHostile : runHonest)(context);
  } catch (error) {
    ledger.deviate('failed', `${describe()}: ${error.stack}`);
  } finally {
    clearTimeout(timer);
    open--;
  }
}

/** One session after the other. */
async function keepPlace(settings, place) {
  const { signal } = stopping;
  const rest = (milliseconds) =>
    // Told to stop, it rests no longer.
    pause(milliseconds, undefined, { signal }).catch((error) => {
      if (error.name !== 'AbortError') throw error;
    });
  const random = new Random(`${settings.seed} ${settings.crowd} ${place}`);
  await rest((place / settings.places) * settings.ramp);
  while (!signal.aborted) {
    await runSession(settings, random);
    await rest(random.between(0, REST));
  }
}

const report = () => process.send({ taken: ledger.take(), open });

process.on('message', async (message) => {
  if (message.command === 'stop') stopping.abort();
  if (message.command !== 'start') return;
  const { settings } = message;
  const timer = setInterval(report, REPORT_INTERVAL);
  const places = Array.from({ length: settings.places }, (_, place) => keepPlace(settings, place));
  await Promise.all(places);
  clearInterval(timer);
  report();
  // With nothing left behind, the process ends by itself.
  process.removeListener('disconnect', onDesertion);
  process.disconnect();
});

/** Whoever started us is gone. */
function onDesertion() {
  process.exit(1);
}
process.on('disconnect', onDesertion);
process.on('warning', (warning) => ledger.deviate('failed', `a warning: ${warning.stack}`));
process.send({ command: 'ready' });
