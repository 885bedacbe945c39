// What can be said on the command line of every benchmark that sets several beside each other. (Those of
// one alone are its own: `more`.)
import { parseArgs } from 'node:util';

const text = (value) => ({ type: 'string', default: value });

/**
 * --rounds   how often all are measured, one after the other
 * --seconds  for which one is measured, and --warmup before that
 * --only     parts of the names of what is measured: all, where none is given
 * --peers    the names of those that are measured: all, where none is given
 * --node     the Node that is measured
 * --json     where the figures go: nowhere, where no file is named
 *
 * @param {{ seconds: string, warmup: string }} defaults
 * @param {import('node:util').ParseArgsConfig['options']} more
 */
export function readFlags({ seconds, warmup }, more = {}) {
  const { values } = parseArgs({
    options: {
      rounds: text('3'),
      seconds: text(seconds),
      warmup: text(warmup),
      only: text(''),
      peers: text(''),
      node: text(process.execPath),
      json: text(''),
      ...more,
    },
  });
  return values;
}

/** `--load c|node`: which load generator; that in C, where there is a compiler. */
export const LOAD = { load: text('') };
/** `--no-install`: what is not there is left out. */
export const NO_INSTALL = { 'no-install': { type: 'boolean', default: false } };
