import { describe, expect, it } from 'vitest';
import type { Role } from '../../src/connection/handler.ts';
import { type RawFrame, closeBody, peerFrame } from '../support/bytes.ts';
import { DeflateConnection, ReferencePeer } from '../support/deflate-connection.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

interface Wire {
  readonly name: string;
  readonly frames: readonly RawFrame[];
}

const CLOSE: RawFrame = { opcode: 8, payload: closeBody(1000, 'bye') };

/** What a peer may send, good or bad: short, since each is cut at each pair of its bytes. */
const PLAIN: readonly Wire[] = [
  { name: 'a text and a Close', frames: [{ payload: 'aé€😀' }, CLOSE] },
  { name: 'binaries', frames: [{ opcode: 2, payload: 'abc' }, { opcode: 2 }, CLOSE] },
  { name: 'a Ping and a Pong', frames: [{ opcode: 9, payload: 'p' }, { opcode: 10 }, CLOSE] },
  {
    name: 'fragments with a Ping between them',
    frames: [
      { fin: false, payload: 'a\u{20ac}'.slice(0, 1) },
      { opcode: 9, payload: 'p' },
      { opcode: 0, fin: false, payload: '€' },
      { opcode: 0, payload: '' },
      { payload: 'next' },
    ],
  },
  {
    name: 'a character in two fragments',
    frames: [
      { fin: false, payload: Buffer.from('e282', 'hex') },
      { opcode: 0, payload: Buffer.from('ac', 'hex') },
      CLOSE,
    ],
  },
  { name: 'a Close without a code, and more', frames: [{ opcode: 8 }, { payload: 'too late' }] },
  { name: 'no Close at all', frames: [{ payload: 'one' }, { payload: 'two' }] },
  { name: 'a reserved bit', frames: [{ payload: 'one' }, { rsv: 2, payload: 'two' }, CLOSE] },
  { name: 'a reserved opcode', frames: [{ payload: 'one' }, { opcode: 3 }, CLOSE] },
  { name: 'the end of what has not begun', frames: [{ opcode: 0, payload: 'one' }, CLOSE] },
  {
    name: 'a text within a text',
    frames: [{ fin: false, payload: 'one' }, { payload: 'two' }, CLOSE],
  },
  { name: 'a text that is not UTF-8', frames: [{ payload: Buffer.from('61ff62', 'hex') }, CLOSE] },
  { name: 'a Close with half a code', frames: [{ opcode: 8, payload: 'x' }, { payload: 'x' }] },
  {
    name: 'a Close with a code that none may have',
    frames: [{ opcode: 8, payload: closeBody(1005) }],
  },
  { name: 'a Ping in fragments', frames: [{ opcode: 9, fin: false }, CLOSE] },
  { name: 'a length that is longer than it must be', frames: [{ payload: 'a', lengthBits: 16 }] },
  { name: 'a message that is too big', frames: [{ payload: 'x'.repeat(41) }, CLOSE] },
];

/** The same, compressed. A peer compresses each message behind those before it. */
function deflatedWires(): readonly Wire[] {
  const peer = new ReferencePeer();
  const [first, second] = [peer.deflate('aé€, aé€, aé€'), peer.deflate('aé€, aé€')];
  const alone = new ReferencePeer().deflate('aé€');
  return [
    {
      name: 'two messages, of which one refers to the other',
      frames: [{ rsv: 4, payload: first }, { rsv: 4, payload: second }, CLOSE],
    },
    {
      name: 'compressed fragments with a Ping between them',
      frames: [
        { rsv: 4, fin: false, payload: alone.subarray(0, 3) },
        { opcode: 9 },
        { opcode: 0, payload: alone.subarray(3) },
        { payload: 'plain' },
        CLOSE,
      ],
    },
    { name: 'what does not inflate', frames: [{ payload: 'one' }, { rsv: 4, payload: 'xyz' }] },
    {
      name: 'compressed text that is not UTF-8',
      frames: [{ rsv: 4, payload: new ReferencePeer().deflate(Buffer.of(0xff)) }, CLOSE],
    },
    {
      name: 'what is too big when it is inflated',
      frames: [{ rsv: 4, payload: new ReferencePeer().deflate('x'.repeat(300)) }, CLOSE],
    },
    { name: 'a compressed Ping', frames: [{ rsv: 4, opcode: 9, payload: 'x' }, CLOSE] },
  ];
}

/** More than any message here but the ones that are to be too big. */
const limits = { maxPayload: 40 };

interface Outcome {
  /** What the handler was told. */
  readonly events: readonly string[];
  /** What the peer is told. */
  readonly sent: readonly string[];
  /** How the transport was left. */
  readonly calls: readonly string[];
}

type Ending = 'FIN' | 'RST';

/** Both kinds of connections log what they are told. */
function outcome(
  role: Role,
  isDeflated: boolean,
  pieces: readonly Buffer[],
  ending: Ending,
): Outcome {
  const end = isDeflated
    ? new DeflateConnection(role, { limits })
    : new OpenConnection(role, limits);
  for (const piece of pieces) end.receive(piece);
  if (ending === 'FIN') end.connection.receiveEnd();
  else end.connection.terminate();
  const sent = end.sent().map(({ opcode, payload }) => `${opcode} ${payload.toString('hex')}`);
  end.connection.receiveTransportClose();
  const calls = end.transport.calls.filter((call) => call === 'end' || call === 'destroy');
  expect(end.connection.deadline, 'no timer has anything to do').toBe(Infinity);
  return { events: end.log.filter((entry) => entry !== 'pending'), sent, calls };
}

function isClose(entry: string): boolean {
  return entry.startsWith('close ');
}

describe.each(ROLES)('what comes to a %s', (role) => {
  describe.each([
    { kind: 'plain', isDeflated: false, wires: PLAIN },
    { kind: 'plain, where compression is on', isDeflated: true, wires: PLAIN },
    { kind: 'compressed', isDeflated: true, wires: deflatedWires() },
  ])('$kind', ({ isDeflated, wires }) => {
    it.each(wires)('is the same for every cut in two and in three: $name', ({ frames }) => {
      const wire = Buffer.concat(frames.map((frame) => peerFrame(role, frame)));
      const whole = outcome(role, isDeflated, [wire], 'FIN');
      expect(whole.events.filter(isClose)).toEqual([whole.events.at(-1)]);
      for (let one = 0; one <= wire.length; one++) {
        for (let two = one; two <= wire.length; two++) {
          const pieces = [wire.subarray(0, one), wire.subarray(one, two), wire.subarray(two)];
          expect(outcome(role, isDeflated, pieces, 'FIN'), `${one}, ${two}`).toEqual(whole);
        }
      }
      const bytes = [...wire].map((byte) => Buffer.of(byte));
      expect(outcome(role, isDeflated, bytes, 'FIN')).toEqual(whole);
    });

    it.each(wires)('ends once where it ends at any byte: $name', ({ frames }) => {
      const wire = Buffer.concat(frames.map((frame) => peerFrame(role, frame)));
      const whole = outcome(role, isDeflated, [wire], 'FIN').events.filter(
        (entry) => !isClose(entry),
      );
      for (const ending of ['FIN', 'RST'] as const) {
        for (let size = 0; size < wire.length; size++) {
          const { events, calls } = outcome(role, isDeflated, [wire.subarray(0, size)], ending);
          expect(events.filter(isClose), `${ending} behind ${size}`).toEqual([events.at(-1)]);
          // What was told before is a beginning of what the whole tells.
          expect(events.slice(0, -1)).toEqual(whole.slice(0, events.length - 1));
          expect(calls).toContain(ending === 'FIN' ? 'end' : 'destroy');
        }
      }
    });
  });
});
