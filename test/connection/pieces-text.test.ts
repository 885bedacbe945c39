import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Bytes } from '../../src/connection/payload.ts';
import { closeBody } from '../support/bytes.ts';
import { type LiveSocket, openLive, turns } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

const TEXT = 'a, é, 世, 🌍';

/** What a peer makes of the bytes of a text: an error where they are no UTF-8. */
function decode(bytes: Buffer): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

/** With U+FFFD for halves of surrogate pairs: what every conversion to UTF-8 does. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}

async function expectRefused(live: LiveSocket, sent: Promise<boolean>): Promise<void> {
  const errors: unknown[] = [];
  live.socket.on('error', (error) => void errors.push(error));
  expect((await live.answerClose()).payload).toEqual(closeBody(1011));
  expect(await sent).toBe(false);
  await live.closed;
  expect(errors).toHaveLength(1);
  expect(errors[0]).toBeInstanceOf(TypeError);
}

describe.each(ROLES)('a text of pieces that a %s sends', (role) => {
  it('may be cut between the halves of a surrogate pair', async () => {
    const live = await openLive(role);
    for (const pieces of [
      ['\ud83c', '\udf0d'],
      ['a\ud83c', '', '\udf0db'],
      ['\ud83c', '\udf0d\ud83c', '\udf0d'],
      TEXT.split(''),
    ]) {
      expect(await live.socket.send(pieces)).toBe(true);
      expect(decode((await live.message()).payload)).toBe(pieces.join(''));
    }
  });

  it('is not torn inside of a pair where a piece is so large that it leaves in parts', async () => {
    const live = await openLive(role);
    for (const offset of [0, 1]) {
      const text = 'a'.repeat(offset) + '🌍'.repeat(100_000) + '\ud83c'.repeat(3);
      const sent = live.socket.send([text, 'b'.repeat(200_000)]);
      const message = await live.message();
      expect(await sent).toBe(true);
      expect(decode(message.payload)).toBe(wellFormed(text) + 'b'.repeat(200_000));
      expect(message.fragments).toBeGreaterThan(5);
    }
  });

  it('has U+FFFD for a half that stays alone, as a string has', async () => {
    const live = await openLive(role);
    for (const pieces of [
      ['\ud83c'],
      ['a\ud83c', 'b'],
      ['\ud83c', '\ud83c', '\udf0d'],
      ['\udf0d', '\ud83c'],
      ['', '\ud83c', ''],
    ]) {
      expect(await live.socket.send(pieces)).toBe(true);
      expect(decode((await live.message()).payload)).toBe(wellFormed(pieces.join('')));
    }
  });

  it('waits for room for a half that stays alone, too', async () => {
    const live = await openLive(role);
    await live.fill();
    const sent = live.socket.send(['\ud83c']);
    await turns();
    live.readOn();
    expect(await sent).toBe(true);
    let message = await live.message();
    while (message.opcode !== 1) message = await live.message();
    expect(decode(message.payload)).toBe('\ufffd');
  });

  it('may be given as strings and as bytes to sendText, cut inside of characters', async () => {
    const live = await openLive(role);
    const bytes = Buffer.from(TEXT);
    const single = [...bytes].map((byte) => Buffer.from([byte]));
    expect(await live.socket.sendText(single)).toBe(true);
    const message = await live.message();
    expect([message.opcode, decode(message.payload)]).toEqual([1, TEXT]);
    expect(await live.socket.sendText(['<', bytes.subarray(0, 5), bytes.subarray(5), '>'])).toBe(
      true,
    );
    expect(decode((await live.message()).payload)).toBe(`<${TEXT}>`);
    expect(await live.socket.sendText([])).toBe(true);
    expect(await live.message()).toEqual({ opcode: 1, payload: Buffer.alloc(0), fragments: 1 });
  });

  it('puts U+FFFD for the half of a pair that bytes come behind', async () => {
    const live = await openLive(role);
    expect(
      await live.socket.sendText(['\ud83c', Buffer.from('é'), '\ud83c', Buffer.alloc(0)]),
    ).toBe(true);
    expect(decode((await live.message()).payload)).toBe('\ufffdé\ufffd');
  });

  it.each([
    ['bytes that are no UTF-8', [Buffer.from([0xff])]],
    ['a character that does not end', ['a', Buffer.from([0xf0, 0x9f])]],
    ['a string inside of a character', [Buffer.from([0xc3]), 'a', Buffer.from([0xa9])]],
    [
      'a character that goes wrong in the next piece',
      [Buffer.from([0xe4, 0xb8]), Buffer.from([0x41])],
    ],
    ['half of a surrogate pair as bytes', [Buffer.from([0xed, 0xa0]), Buffer.from([0x80])]],
  ] satisfies [string, (string | Bytes)[]][])('is refused for %s', async (_name, pieces) => {
    const live = await openLive(role);
    await expectRefused(live, live.socket.sendText(pieces));
  });

  it('never leaves as something that is no UTF-8', async () => {
    const live = await openLive(role);
    const sent = live.socket.sendText([Buffer.from('good'), Buffer.from([0xc3, 0x28])]);
    await expectRefused(live, sent);
    // What came before the Close was the good piece, and no end.
    expect(live.peer.unread).toHaveLength(0);
  });
});

describe.each(ROLES)('what a %s sends at once', (role) => {
  it('is a text for sendText, given as a string or as UTF-8', async () => {
    const live = await openLive(role);
    expect(live.socket.sendText(TEXT)).toBe(true);
    expect(live.socket.sendText(Buffer.from(TEXT))).toBe(true);
    const framed = new TextEncoder().encode(`..${TEXT}..`);
    const inside = new DataView(framed.buffer, 2, framed.length - 4);
    expect(live.socket.sendText(inside)).toBe(true);
    expect(live.socket.sendText(Buffer.alloc(0))).toBe(true);
    const frames = await live.peer.readFrames(4);
    expect(frames.map(({ opcode, payload }) => [opcode, decode(payload)])).toEqual([
      [1, TEXT],
      [1, TEXT],
      [1, TEXT],
      [1, ''],
    ]);
  });

  it('is refused by sendText before anything is sent, where it is no UTF-8', async () => {
    const live = await openLive(role);
    const bad = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x61, 0xe4]];
    for (const bytes of bad) {
      expect(() => live.socket.sendText(Buffer.from(bytes))).toThrow(TypeError);
      const long = Buffer.concat([Buffer.alloc(100, 'a'), Buffer.from(bytes)]);
      expect(() => live.socket.sendText(long)).toThrow(TypeError);
    }
    live.socket.send('nothing before this');
    expect(await live.texts(1)).toEqual(['nothing before this']);
    expect(live.socket.readyState).toBe(1);
  });

  it('is a binary for sendBinary, also of a string', async () => {
    const live = await openLive(role);
    expect(live.socket.sendBinary(TEXT)).toBe(true);
    expect(live.socket.sendBinary(Buffer.from([0xff]))).toBe(true);
    expect(await live.socket.sendBinary([TEXT, Buffer.from([0xff]), '\ud83c', '\udf0d'])).toBe(
      true,
    );
    const messages = [await live.message(), await live.message(), await live.message()];
    expect(messages.map(({ opcode, payload }) => [opcode, payload])).toEqual([
      [2, Buffer.from(TEXT)],
      [2, Buffer.from([0xff])],
      [2, Buffer.concat([Buffer.from(TEXT), Buffer.from([0xff]), Buffer.from('🌍')])],
    ]);
  });

  it('is a TypeError for what is no message, and nothing is sent', async () => {
    const live = await openLive(role);
    for (const data of [5, null, undefined, true, {}, Symbol('x'), () => 'x', 5n, new Date(0)]) {
      // @ts-expect-error -- what has no types is to be refused too
      expect(() => live.socket.send(data)).toThrow(TypeError);
      // @ts-expect-error -- the same
      expect(() => live.socket.sendText(data)).toThrow(TypeError);
      // @ts-expect-error -- the same
      expect(() => live.socket.sendBinary(data)).toThrow(TypeError);
    }
    await turns();
    live.socket.send('nothing before this');
    expect(await live.texts(1)).toEqual(['nothing before this']);
  });
});

it('sends the same text, however it is cut into strings and bytes', async () => {
  const live = await openLive('server');
  const character = fc.constantFrom('a', 'é', '世', '🌍', '\ud83c', '\udf0d', '\u0000', '\ufeff');
  await fc.assert(
    fc.asyncProperty(
      fc.array(character, { maxLength: 20 }),
      fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 10 }),
      async (characters, cuts) => {
        const units = characters.join('').split('');
        const pieces: string[] = [];
        for (let i = 0; units.length > 0; i++) {
          pieces.push(units.splice(0, cuts[i % cuts.length]).join(''));
          if (cuts.every((cut) => cut === 0)) pieces.push(units.shift()!);
        }
        const expected = wellFormed(characters.join(''));
        expect(await live.socket.sendText(pieces)).toBe(true);
        expect(decode((await live.message()).payload)).toBe(expected);

        const bytes = Buffer.from(expected);
        const parts: Bytes[] = [];
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = cuts[i % cuts.length]! + (i % 2);
          parts.push(bytes.subarray(at, at + size));
          at += size;
        }
        expect(await live.socket.sendText(parts)).toBe(true);
        expect(decode((await live.message()).payload)).toBe(expected);
      },
    ),
    { numRuns: 60 },
  );
});
