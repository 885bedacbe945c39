/** What a peer sends, as random values: nearly all of it whole messages, cut and mixed as it may be. */
import * as fc from 'fast-check';
import type { Role } from '../../src/connection/handler.ts';
import { type RawFrame, closeBody, peerFrame } from './bytes.ts';

export interface PeerMessage {
  readonly binary: boolean;
  readonly text: string;
  /** Where its payload is cut into fragments. */
  readonly cuts: readonly number[];
  /** A control frame before each of its frames; 0 for none. */
  readonly control: 0 | 9 | 10;
  /** What is wrong with it, or comes instead of it. */
  readonly fault: 'none' | 'close' | 'reserved' | 'continuation' | 'not UTF-8' | 'unfinished';
}

const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.nat(3_000).map((size) => '€'.repeat(size)),
);

export const messages: fc.Arbitrary<readonly PeerMessage[]> = fc.array(
  fc.record({
    binary: fc.boolean(),
    text,
    cuts: fc.oneof(fc.constant([]), fc.array(fc.nat(60), { maxLength: 3 })),
    control: fc.constantFrom<PeerMessage['control']>(0, 0, 9, 10),
    fault: fc.oneof(
      { weight: 60, arbitrary: fc.constant<PeerMessage['fault']>('none') },
      { weight: 1, arbitrary: fc.constantFrom<PeerMessage['fault']>('close', 'unfinished') },
      {
        weight: 1,
        arbitrary: fc.constantFrom<PeerMessage['fault']>('reserved', 'continuation', 'not UTF-8'),
      },
    ),
  }),
  { minLength: 1, maxLength: 3 },
);

function framesOf({ binary, text: payload, cuts, control, fault }: PeerMessage): RawFrame[] {
  if (fault === 'close') return [{ opcode: 8, payload: closeBody(1000, 'peer') }];
  if (fault === 'reserved') return [{ rsv: 1, payload }];
  if (fault === 'continuation') return [{ opcode: 0, payload }];
  const bytes = Buffer.concat([
    Buffer.from(payload),
    Buffer.from(fault === 'not UTF-8' ? [0xc3] : []),
  ]);
  const ends = [...cuts, bytes.length].map((cut) => Math.min(cut, bytes.length));
  const frames: RawFrame[] = [];
  let start = 0;
  for (const [index, end] of ends.toSorted((a, b) => a - b).entries()) {
    if (control !== 0) frames.push({ opcode: control, payload: `control ${index}` });
    const fin = index === cuts.length && fault !== 'unfinished';
    const opcode = index > 0 ? 0 : binary ? 2 : 1;
    frames.push({ fin, opcode, payload: bytes.subarray(start, end) });
    start = end;
  }
  return frames;
}

/** What comes of them over the wire. */
export function wireOf(role: Role, given: readonly PeerMessage[]): Buffer {
  return Buffer.concat(given.flatMap(framesOf).map((frame) => peerFrame(role, frame)));
}
