import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_HEAD_LIMITS, type HeadLimits } from '../../src/handshake/http1.ts';
import { readWholeHead } from '../../src/handshake/whole-head.ts';
import { requestOutcome } from '../support/head-outcome.ts';

const MAX_START_LINE_SIZE = 1024;

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** What is read, in the words of {@link requestOutcome}; null where it is left to others. */
function read(wire: Buffer, limits: HeadLimits = DEFAULT_HEAD_LIMITS, from = 0): unknown {
  const whole = readWholeHead(wire, from, limits, MAX_START_LINE_SIZE);
  if (whole === null) return null;
  const { method, target, minorVersion, fields, end } = whole;
  const start = `${method} ${target} 1.${minorVersion}`;
  return { start, fields: [...fields], size: end - from };
}

describe('a head that is all there, without a mistake', () => {
  it.each([
    'GET / HTTP/1.1\r\n\r\n',
    'GET /chat?a=b HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n',
    'OPTIONS * HTTP/1.0\r\nA:b\r\nA: \tc d \t\r\na:\r\nB:   \r\n\r\n',
    'GET / HTTP/1.9\r\n__proto__: \x80\xff:;\r\n\r\n',
  ])('is read as if it came byte by byte: %j', (text) => {
    const wire = bytes(text);
    const expected = requestOutcome([...wire].map((byte) => Buffer.of(byte)));
    expect(expected).toHaveProperty('size', wire.length);
    expect(read(wire)).toEqual(expected);
    expect(read(Buffer.concat([bytes('\r\nX'), wire, bytes('more')]), undefined, 3)).toEqual(
      expected,
    );
  });
});

describe('a head that is anything else', () => {
  it.each([
    ['empty', ''],
    ['without a method', ' / HTTP/1.1\r\n\r\n'],
    ['behind an empty line', '\r\nGET / HTTP/1.1\r\n\r\n'],
    ['without a space behind its method', 'GET\t/ HTTP/1.1\r\n\r\n'],
    ['without a target', 'GET  HTTP/1.1\r\n\r\n'],
    ['with a longer target than may be', `GET ${'/'.repeat(101)} HTTP/1.1\r\n\r\n`],
    ['with a longer first line than may be', `${'G'.repeat(1012)} / HTTP/1.1\r\n\r\n`],
    ['of another protocol', 'GET / HTTQ/1.1\r\n\r\n'],
    ['of another version', 'GET / HTTP/2.0\r\n\r\n'],
    ['of no version below 1.0', 'GET / HTTP/1./\r\n\r\n'],
    ['of no version above 1.9', 'GET / HTTP/1.:\r\n\r\n'],
    ['with more behind its version', 'GET / HTTP/1.10\r\n\r\n'],
    ['that ends in its version', 'GET / HTTP/1.'],
    ['with a first line that ends with LF alone', 'GET / HTTP/1.1\n\r\n\r\n'],
    ['with a field that ends with LF alone', 'GET / HTTP/1.1\r\nA: b\n\r\n'],
    ['with a field that ends with CR alone', 'GET / HTTP/1.1\r\nA: b\rc\r\n\r\n'],
    ['with a field that is folded', 'GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n'],
    ['with a field without a name', 'GET / HTTP/1.1\r\n: b\r\n\r\n'],
    ['with white space before a colon', 'GET / HTTP/1.1\r\nA : b\r\n\r\n'],
    ['with a field without a colon', 'GET / HTTP/1.1\r\nA\r\n\r\n'],
    ['with a control character in a value', 'GET / HTTP/1.1\r\nA: \x00\r\n\r\n'],
    ['with more fields than may be', 'GET / HTTP/1.1\r\nA:b\r\nA:b\r\nA:b\r\n\r\n'],
    ['larger than may be', `GET / HTTP/1.1\r\nA:${'b'.repeat(1100)}\r\n\r\n`],
  ])('is left to others: %s', (_what, text) => {
    const limits = { maxHeadSize: 1100, maxHeaderFields: 2, maxTargetSize: 100 };
    expect(read(bytes(text), limits)).toBeNull();
  });

  it('is so wherever it is cut, and where one byte too many is not allowed', () => {
    const wire = bytes('GET / HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n');
    for (let size = 0; size < wire.length; size++) {
      expect(read(wire.subarray(0, size))).toBeNull();
      expect(read(wire, { ...DEFAULT_HEAD_LIMITS, maxHeadSize: size })).toBeNull();
    }
    expect(read(wire, { ...DEFAULT_HEAD_LIMITS, maxHeadSize: wire.length })).not.toBeNull();
  });
});

describe('any bytes', () => {
  // Nearly right, so that some of it is.
  const part = fc.constantFrom(
    'GET ',
    '/',
    ' HTTP/1.1',
    '\r\n',
    '\r',
    '\n',
    'A',
    ':',
    ' ',
    '\x00',
    'b: c\r\n',
  );
  const text = fc.oneof(
    fc.array(part, { maxLength: 12 }).map((parts) => parts.join('')),
    fc.array(part, { maxLength: 12 }).map((parts) => `GET / HTTP/1.1\r\n${parts.join('')}\r\n\r\n`),
  );
  const limits = fc.record({
    maxHeadSize: fc.integer({ min: 1, max: 60 }),
    maxHeaderFields: fc.integer({ min: 1, max: 4 }),
    maxTargetSize: fc.integer({ min: 1, max: 4 }),
  });

  it('that are read are read as if they came byte by byte', () => {
    let taken = 0;
    fc.assert(
      fc.property(text, limits, (given, bound) => {
        const wire = bytes(given);
        const whole = read(wire, bound);
        if (whole === null) return;
        taken++;
        const single = [...wire].map((byte) => Buffer.of(byte));
        expect(requestOutcome(single, bound)).toEqual(whole);
      }),
      { numRuns: 2000 },
    );
    expect(taken).toBeGreaterThan(20);
  });
});
