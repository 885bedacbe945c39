import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Role } from '../../src/connection/handler.ts';
import { type RawFrame, peerFrame } from '../support/bytes.ts';
import { OpenConnection } from '../support/open-connection.ts';

const PING = 9;

/** A message as its fragments, with control frames between them. */
interface Script {
  binary: boolean;
  fragments: Buffer[];
  /** Behind which fragments there is a Ping; a number beyond the last is none. */
  pings: number[];
  inPieces: boolean;
}

const text = fc.string({ unit: 'grapheme', maxLength: 60 }).map((string) => Buffer.from(string));
const anyBytes = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));

/** Cuts bytes anywhere, also inside of characters. */
function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = places.map((place) => place % (bytes.length + 1)).toSorted((one, two) => one - two);
  return [0, ...at].map((start, i) => bytes.subarray(start, at[i] ?? bytes.length));
}

const script: fc.Arbitrary<Script> = fc
  .record({
    binary: fc.boolean(),
    text,
    anyBytes,
    places: fc.array(fc.nat(1_000), { maxLength: 4 }),
    pings: fc.array(fc.nat(5), { maxLength: 2 }),
    inPieces: fc.boolean(),
  })
  .map(({ binary, places, pings, inPieces, ...bytes }) => ({
    binary,
    fragments: cutAt(binary ? bytes.anyBytes : bytes.text, places),
    pings,
    inPieces,
  }));

function framesOf({ binary, fragments, pings }: Script, number: number): RawFrame[] {
  return fragments.flatMap((payload, i) => [
    { opcode: i > 0 ? 0 : binary ? 2 : 1, fin: i === fragments.length - 1, payload },
    ...pings.filter((at) => at === i).map(() => ({ opcode: PING, payload: `${number} ${i}` })),
  ]);
}

function found(kind: 'text' | 'binary', parts: Buffer[]): string {
  return `${kind} ${Buffer.concat(parts).toString('hex')}`;
}

/** What must be found of it: Pings come at once, and the message with its last fragment. */
function eventsOf({ binary, fragments, pings }: Script, number: number): string[] {
  return fragments.flatMap((_, i) => [
    ...(i === fragments.length - 1 ? [found(binary ? 'binary' : 'text', fragments)] : []),
    ...pings.filter((at) => at === i).map(() => `ping ${number} ${i}`),
  ]);
}

/** Takes a wire in these chunks, and some messages in pieces. */
function take(role: Role, scripts: Script[], chunks: Buffer[]): string[] {
  const open = new OpenConnection(role);
  const { connection } = open;
  const events: string[] = [];
  let pieces: Buffer[] = [];
  let count = 0;
  // Whether the next message comes in pieces is said while the one before it is on its way.
  const next = (): void => connection.giveInPieces(scripts[++count]?.inPieces ?? false);
  connection.giveInPieces(scripts[0]?.inPieces ?? false);
  open.during.onMessage = (opcode, source, start, end) => {
    expect([pieces.length, scripts[count]?.inPieces]).toEqual([0, false]);
    events.push(found(opcode === 1 ? 'text' : 'binary', [source.subarray(start, end)]));
    next();
  };
  open.during.onPiece = (opcode, source, start, end, last) => {
    expect(scripts[count]?.inPieces).toBe(true);
    pieces.push(Buffer.from(source.subarray(start, end)));
    if (!last) return;
    events.push(found(opcode === 1 ? 'text' : 'binary', pieces));
    pieces = [];
    next();
  };
  open.during.onPing = (source, start, end) => {
    events.push(`ping ${source.toString('latin1', start, end)}`);
  };
  for (const chunk of chunks) open.receive(chunk);
  expect(pieces).toEqual([]);
  expect(open.errors).toEqual([]);
  return events;
}

describe('a message that is taken in pieces', () => {
  it('has the bytes that it would have had as a whole, however it and the wire are cut', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Role>('client', 'server'),
        fc.array(script, { maxLength: 6 }),
        fc.array(fc.nat(100_000), { maxLength: 12 }),
        (role, scripts, places) => {
          const frames = scripts.flatMap(framesOf);
          const wire = Buffer.concat(frames.map((frame) => peerFrame(role, frame)));
          const expected = scripts.flatMap(eventsOf);
          expect(take(role, scripts, cutAt(wire, places))).toEqual(expected);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('is refused where its text is no UTF-8, as it would be as a whole', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Role>('client', 'server'),
        fc.oneof(anyBytes, text),
        fc.array(fc.nat(1_000), { maxLength: 4 }),
        fc.array(fc.nat(1_000), { maxLength: 4 }),
        (role, bytes, places, wirePlaces) => {
          const one: Script = {
            binary: false,
            fragments: cutAt(bytes, places),
            pings: [],
            inPieces: true,
          };
          const wire = Buffer.concat(framesOf(one, 0).map((frame) => peerFrame(role, frame)));
          const [whole, pieces] = [false, true].map((inPieces) => {
            const open = new OpenConnection(role);
            open.connection.giveInPieces(inPieces);
            for (const chunk of cutAt(wire, wirePlaces)) open.receive(chunk);
            return open;
          });
          expect(pieces!.errors.map(({ code }) => code)).toEqual(
            whole!.errors.map(({ code }) => code),
          );
          // What was given out is a beginning of it, and all of it where it is right.
          const given = pieces!.log
            .map((entry) => /piece ([0-9a-f]*)$/.exec(entry)?.[1] ?? '')
            .join('');
          expect(bytes.toString('hex').startsWith(given)).toBe(true);
          expect(pieces!.log.some((entry) => entry.startsWith('last'))).toBe(
            pieces!.errors.length === 0,
          );
        },
      ),
      { numRuns: 300 },
    );
  });
});
