// Looks at the memory of servers, each in a process of its own; in every round all, one after the other.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { interleave } from '../shared/measure.mjs';
import { median } from '../shared/statistics.mjs';

const PROGRAM = fileURLToPath(new URL('program.mjs', import.meta.url));
const OFFER = 'permessage-deflate; client_max_window_bits';
const NO_TAKEOVER = `${OFFER}; server_no_context_takeover; client_no_context_takeover`;

/**
 * What the clients offer of compression, and how they compress.
 *
 * @typedef {{ offer: string, takeover: boolean, windowBits: number }} Terms
 */

/** @type {Record<string, Terms>} */
export const TERMS = {
  takeover: { offer: OFFER, takeover: true, windowBits: 15 },
  none: { offer: NO_TAKEOVER, takeover: false, windowBits: 15 },
  'small windows': {
    offer: 'permessage-deflate; server_max_window_bits=10; client_max_window_bits=10',
    takeover: true,
    windowBits: 10,
  },
};

/**
 * @typedef {object} Plan
 * @property {string} kind - of the server
 * @property {number} connections
 * @property {number} first - connections that pay for what is made once
 * @property {number} messages - echoes of each connection
 * @property {Terms} [terms]
 */

/** @param {Plan} plan */
function look(plan) {
  return new Promise((resolve, reject) => {
    const child = fork(PROGRAM, [], { execArgv: ['--expose-gc'] });
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`it ended with ${code}`)));
    child.send(plan);
  });
}

/**
 * @param {Plan[]} plans
 * @returns {Promise<Record<string, { idle: Memory, after: Memory }>>} medians: bytes for one connection
 *
 * @typedef {{ heap: number, resident: number }} Memory
 */
export async function lookAtAll(plans, rounds) {
  const kinds = plans.map(({ kind }) => kind);
  const samples = await interleave(kinds, rounds, (kind) =>
    look(plans.find((plan) => plan.kind === kind)),
  );
  const results = {};
  for (const kind of kinds) {
    const good = samples[kind].filter((sample) => sample !== null);
    if (good.length === 0) continue;
    const of = (phase, field) => Math.round(median(good.map((sample) => sample[phase][field])));
    results[kind] = Object.fromEntries(
      ['idle', 'after'].map((phase) => [
        phase,
        { heap: of(phase, 'heap'), resident: of(phase, 'resident') },
      ]),
    );
  }
  return results;
}
