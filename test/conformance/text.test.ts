/** RFC 6455, sections 5.6 and 8.1: texts are UTF-8, as RFC 3629 defines it. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Role } from '../../src/connection/handler.ts';
import { OPCODE } from '../../src/frame/opcode.ts';
import { type RawFrame, closeBody, hex, peerFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';
import { openPair } from '../support/open-pair.ts';

// The cases of Markus Kuhn's stress test for UTF-8 decoders, by their numbers there.
const VALID: [string, string][] = [
  ['1 the Greek word kosme', 'ce ba e1 bd b9 cf 83 ce bc ce b5'],
  ['2.1.1 U+0000', '00'],
  ['2.1.2 U+0080', 'c2 80'],
  ['2.1.3 U+0800', 'e0 a0 80'],
  ['2.1.4 U+10000', 'f0 90 80 80'],
  ['2.2.1 U+007F', '7f'],
  ['2.2.2 U+07FF', 'df bf'],
  ['2.2.3 U+FFFF', 'ef bf bf'],
  ['2.3.1 U+D7FF', 'ed 9f bf'],
  ['2.3.2 U+E000', 'ee 80 80'],
  ['2.3.3 U+FFFD', 'ef bf bd'],
  ['2.3.4 U+10FFFF', 'f4 8f bf bf'],
  ['5.3.1 U+FFFE', 'ef bf be'],
  ['5.3.3 U+FDD0', 'ef b7 90'],
  ['U+FEFF, which is not taken away', 'ef bb bf 61'],
];

const INVALID: [string, string][] = [
  ['2.2.4 U+1FFFFF', 'f7 bf bf bf'],
  ['2.2.5 U+3FFFFFF', 'fb bf bf bf bf'],
  ['2.2.6 U+7FFFFFFF', 'fd bf bf bf bf bf'],
  ['2.3.5 U+110000', 'f4 90 80 80'],
  ['3.1.1 the first continuation byte', '80'],
  ['3.1.2 the last continuation byte', 'bf'],
  ['3.1.3 two continuation bytes', '80 bf'],
  ['3.1.6 five continuation bytes', '80 bf 80 bf 80'],
  ['3.2.1 a lead byte of two and a space', 'c3 20'],
  ['3.2.2 a lead byte of three and a space', 'e3 20'],
  ['3.2.3 a lead byte of four and a space', 'f3 20'],
  ['3.3.1 the last byte of U+0000 is missing', 'c0'],
  ['3.3.2 the last byte of three is missing', 'e0 a0'],
  ['3.3.3 the last byte of four is missing', 'f0 90 80'],
  ['3.3.6 the last byte of U+07FF is missing', 'df'],
  ['3.3.7 the last byte of U+FFFF is missing', 'ef bf'],
  ['two bytes of four are missing', 'f0 90'],
  ['three bytes of four are missing', 'f4'],
  ['3.4 characters without their last bytes', 'c3 e2 82 f0 9f 8c'],
  ['3.5.1 FE', 'fe'],
  ['3.5.2 FF', 'ff'],
  ['3.5.3 FE FE FF FF', 'fe fe ff ff'],
  ['4.1.1 an overlong slash of two bytes', 'c0 af'],
  ['4.1.2 an overlong slash of three bytes', 'e0 80 af'],
  ['4.1.3 an overlong slash of four bytes', 'f0 80 80 af'],
  ['4.2.1 overlong U+007F', 'c1 bf'],
  ['4.2.2 overlong U+07FF', 'e0 9f bf'],
  ['4.2.3 overlong U+FFFF', 'f0 8f bf bf'],
  ['4.3.1 overlong U+0000 of two bytes', 'c0 80'],
  ['4.3.2 overlong U+0000 of three bytes', 'e0 80 80'],
  ['4.3.3 overlong U+0000 of four bytes', 'f0 80 80 80'],
  ['5.1.1 U+D800', 'ed a0 80'],
  ['5.1.2 U+DB7F', 'ed ad bf'],
  ['5.1.4 U+DBFF', 'ed af bf'],
  ['5.1.5 U+DC00', 'ed b0 80'],
  ['5.1.7 U+DFFF', 'ed bf bf'],
  ['5.2.1 a pair of surrogates', 'ed a0 80 ed b0 80'],
  ['5.2.8 the last pair of surrogates', 'ed af bf ed bf bf'],
];

/** Around a sequence: nothing, and enough for other ways of looking at it. */
const SURROUNDINGS: [string, string][] = [
  ['', ''],
  ['a', 'b'],
  ['x'.repeat(100), ''],
  ['', 'x'.repeat(100)],
  ['x'.repeat(61), 'y'.repeat(61)],
  ['ü'.repeat(50), '🌍'.repeat(20)],
];

function around(before: string, sequence: string, after: string): Buffer {
  return Buffer.concat([Buffer.from(before), hex(sequence), Buffer.from(after)]);
}

/**
 * The same text whole, as two fragments, and byte by byte.
 *
 * @param from - `from` to `to` is where it is cut. Default: everywhere
 */
function* waysToSend(
  payload: Buffer,
  from: number = 0,
  to: number = payload.length,
): Generator<RawFrame[]> {
  yield [{ payload }];
  for (let cut = from; cut <= to; cut++) {
    yield [
      { fin: false, payload: payload.subarray(0, cut) },
      { opcode: 0, payload: payload.subarray(cut) },
    ];
  }
  const frames = Array.from(payload, (byte) => ({
    fin: false,
    opcode: 0,
    payload: Uint8Array.of(byte),
  }));
  yield [{ fin: false, payload: '' }, ...frames, { opcode: 0 }];
}

/** A sequence in each of its surroundings, sent in each way that could matter. */
function* allWays(sequence: string): Generator<{ payload: Buffer; frames: RawFrame[] }> {
  for (const [before, after] of SURROUNDINGS) {
    const payload = around(before, sequence, after);
    const from = Buffer.byteLength(before);
    const to = from + hex(sequence).length;
    for (const frames of waysToSend(payload, from, to)) yield { payload, frames };
  }
}

function expectInvalid(role: Role, frames: readonly RawFrame[], label: string): void {
  const open = new OpenConnection(role);
  open.receiveFrames(...frames, { payload: 'never heard' });
  expect(open.events, label).toEqual(['error WS_ERR_INVALID_UTF8']);
  const [close] = open.sent();
  expect(close!.payload.subarray(0, 2), label).toEqual(closeBody(1007));
}

describe('section 5.6', () => {
  it.each(ROLES)('6455-5.6-01 %s: takes a text that is cut inside a character', (role) => {
    for (const text of ['🌍', '€', 'ü', 'aü€🌍z', `${'x'.repeat(90)}🌍${'y'.repeat(90)}`]) {
      for (const frames of waysToSend(Buffer.from(text))) {
        const open = new OpenConnection(role);
        open.receiveFrames(...frames);
        expect(open.events).toEqual([`text ${text}`]);
      }
    }
  });

  it.each(ROLES)(
    '6455-5.6-01 %s: takes a text whose frame comes in chunks cut inside a character',
    (role) => {
      for (const text of ['🌍', 'aü€🌍z', `${'x'.repeat(40)}🌍${'ü'.repeat(40)}`]) {
        const wire = peerFrame(role, { payload: text });
        for (let cut = 0; cut <= wire.length; cut++) {
          const open = new OpenConnection(role);
          open.receive(wire.subarray(0, cut));
          open.receive(wire.subarray(cut));
          expect(open.events).toEqual([`text ${text}`]);
        }
      }
    },
  );

  it.each(ROLES)(
    '6455-5.6-01 %s: fails on a text that ends inside a character, however it is cut',
    (role) => {
      for (const size of [1, 2, 3]) {
        const payload = Buffer.from('a🌍').subarray(0, 1 + size);
        for (const frames of waysToSend(payload)) expectInvalid(role, frames, `${size} of 4`);
      }
    },
  );

  it.each(ROLES)('6455-5.6-01 %s: begins each text anew', (role) => {
    const open = new OpenConnection(role);
    const halves = [Buffer.from('🌍').subarray(0, 2), Buffer.from('🌍').subarray(2)];
    open.receiveFrames({ fin: false, payload: halves[0]! }, { opcode: 0, payload: halves[1]! });
    open.receiveFrames({ fin: false, payload: 'ASCII' }, { opcode: 0, payload: 'again' });
    // The end of the character alone is no text.
    open.receiveFrames({ payload: halves[1]! });
    expect(open.events).toEqual(['text 🌍', 'text ASCIIagain', 'error WS_ERR_INVALID_UTF8']);
  });

  it.each(ROLES)('6455-5.6-01 %s: sends valid UTF-8, whatever the string holds', (role) => {
    const encoder = new TextEncoder();
    const unit = fc.constantFrom('a', 'ü', '€', '🌍', '\ud800', '\udc00', '\udfff', '\0', '\ufeff');
    const text = fc.oneof(
      fc.string({ unit, maxLength: 300 }),
      fc.string({ unit: 'binary', maxLength: 100 }),
      fc.constantFrom('\ud83d'.repeat(6_000), '🌍'.repeat(5_000), `${'a'.repeat(20_000)}\udc00`),
    );
    fc.assert(
      fc.property(text, (string) => {
        const open = new OpenConnection(role);
        open.connection.send(OPCODE.TEXT, string);
        const [frame] = open.sent();
        // The encoder of the platform puts U+FFFD for what is no character.
        expect(frame!.payload.equals(encoder.encode(string))).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it.each(ROLES)('6455-5.6-01 %s: asks for UTF-8 in texts alone', (role) => {
    for (const [, sequence] of INVALID) {
      const open = new OpenConnection(role);
      open.receiveFrames({ opcode: 2, payload: hex(sequence) });
      expect(open.events).toEqual([`binary ${hex(sequence).toString('hex')}`]);
    }
  });
});

describe('section 8.1', () => {
  const both = ROLES.flatMap((role) =>
    INVALID.map(([name, sequence]) => [role, name, sequence] as const),
  );

  it.each(both)('6455-8.1-01 %s: fails on %s', (role, _, sequence) => {
    for (const { payload, frames } of allWays(sequence)) {
      expectInvalid(role, frames, payload.toString('hex'));
    }
  });

  it.each(ROLES)('6455-8.1-01 %s: takes every character at the edges of its range', (role) => {
    for (const [name, sequence] of VALID) {
      for (const { payload, frames } of allWays(sequence)) {
        const open = new OpenConnection(role);
        open.receiveFrames(...frames);
        expect(open.events, name).toEqual([`text ${payload.toString()}`]);
      }
    }
  });

  it.each(ROLES)('6455-8.1-01 %s: agrees with the decoder of the platform on any bytes', (role) => {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    // Every byte at an edge of RFC 3629's table, and its neighbours.
    const edges = hex('00417f808f909fa0bfc0c1c2dfe0e1ecedeeeff0f1f3f4f5f8ff');
    const byte = fc.constantFrom(...edges);
    const bytes = fc.array(byte, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(bytes, fc.nat(60), fc.nat(60), fc.nat(), (sequence, before, after, cutAt) => {
        const payload = Buffer.from([
          ...Array.from({ length: before }, () => 0x61),
          ...sequence,
          ...Array.from({ length: after }, () => 0x62),
        ]);
        let expected = 'error WS_ERR_INVALID_UTF8';
        try {
          expected = `text ${decoder.decode(payload)}`;
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
        }
        const wire = peerFrame(role, { payload });
        const cut = cutAt % wire.length;
        const open = new OpenConnection(role);
        open.receive(wire.subarray(0, cut));
        open.receive(wire.subarray(cut));
        expect(open.events).toEqual([expected]);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(ROLES)(
    '6455-8.1-01 %s: fails on every such sequence in the reason of a Close',
    (role) => {
      for (const [name, sequence] of INVALID) {
        for (const before of ['', 'x'.repeat(60)]) {
          const open = new OpenConnection(role);
          const reason = around(before, sequence, '');
          open.receiveFrames({ opcode: 8, payload: Buffer.concat([closeBody(1000), reason]) });
          expect(open.events, name).toEqual(['error WS_ERR_INVALID_UTF8']);
          expect(open.sent()[0]!.payload.subarray(0, 2), name).toEqual(closeBody(1007));
        }
      }
    },
  );

  it.each(ROLES)('6455-8.1-01 %s: closes TCP after a text that is no UTF-8', async (role) => {
    const { peer, log } = await openPair(role);
    await peer.write(peerFrame(role, { payload: hex('48 65 ed a0 80') }));
    const [close] = await peer.readFrames(1);
    expect(close!.payload.subarray(0, 2)).toEqual(closeBody(1007));
    expect(await peer.readToEnd()).toHaveLength(0);
    peer.end();
    expect(await log.until('close')).toBe('close 1006  unclean');
    expect(log.entries[0]).toBe('error WS_ERR_INVALID_UTF8');
  });
});
