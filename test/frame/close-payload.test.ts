import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../src/errors.ts';
import {
  encodeClosePayload,
  readCloseCode,
  readCloseReason,
} from '../../src/frame/close-payload.ts';
import { closeBody, hex } from '../support/bytes.ts';

/** RFC 6455, section 7.4, and the IANA registry, by hand. */
function mayBeSent(code: number): boolean {
  return (
    (code >= 1000 && code <= 1003) ||
    (code >= 1007 && code <= 1014) ||
    (code >= 3000 && code <= 4999)
  );
}

/** A body between other bytes, as it stands in a chunk. */
function amongOthers(body: Buffer): [source: Buffer, start: number, end: number] {
  const source = Buffer.concat([hex('81 ff 03'), body, hex('03 e8 ff 41')]);
  return [source, 3, 3 + body.length];
}

/** What a call returns, or the name of what it throws, for the loops that `expect` would slow. */
function outcomeOf(act: () => number): number | string {
  try {
    return act();
  } catch (error) {
    if (error instanceof ProtocolError) return `${error.code} ${error.closeCode}`;
    return error instanceof Error ? error.name : 'no error';
  }
}

/** Calls as JavaScript may, whatever the types say. */
function encodeUntyped(...values: unknown[]): () => unknown {
  return () => Reflect.apply(encodeClosePayload, undefined, values);
}

describe('encodeClosePayload', () => {
  it('writes an empty body without a code', () => {
    expect(encodeClosePayload()).toHaveLength(0);
    expect(encodeClosePayload(undefined, '')).toHaveLength(0);
  });

  it('writes a code of two bytes in network byte order, and nothing behind it', () => {
    expect(encodeClosePayload(1000).toString('hex')).toBe('03e8');
    expect(encodeClosePayload(1000, '').toString('hex')).toBe('03e8');
    expect(encodeClosePayload(4999).toString('hex')).toBe('1387');
  });

  it('writes the reason in UTF-8 behind the code', () => {
    expect(encodeClosePayload(1001, 'aä€😀').toString('hex')).toBe('03e961c3a4e282acf09f9880');
  });

  it('takes exactly the codes of section 7.4 among all 65,536', () => {
    const wrong: number[] = [];
    for (let code = 0; code <= 0xffff; code++) {
      const outcome = outcomeOf(() => encodeClosePayload(code).readUInt16BE());
      if (outcome !== (mayBeSent(code) ? code : 'RangeError')) wrong.push(code);
    }
    expect(wrong).toEqual([]);
  });

  it.each([-1, 1000.5, 65_536 + 1000, NaN, Infinity, -Infinity])(
    'throws a RangeError for %d, and names the section',
    (code) => {
      expect(() => encodeClosePayload(code)).toThrow(
        new RangeError(`the status code ${code} must not be sent (RFC 6455, section 7.4)`),
      );
    },
  );

  it.each([
    ['123 letters', 'a'.repeat(123)],
    ['61 letters of 2 bytes', 'ä'.repeat(61)],
    ['41 signs of 3 bytes', '€'.repeat(41)],
    ['30 signs of 4 bytes', '😀'.repeat(30)],
    ['41 unpaired surrogates', '\uD800'.repeat(41)],
  ])('takes a reason of %s, which fits into a control frame', (_name, reason) => {
    const payload = encodeClosePayload(3000, reason);
    expect(payload.length).toBeLessThanOrEqual(125);
    expect(payload.readUInt16BE()).toBe(3000);
    expect(payload.toString('utf8', 2)).toBe(reason.replaceAll('\uD800', '\uFFFD'));
  });

  it.each([
    ['124 letters', 'a'.repeat(124)],
    ['62 letters of 2 bytes', 'ä'.repeat(62)],
    ['42 signs of 3 bytes', '€'.repeat(42)],
    ['31 signs of 4 bytes', '😀'.repeat(31)],
    ['42 unpaired surrogates', '\uD800'.repeat(42)],
  ])('throws a RangeError for a reason of %s', (_name, reason) => {
    expect(() => encodeClosePayload(3000, reason)).toThrow(RangeError);
  });

  it('says in bytes how long a reason is that does not fit', () => {
    expect(() => encodeClosePayload(1000, '€'.repeat(42))).toThrow(/\b126 bytes\b.*\b123\b/);
  });

  it.each([
    ['an unpaired high surrogate', 'a\uD800b', '61efbfbd62'],
    ['an unpaired low surrogate', 'a\uDC00', '61efbfbd'],
    ['two in the wrong order', '\uDE00\uD83D', 'efbfbdefbfbd'],
  ])('replaces %s by U+FFFD, as no UTF-8 has it', (_name, reason, bytes) => {
    expect(encodeClosePayload(1000, reason).toString('hex')).toBe(`03e8${bytes}`);
  });

  it('throws a TypeError for a reason without a code', () => {
    expect(() => encodeClosePayload(undefined, 'bye')).toThrow(TypeError);
  });

  it.each([
    [undefined, 'bye', 'a Close with a reason needs a status code'],
    ['1000', 'bye', 'the status code of a Close must be a number'],
    [1000, 7, 'the reason of a Close must be a string'],
  ])('says what is wrong with the code %o and the reason %o', (code, reason, message) => {
    expect(encodeUntyped(code, reason)).toThrow(new TypeError(message));
  });

  it.each([['1000'], [null], [true], [1000n], [{}], [[1000]], [Symbol('1000')]])(
    'throws a TypeError for a code that is no number: %o',
    (code) => {
      expect(encodeUntyped(code)).toThrow(TypeError);
      expect(encodeUntyped(code, 'bye')).toThrow(TypeError);
    },
  );

  it.each([[null], [1], [Buffer.from('bye')], [{}], [['bye']], [Symbol('bye')]])(
    'throws a TypeError for a reason that is no string: %o',
    (reason) => {
      expect(encodeUntyped(1000, reason)).toThrow(TypeError);
      expect(encodeUntyped(undefined, reason)).toThrow(TypeError);
    },
  );

  it('gives each caller a body of its own', () => {
    encodeClosePayload(1000, 'bye').fill(0);
    expect(encodeClosePayload(1000, 'bye').toString('hex')).toBe('03e8627965');
  });
});

describe('readCloseCode', () => {
  it('reads 1005 from an empty body, whatever bytes stand around it', () => {
    expect(readCloseCode(...amongOthers(hex('')))).toBe(1005);
    expect(readCloseCode(hex('03 e8'), 2, 2)).toBe(1005);
    expect(readCloseCode(hex(''), 0, 0)).toBe(1005);
  });

  it.each(['03', '00', 'ff'])('refuses the single byte %s with 1002, half a code', (body) => {
    expect(() => readCloseCode(...amongOthers(hex(body)))).toThrow(
      expect.objectContaining({ code: 'WS_ERR_CLOSE_LENGTH', closeCode: 1002 }),
    );
  });

  it('judges all 65,536 codes, with a reason and without', () => {
    const wrong: number[] = [];
    for (let code = 0; code <= 0xffff; code++) {
      const expected = mayBeSent(code) ? code : 'WS_ERR_CLOSE_CODE 1002';
      for (const body of [closeBody(code, 'bye'), closeBody(code)]) {
        if (outcomeOf(() => readCloseCode(...amongOthers(body))) !== expected) wrong.push(code);
      }
    }
    expect(wrong).toEqual([]);
  });

  it.each([
    ['a continuation byte alone', '80'],
    ['an overlong form', 'c0 af'],
    ['a surrogate', 'ed a0 80'],
    ['a code point above U+10FFFF', 'f4 90 80 80'],
    ['a character that is cut', '61 e2 82'],
    ['the example of the Autobahn case 7.5.1', 'ce ba e1 bd b9 cf 83 ce bc ce b5 ed a0 80 65'],
    ['a bad byte behind 122 good ones', `${'61'.repeat(122)} ff`],
  ])('refuses a reason that is not valid UTF-8 with 1007: %s', (_name, reason) => {
    expect(() => readCloseCode(...amongOthers(Buffer.concat([hex('03 e8'), hex(reason)])))).toThrow(
      expect.objectContaining({ code: 'WS_ERR_INVALID_UTF8', closeCode: 1007 }),
    );
  });

  it('refuses a bad code before it looks at a bad reason', () => {
    expect(() => readCloseCode(hex('03 ed ff'), 0, 3)).toThrow(
      expect.objectContaining({ code: 'WS_ERR_CLOSE_CODE' }),
    );
  });

  it('takes a reason of 123 bytes, with characters of every length', () => {
    const reason = 'aä€😀'.repeat(12) + 'abc';
    expect(Buffer.byteLength(reason)).toBe(123);
    expect(readCloseCode(...amongOthers(closeBody(4000, reason)))).toBe(4000);
  });
});

describe('readCloseReason', () => {
  it.each([
    ['an empty body', hex(''), ''],
    ['a body of a code alone', closeBody(1000), ''],
    ['a body with a reason', closeBody(1000, 'going home'), 'going home'],
    ['a reason with characters of every length', closeBody(3001, 'aä€😀\0'), 'aä€😀\0'],
    ['a reason that begins with U+FEFF, which stays', closeBody(3001, '\uFEFFa'), '\uFEFFa'],
  ])('reads %s, and nothing around it', (_name, body, reason) => {
    expect(readCloseReason(...amongOthers(body))).toBe(reason);
    expect(readCloseReason(body, 0, body.length)).toBe(reason);
  });

  it('reads what encodeClosePayload wrote, code and reason', () => {
    const reason = '€'.repeat(41);
    const payload = encodeClosePayload(4999, reason);
    expect(readCloseCode(payload, 0, payload.length)).toBe(4999);
    expect(readCloseReason(payload, 0, payload.length)).toBe(reason);
  });
});
