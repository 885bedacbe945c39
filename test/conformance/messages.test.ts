/** RFC 6455, sections 5.6, 6.1 and 6.2: data frames, sending and receiving messages. */
import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Role } from '../../src/connection/handler.ts';
import { OPCODE } from '../../src/frame/opcode.ts';
import { type RawFrame, closeBody, peerFrame, rawFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';
import { openPair } from '../support/open-pair.ts';

/** Feeds `wire` in chunks that end where `cutAt` says, modulo its length. */
function receiveCut(open: OpenConnection, wire: Buffer, cutAt: readonly number[]): void {
  const at = cutAt.map((cut) => cut % (wire.length + 1)).toSorted((a, b) => a - b);
  for (const [i, start] of [0, ...at].entries()) open.receive(wire.subarray(start, at[i]));
}

describe('section 5.6', () => {
  it.each(ROLES)('6455-5.6-02 %s: delivers binary messages byte for byte', (role) => {
    const sizes = [
      ...Array.from({ length: 71 }, (_, i) => i),
      125,
      126,
      1_000,
      65_535,
      65_536,
      70_000,
    ];
    for (const size of sizes) {
      const payload = randomBytes(size);
      const open = new OpenConnection(role);
      open.receiveFrames({ opcode: 2, payload });
      expect(open.events).toEqual([`binary ${payload.toString('hex')}`]);
    }
    const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const open = new OpenConnection(role);
    open.receiveFrames({ opcode: 2, payload: everyByte });
    expect(open.events).toEqual([`binary ${everyByte.toString('hex')}`]);
  });

  it.each(ROLES)('6455-5.6-02 %s: sends binary messages byte for byte', (role) => {
    const open = new OpenConnection(role);
    const payloads = [
      ...Array.from({ length: 71 }, (_, i) => i),
      125,
      126,
      16_384,
      65_535,
      70_000,
    ].map((size) => randomBytes(size));
    for (const payload of payloads) open.connection.send(OPCODE.BINARY, payload);
    const sent = open.sent();
    expect(sent.map(({ opcode }) => opcode)).toEqual(payloads.map(() => 2));
    for (const [i, frame] of sent.entries()) expect(frame.payload.equals(payloads[i]!)).toBe(true);
  });

  it.each(ROLES)('6455-5.6-02 %s: delivers binary messages that stay as they are', async (role) => {
    const { socket, peer, log } = await openPair(role);
    const kept: Buffer[] = [];
    socket.on('message', (message) => {
      if (typeof message !== 'string') kept.push(message);
    });
    const payloads = [3, 200, 5, 40_000, 1].map((size) => randomBytes(size));
    const frames = payloads.map((payload) => peerFrame(role, { opcode: 2, payload }));
    await peer.write(Buffer.concat(frames));
    // The memory that these came in is used again by what follows.
    await peer.write(peerFrame(role, { opcode: 2, payload: Buffer.alloc(200_000) }));
    await peer.write(peerFrame(role, { payload: 'end' }));
    await log.until('text end');
    for (const [i, payload] of payloads.entries()) expect(kept[i]!.equals(payload)).toBe(true);
  });
});

describe('section 6.1', () => {
  /** Every way in which a connection leaves the state in which it may send. */
  const endings: [string, (open: OpenConnection) => void][] = [
    ['our Close', (open) => open.connection.close(1000)],
    [
      'the Close of the peer',
      (open) => open.receiveFrames({ opcode: 8, payload: closeBody(1000) }),
    ],
    [
      'both',
      (open) => {
        open.connection.close(1000);
        open.receiveFrames({ opcode: 8, payload: closeBody(1000) });
      },
    ],
    ['a broken rule', (open) => open.receiveFrames({ opcode: 3 })],
    ['the end of the transport', (open) => open.connection.receiveEnd()],
    ['the loss of the transport', (open) => open.connection.receiveTransportClose()],
    ['termination', (open) => open.connection.terminate()],
  ];

  it.each(ROLES)('6455-6.1-01 %s: sends while it is open, and never after', (role) => {
    for (const [name, end] of endings) {
      const open = new OpenConnection(role);
      const { connection } = open;
      expect(connection.send(OPCODE.TEXT, 'open')).toBe(true);
      connection.flush();
      end(open);
      const before = open.sent().length;
      expect(connection.send(OPCODE.TEXT, 'late'), name).toBe(false);
      expect(connection.send(OPCODE.BINARY, Buffer.alloc(100_000)), name).toBe(false);
      expect(connection.sendFragment(OPCODE.TEXT, 'late', true), name).toBe(false);
      expect(connection.ping(), name).toBe(false);
      expect(connection.pong(), name).toBe(false);
      expect(open.sent(), name).toHaveLength(before);
    }
  });

  it.each(ROLES)(
    '6455-6.1-01 %s: drops what waits for its turn when it may not send any more',
    (role) => {
      for (const [name, end] of endings) {
        const open = new OpenConnection(role, {
          maxBackpressure: 1_000,
          backpressurePolicy: 'latest',
        });
        const { connection, transport } = open;
        transport.stuck = true;
        connection.send(OPCODE.BINARY, Buffer.alloc(20_000));
        connection.flush();
        connection.send(OPCODE.TEXT, 'kept until there is room');
        end(open);
        transport.unstick();
        connection.receiveDrain();
        const opcodes = open.sent().map(({ opcode }) => opcode);
        expect(
          opcodes.filter((opcode) => opcode !== 8),
          name,
        ).toEqual([2]);
      }
    },
  );

  it.each(ROLES)('6455-6.1-01 %s: drops what waits behind a fragmented message, too', (role) => {
    for (const [name, end] of endings) {
      const open = new OpenConnection(role);
      open.connection.sendFragment(OPCODE.TEXT, 'begun', false);
      open.connection.send(OPCODE.BINARY, Buffer.from('waits'));
      open.connection.flush();
      end(open);
      open.connection.sendFragment(OPCODE.TEXT, 'ended', true);
      open.connection.receiveDrain();
      const opcodes = open.sent().map(({ opcode }) => opcode);
      expect(
        opcodes.filter((opcode) => opcode !== 8),
        name,
      ).toEqual([1]);
    }
  });

  it.each(ROLES)(
    '6455-6.1-01 %s: looks at its state again when a handler has changed it',
    (role) => {
      const open = new OpenConnection(role);
      const answers: boolean[] = [];
      open.during.onMessage = () => {
        answers.push(open.connection.send(OPCODE.TEXT, 'first'));
        open.connection.close(1000);
        answers.push(open.connection.send(OPCODE.TEXT, 'second'));
      };
      open.receiveFrames({ payload: 'go' });
      expect(answers).toEqual([true, false]);
      expect(open.sent().map(({ opcode }) => opcode)).toEqual([1, 8]);
    },
  );

  it.each(ROLES)(
    '6455-6.1-02 %s: sends messages in order, each in frames as section 5.2 wants',
    (role) => {
      const open = new OpenConnection(role);
      const { connection } = open;
      connection.send(OPCODE.TEXT, 'one');
      connection.send(OPCODE.BINARY, Buffer.from('two'));
      connection.sendFragment(OPCODE.BINARY, 'thr', false);
      connection.sendFragment(OPCODE.BINARY, 'ee', true);
      connection.send(OPCODE.TEXT, 'x'.repeat(100_000));
      connection.send(OPCODE.BINARY, Buffer.alloc(100_000, 'y'));
      connection.send(OPCODE.TEXT, 'six');
      const masked = role === 'client';
      const seen = open
        .sent()
        .map((frame) => [
          frame.opcode,
          frame.fin,
          frame.rsv,
          frame.masked,
          frame.payload.subarray(0, 5).toString(),
          frame.payload.length,
        ]);
      expect(seen).toEqual([
        [1, true, 0, masked, 'one', 3],
        [2, true, 0, masked, 'two', 3],
        [2, false, 0, masked, 'thr', 3],
        [0, true, 0, masked, 'ee', 2],
        [1, true, 0, masked, 'xxxxx', 100_000],
        [2, true, 0, masked, 'yyyyy', 100_000],
        [1, true, 0, masked, 'six', 3],
      ]);
    },
  );

  it.each(ROLES)('6455-6.1-02 %s: sends in order over TCP, whatever the size', async (role) => {
    const { socket, peer } = await openPair(role);
    const payloads = Array.from({ length: 300 }, (_, i) => Buffer.alloc((i * 7_919) % 40_000, i));
    for (const payload of payloads) socket.send(payload);
    const frames = await peer.readFrames(payloads.length);
    expect(frames.every(({ opcode, fin }) => opcode === 2 && fin)).toBe(true);
    for (const [i, frame] of frames.entries())
      expect(frame.payload.equals(payloads[i]!)).toBe(true);
  });
});

/** What a peer sends, and what it must lead to; made together, so that neither asks the code. */
interface Plan {
  readonly frames: RawFrame[];
  readonly events: string[];
}

interface PlannedMessage {
  readonly text: boolean;
  readonly string: string;
  readonly parts: readonly Uint8Array[];
  /** What stands behind each fragment. */
  readonly controls: readonly ({ opcode: number; payload: Uint8Array } | null)[];
}

const CONTROL = fc.record({
  opcode: fc.constantFrom(9, 10),
  payload: fc.uint8Array({ maxLength: 125 }),
});

const MESSAGE: fc.Arbitrary<PlannedMessage> = fc.record({
  text: fc.boolean(),
  string: fc.string({ unit: 'binary', maxLength: 100 }),
  parts: fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 5 }),
  controls: fc.array(fc.option(CONTROL), { maxLength: 5 }),
});

function planMessages(messages: readonly PlannedMessage[]): Plan {
  const frames: RawFrame[] = [];
  const events: string[] = [];
  for (const { text, parts, string, controls } of messages) {
    const sizes = parts.map((part) => part.length);
    const whole = text ? Buffer.from(string) : Buffer.concat(parts);
    let at = 0;
    for (const [i, size] of sizes.entries()) {
      const fin = i === sizes.length - 1;
      const payload = whole.subarray(at, fin ? whole.length : at + size);
      at += payload.length;
      frames.push({ fin, opcode: i > 0 ? 0 : text ? 1 : 2, payload });
      const control = controls[i] ?? null;
      if (control === null || fin) continue;
      frames.push(control);
      const name = control.opcode === 9 ? 'ping' : 'pong';
      events.push(`${name} ${Buffer.from(control.payload).toString('hex')}`);
    }
    events.push(text ? `text ${whole.toString()}` : `binary ${whole.toString('hex')}`);
  }
  return { frames, events };
}

/** The rules of sections 5.2 and 5.4, written down once more: which frame is the first bad one? */
function judge(
  frames: readonly Required<Pick<RawFrame, 'fin' | 'rsv' | 'opcode' | 'payload'>>[],
): string[] {
  const events: string[] = [];
  let opened = '';
  let message = '';
  for (const { fin, rsv, opcode, payload } of frames) {
    const text = String(payload);
    const isControl = opcode >= 8;
    const isKnown = opcode <= 2 || (opcode >= 8 && opcode <= 10);
    const fits = isControl ? fin : (opcode === 0) === (opened !== '');
    if (rsv !== 0 || !isKnown || !fits) return [...events, 'error'];
    if (opcode === 8) return events;
    if (isControl) {
      events.push(`${opcode === 9 ? 'ping' : 'pong'} ${Buffer.from(text).toString('hex')}`);
      continue;
    }
    if (opcode !== 0) opened = opcode === 1 ? 'text' : 'binary';
    message += text;
    if (!fin) continue;
    events.push(`${opened} ${opened === 'text' ? message : Buffer.from(message).toString('hex')}`);
    opened = '';
    message = '';
  }
  return events;
}

function wireOf(role: Role, frames: readonly RawFrame[]): Buffer {
  return Buffer.concat(frames.map((frame) => peerFrame(role, frame)));
}

describe('section 6.2', () => {
  it.each(ROLES)('6455-6.2-01 %s: reads messages out of any frames, in any chunks', (role) => {
    fc.assert(
      fc.property(
        fc.array(MESSAGE, { maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (messages, cutAt) => {
          const { frames, events } = planMessages(messages);
          const open = new OpenConnection(role);
          receiveCut(open, wireOf(role, frames), cutAt);
          expect(open.events).toEqual(events);
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each(ROLES)('6455-6.2-01 %s: stops at the first frame that must not be there', (role) => {
    const frame = fc.record({
      fin: fc.boolean(),
      rsv: fc.oneof({ weight: 20, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(7) }),
      opcode: fc.oneof(
        { weight: 20, arbitrary: fc.constantFrom(0, 0, 1, 2, 9, 10) },
        { weight: 1, arbitrary: fc.nat(15) },
      ),
      payload: fc.constantFrom('', 'x', 'payload', 'y'.repeat(100)),
    });
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 12 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        (frames, cutAt) => {
          // The body of a Close is the affair of others.
          const plain = frames.map((one) => (one.opcode === 8 ? { ...one, payload: '' } : one));
          const open = new OpenConnection(role);
          receiveCut(open, wireOf(role, plain), cutAt);
          const events = open.events.map((event) => (event.startsWith('error') ? 'error' : event));
          expect(events).toEqual(judge(plain));
        },
      ),
      { numRuns: 500 },
    );
  });

  it.each(ROLES)('6455-6.2-01 %s: gives a message the type of its first frame', (role) => {
    const open = new OpenConnection(role);
    for (const opcode of [1, 2]) {
      open.receiveFrames({ fin: false, opcode, payload: 'a' }, { opcode: 0, payload: 'b' });
    }
    expect(open.events).toEqual(['text ab', 'binary 6162']);
  });

  it.each(ROLES)(
    '6455-6.2-01 %s: delivers over TCP what came in thousands of small frames',
    async (role) => {
      const { peer, log } = await openPair(role);
      const frames = Array.from({ length: 5_000 }, (_, i) => ({
        fin: i === 4_999,
        opcode: i === 0 ? 1 : 0,
        payload: String(i % 10),
      }));
      await peer.write(wireOf(role, [...frames, { opcode: 2, payload: 'end' }]));
      await log.until('binary');
      expect(log.entries[0]).toBe(`text ${'0123456789'.repeat(500)}`);
    },
  );

  it('6455-6.2-02 server: unmasks every data frame with its own key', () => {
    const server = new OpenConnection('server');
    const keys = ['00000000', 'ffffffff', '01020304', '80000000', '000000ff', 'a5a5a5a5'];
    const payload = Buffer.from(Array.from({ length: 700 }, (_, i) => (i * 31) & 0xff));
    const frames = keys.map((key, i) =>
      rawFrame({
        fin: i === keys.length - 1,
        opcode: i === 0 ? 2 : 0,
        key: Buffer.from(key, 'hex'),
        payload: payload.subarray(i * 100, i * 100 + 100 + i),
      }),
    );
    const whole = keys.map((key) =>
      rawFrame({ key: Buffer.from(key, 'hex'), payload: 'Hello, wörld' }),
    );
    server.receive(Buffer.concat([...frames, ...whole]));
    const joined = Buffer.concat(keys.map((_, i) => payload.subarray(i * 100, i * 100 + 100 + i)));
    expect(server.events).toEqual([
      `binary ${joined.toString('hex')}`,
      ...keys.map(() => 'text Hello, wörld'),
    ]);
  });
});
