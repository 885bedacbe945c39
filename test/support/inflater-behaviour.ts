/** What every inflater does, in whatever way: run by the test file of each. */

import { afterEach, describe, expect, it } from 'vitest';
import type { InflateSink, Inflater, Later } from '../../src/extension/inflater.ts';
import { hex } from './bytes.ts';
import {
  InflatingEnd,
  ReferenceDeflater,
  cutAt,
  deflateAlone,
  finalStream,
  jobsEnd,
  judge,
  noise,
  prose,
  stored,
} from './deflate-reference.ts';

export type CreateInflater = new (
  sink: InflateSink,
  later: Later,
  windowBits: number,
  takeover: boolean,
) => Inflater;

const HELLO = 'f2 48 cd c9 c9 07 00';
const INVALID = { code: 'WS_ERR_INVALID_DEFLATE', closeCode: 1007 };

/** A payload of so many bytes or more goes to a thread. */
const LARGE = 16 * 1024 + 1;

export type OpenEnd = (takeover?: boolean, limit?: number, windowBits?: number) => InflatingEnd;

/** Opens ends that are closed behind each test. */
export function openEnds(Engine: CreateInflater): OpenEnd {
  const open: InflatingEnd[] = [];
  afterEach(async () => {
    for (const { inflater } of open.splice(0)) inflater.close();
    // Who left a job behind would slow down all others for ever.
    await jobsEnd();
  });
  return (takeover = true, limit, windowBits = 15) => {
    const made = new InflatingEnd(
      (sink, later) => new Engine(sink, later, windowBits, takeover),
      limit,
    );
    open.push(made);
    return made;
  };
}

export function describeInflater(name: string, Engine: CreateInflater): void {
  const end = openEnds(Engine);

  async function textOf(payload: Buffer, takeover: boolean = true): Promise<string> {
    const one = end(takeover);
    await one.push(payload);
    expect(one.messages.length).toBe(1);
    return one.messages[0]!.toString();
  }

  describe(`${name}: a payload of RFC 7692, section 7.2.3`, () => {
    it.each([
      ['7.2.3.1, one block', HELLO, 'Hello'],
      ['7.2.3.3, no compression', '00 05 00 fa ff 48 65 6c 6c 6f 00', 'Hello'],
      ['7.2.3.4, BFINAL set to 1', 'f3 48 cd c9 c9 07 00 00', 'Hello'],
      ['7.2.3.4, without the byte that it asks for', 'f3 48 cd c9 c9 07 00', 'Hello'],
      ['7.2.3.5, two blocks', 'f2 48 05 00 00 00 ff ff ca c9 c9 07 00', 'Hello'],
      ['7.2.3.6, no bytes', '00', ''],
    ])('is inflated (%s)', async (_, payload, text) => {
      for (const takeover of [true, false]) expect(await textOf(hex(payload), takeover)).toBe(text);
    });

    it('is inflated in two fragments', async () => {
      const one = end();
      await one.pushAll([hex('f2 48 cd'), hex('c9 c9 07 00')]);
      expect(one.messages.join('|')).toBe('Hello');
    });

    it('may refer to the message before it (7.2.3.2)', async () => {
      const one = end();
      for (const payload of [HELLO, 'f2 00 11 00 00', 'f2 00 11 00 00']) {
        await one.push(hex(payload));
      }
      expect(one.messages.join('|')).toBe('Hello|Hello|Hello');
    });

    it('may not refer to it without context takeover', async () => {
      const one = end(false);
      await one.push(hex(HELLO));
      await expect(one.push(hex('f2 00 11 00 00'))).rejects.toMatchObject(INVALID);
    });

    it('may not refer to a message of another connection', async () => {
      for (const takeover of [true, false]) {
        const one = end(false);
        await one.push(hex(HELLO));
        await one.push(deflateAlone(noise(LARGE)));
        const other = end(takeover);
        await expect(other.push(hex('f2 00 11 00 00'))).rejects.toMatchObject(INVALID);
      }
    });
  });

  describe(`${name}: messages`, () => {
    const TEXTS = [
      Buffer.from('Hello'),
      Buffer.alloc(0),
      prose(3_000),
      noise(2_000),
      Buffer.alloc(0),
      Buffer.alloc(70_000),
      prose(3_000),
      prose(65_536, 2),
      noise(40_000, 2),
      prose(3_000),
      Buffer.alloc(700_000, 'abc'),
    ];

    it.each([
      [true, 15],
      [true, 12],
      [true, 9],
      [false, 15],
      [false, 9],
    ])('are those that were compressed (takeover %s, %i bits)', async (takeover, windowBits) => {
      const one = end(takeover, undefined, windowBits);
      const reference = new ReferenceDeflater(windowBits, takeover);
      for (const text of TEXTS) await one.push(await reference.deflate(text));
      reference.close();
      expect(one.messages.map((message, i) => message.equals(TEXTS[i]!))).toEqual(
        TEXTS.map(() => true),
      );
    });

    it.each([9, 10, 11, 12, 13, 14, 15])('may refer back as far as %i bits go', async (bits) => {
      // What a compressor looks at beyond a match takes 262 bytes of its window.
      const size = 2 ** bits - 262 - 100;
      const again = noise(100, 3);
      const one = end(true, undefined, bits);
      const reference = new ReferenceDeflater(bits, true);
      await one.push(await reference.deflate(Buffer.concat([again, noise(size)])));
      const payload = await reference.deflate(again);
      reference.close();
      expect(payload.length).toBeLessThan(20);
      await one.push(payload);
      expect(one.messages[1]!.equals(again)).toBe(true);
    });

    it('may be cut at any byte', async () => {
      const one = end();
      const reference = new ReferenceDeflater(15, true);
      const text = prose(120);
      let payload = await reference.deflate(text);
      for (let place = 0; place <= payload.length; place++) {
        await one.pushAll(cutAt(payload, [place]));
        expect(one.messages.length).toBe(place + 1);
        expect(one.messages[place]!.equals(text)).toBe(true);
        payload = await reference.deflate(text);
      }
      reference.close();
    });

    it('may come byte by byte, with nothing between the bytes', async () => {
      const one = end();
      const payload = deflateAlone(prose(2_000));
      const pieces = [...payload].flatMap((byte) => [Buffer.of(byte), Buffer.alloc(0)]);
      await one.pushAll(pieces);
      expect(one.messages.map((message) => message.equals(prose(2_000)))).toEqual([true]);
    });

    it('may end with an empty fragment', async () => {
      const one = end();
      for (const payload of [hex(HELLO), deflateAlone(noise(50_000)), finalStream('Hello')]) {
        await one.pushAll([payload, Buffer.alloc(0)]);
      }
      expect(one.messages.map(({ length }) => length)).toEqual([5, 50_000, 5]);
    });

    it('may have large and small fragments in turn', async () => {
      const text = noise(200_000);
      const payload = deflateAlone(text);
      const one = end();
      await one.pushAll(cutAt(payload, [0, 10, 50_000, 50_010, 120_000, payload.length - 1]));
      expect(one.messages.map((message) => message.equals(text))).toEqual([true]);
    });

    it('have the text of their flushes as well', async () => {
      const parts = ['Hel', '', 'lo', '!'].map((part) => deflateAlone(Buffer.from(part)));
      const flushed = Buffer.concat(parts.flatMap((part) => [part, hex('00 00 ff ff')]));
      expect(await textOf(flushed.subarray(0, -4))).toBe('Hello!');
    });

    it('may be large and have no text at all', async () => {
      const blocks = Buffer.concat(Array.from({ length: 5_000 }, () => stored('')));
      const one = end();
      await one.push(blocks, false);
      await one.push(Buffer.concat([blocks, hex('00')]));
      expect(one.messages).toEqual([Buffer.alloc(0)]);
    });

    it('may fill an output to the last byte', async () => {
      for (const size of [65_535, 65_536, 65_537, 131_072, 262_144, 327_680]) {
        const one = end();
        // A small payload, and a large one.
        for (const text of [Buffer.alloc(size, 'a'), noise(size)]) {
          await one.push(deflateAlone(text));
          expect(one.messages.at(-1)!.equals(text)).toBe(true);
        }
        one.inflater.close();
      }
    });
  });

  describe(`${name}: a message with final blocks`, () => {
    it('goes on behind them', async () => {
      expect(await textOf(Buffer.concat([finalStream('one, '), finalStream('two')]))).toBe(
        'one, two',
      );
      const mixed = [stored('one, ', true), finalStream('two, '), deflateAlone(prose(50))];
      expect(await textOf(Buffer.concat(mixed))).toBe(`one, two, ${prose(50).toString()}`);
    });

    it('goes on behind one with a large text, and behind a large one', async () => {
      const zeros = Buffer.alloc(400_000);
      const large = noise(100_000);
      const one = end();
      await one.push(Buffer.concat([finalStream(zeros), finalStream(large), deflateAlone(zeros)]));
      expect(one.messages.length).toBe(1);
      expect(one.messages[0]!.equals(Buffer.concat([zeros, large, zeros]))).toBe(true);
    });

    it('ends with one, wherever it is cut', async () => {
      const payload = Buffer.concat([finalStream('one, '), stored('two', true)]);
      for (let place = 0; place <= payload.length; place++) {
        for (const tail of ['', '00']) {
          const one = end();
          await one.pushAll(cutAt(Buffer.concat([payload, hex(tail)]), [place]));
          expect(one.messages.join('|')).toBe('one, two');
          one.inflater.close();
        }
      }
    });

    it('may be large and end with one', async () => {
      const large = noise(100_000);
      for (const behind of ['', '00']) {
        const one = end();
        await one.push(Buffer.concat([finalStream(large), hex(behind)]));
        expect(one.messages.map((message) => message.equals(large))).toEqual([true]);
      }
    });

    it('is followed by others', async () => {
      for (const takeover of [true, false]) {
        const one = end(takeover);
        await one.push(finalStream('one'));
        await one.push(Buffer.concat([finalStream('two'), hex('00')]));
        await one.push(Buffer.concat([finalStream(noise(LARGE)), finalStream('three')]));
        await one.push(hex(HELLO));
        expect(one.messages.map(({ length }) => length)).toEqual([3, 3, LARGE + 5, 5]);
      }
    });

    it('remembers nothing from before them: a stream refers to itself', async () => {
      const reference = 'f2 00 11 00 00';
      const inside = end();
      const both = Buffer.concat([finalStream('Hello'), hex(reference)]);
      await expect(inside.push(both)).rejects.toMatchObject(INVALID);
      const behind = end();
      await behind.push(finalStream('Hello'));
      await expect(behind.push(hex(reference))).rejects.toMatchObject(INVALID);
    });

    it('is not followed by nothing: that is no message either', async () => {
      for (const payload of [finalStream('one'), finalStream(noise(LARGE))]) {
        const one = end();
        await one.push(payload);
        await expect(one.push(Buffer.alloc(0))).rejects.toMatchObject(INVALID);
      }
    });

    it('may have thousands, and lets others have their turn', async () => {
      const streams = 4_000;
      // In one small payload, and in a large one.
      for (const text of ['', 'Hello']) {
        const one = end();
        await one.push(Buffer.concat(Array.from({ length: streams }, () => finalStream(text))));
        expect(one.messages.map(({ length }) => length)).toEqual([streams * text.length]);
        // None waits for more than 64 of them, and none costs more than a turn.
        expect(one.turns).toBeGreaterThan(streams / 70);
        expect(one.turns).toBeLessThan(2 * streams + 4);
      }
    });
  });

  describe(`${name}: what is no message`, () => {
    it.each([
      ['nothing', ''],
      ['a reserved type of block', '07'],
      ['a reserved type of block behind a good one', '00 05 00 fa ff 48 65 6c 6c 6f 06'],
      ['a stored block whose length is not repeated', '00 05 00 fb ff 48 65 6c 6c 6f 00'],
      ['a text from before the first', 'f2 00 11 00 00'],
      ['a code that there is not', 'fe ff ff ff ff ff ff ff'],
      ['ones', 'ff ff ff ff'],
      ['what is never sent, sent', '00 00 00 ff ff'],
      ['a message with what is never sent', `${HELLO} 00 00 ff ff`],
      ['something behind a final block', 'f3 48 cd c9 c9 07 00 ff'],
      ['one byte too many', `${HELLO} 00`],
      [
        'a final block that was cut, and would end with what is not sent',
        '15 c5 b1 11 80 20 10 45 c1 d6 9f 99 24 cc 11 1c a2 24 86 44 d4 e4 51 c1 2f c1 61 93 95 c1 f7 a2 7e ee 82 43 06 aa 03',
      ],
      ['a Huffman code with too many symbols', '04 c0 ff ff ff ff ff ff ff ff ff ff ff ff ff'],
    ])('is refused (%s)', async (_, payload) => {
      expect(judge(hex(payload))).toBe(null);
      for (const places of [[], [1], [2, 3]]) {
        const one = end();
        await expect(one.pushAll(cutAt(hex(payload), places))).rejects.toMatchObject(INVALID);
        expect(one.messages).toEqual([]);
      }
    });

    it.each([
      ['a fixed code', deflateAlone(Buffer.from('Hello, Hello, Hello!'))],
      ['a code of its own', deflateAlone(prose(400))],
      ['many symbols', deflateAlone(noise(300), { level: 6, strategy: 2 })],
      ['no compression', deflateAlone(noise(40), { level: 0 })],
      ['a final block without compression', Buffer.concat([stored(noise(40), true), hex('00')])],
      ['a final block', finalStream(prose(300))],
      ['two final blocks', Buffer.concat([finalStream(prose(30)), finalStream(prose(90))])],
      [
        'two flushes',
        Buffer.concat([deflateAlone(prose(60)), hex('00 00 ff ff'), deflateAlone(prose(70))]),
      ],
    ])('is refused when it was cut, at whatever byte (%s)', async (_, payload) => {
      const kept: number[] = [];
      for (let size = 0; size < payload.length; size++) {
        const part = payload.subarray(0, size);
        const whole = judge(part);
        const one = end();
        if (whole === null) {
          await expect(one.push(part), `${size} bytes`).rejects.toMatchObject(INVALID);
        } else {
          kept.push(size);
          await one.push(part);
          expect(one.messages.map((message) => message.equals(whole))).toEqual([true]);
        }
        one.inflater.close();
      }
      // A few beginnings are messages themselves, as the first byte of a stored block is.
      expect(kept.length).toBeLessThan(4);
    });

    it('is refused when it was large and was cut', async () => {
      const payloads = [
        deflateAlone(noise(40_000)),
        deflateAlone(prose(200_000)),
        finalStream(noise(40_000)),
      ];
      for (const payload of payloads) {
        for (const missing of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1_000, payload.length - LARGE]) {
          const part = payload.subarray(0, payload.length - missing);
          const whole = judge(part);
          const one = end();
          if (whole === null) await expect(one.push(part)).rejects.toMatchObject(INVALID);
          else await one.push(part);
          expect(one.messages.length).toBe(whole === null ? 0 : 1);
          one.inflater.close();
        }
      }
    });

    it('is refused when a large one has a fault', async () => {
      const payload = deflateAlone(noise(100_000));
      for (const place of [0, 70_000]) {
        const one = end();
        // The head of a stored block: none is that long.
        const bad = Buffer.concat([payload.subarray(0, place), hex('07'), payload.subarray(place)]);
        const isBad = judge(bad) === null;
        expect(isBad).toBe(true);
        await expect(one.push(bad)).rejects.toMatchObject(INVALID);
        expect(one.messages).toEqual([]);
      }
    });
  });
}
