/**
 * Changes to bytes whose meaning is not known. What is known about frames is in frames.ts.
 *
 * @module
 */

import type { Random } from './random.ts';

/** Values at which something may change. */
const EDGES = [
  0, 1, 2, 0x0a, 0x0d, 0x20, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0xc0, 0xed, 0xf4, 0xfe, 0xff,
];

const MAX_SIZE = 24 * 1024;

type Change = (random: Random, input: Buffer, other: Buffer) => Buffer;

/** A part of it, perhaps none: where it begins, and where it ends. */
function part(random: Random, input: Buffer): readonly [start: number, end: number] {
  const start = random.below(input.length + 1);
  return [start, Math.min(input.length, start + random.size(input.length))];
}

function replace(input: Buffer, start: number, end: number, ...by: readonly Buffer[]): Buffer {
  return Buffer.concat([input.subarray(0, start), ...by, input.subarray(end)]);
}

const CHANGES: readonly Change[] = [
  function flip(random, input) {
    const changed = Buffer.from(input);
    if (changed.length > 0) changed[random.below(changed.length)]! ^= 1 << random.below(8);
    return changed;
  },
  function set(random, input) {
    const changed = Buffer.from(input);
    if (changed.length > 0) changed[random.below(changed.length)] = random.pick(EDGES);
    return changed;
  },
  function insert(random, input) {
    const at = random.below(input.length + 1);
    return replace(input, at, at, random.bytes(random.between(1, 8)));
  },
  function insertEdge(random, input) {
    const at = random.below(input.length + 1);
    return replace(input, at, at, Buffer.alloc(random.size(300), random.pick(EDGES)));
  },
  function remove(random, input) {
    return replace(input, ...part(random, input));
  },
  function cut(random, input) {
    return input.subarray(0, random.below(input.length + 1));
  },
  function repeat(random, input) {
    const [start, end] = part(random, input);
    const times = random.oneIn(8) ? 200 : random.between(1, 3);
    return replace(
      input,
      end,
      end,
      ...Array.from({ length: times }, () => input.subarray(start, end)),
    );
  },
  function move(random, input) {
    const [start, end] = part(random, input);
    const rest = replace(input, start, end);
    const at = random.below(rest.length + 1);
    return replace(rest, at, at, input.subarray(start, end));
  },
  function splice(random, input, other) {
    return replace(input, ...part(random, input), other.subarray(...part(random, other)));
  },
  function cross(random, input, other) {
    const at = random.below(input.length + 1);
    return Buffer.concat([input.subarray(0, at), other.subarray(random.below(other.length + 1))]);
  },
];

/** Up to five changes. */
export function mutateBytes(
  random: Random,
  input: Buffer,
  other: Buffer,
  words: readonly string[] = [],
): Buffer {
  let changed = input;
  for (let left = random.between(1, 5); left > 0; left--) {
    if (words.length > 0 && random.oneIn(3)) {
      const word = Buffer.from(random.pick(words), 'latin1');
      const [start, end] = part(random, changed);
      changed = replace(changed, start, random.oneIn(2) ? start : end, word);
    } else {
      changed = random.pick(CHANGES)(random, changed, other);
    }
  }
  return changed.subarray(0, MAX_SIZE);
}
