import { describe, expect, it } from 'vitest';
import {
  DEFAULT_HEAD_LIMITS,
  type HeadLimits,
  RequestHeadParser,
  ResponseHeadParser,
} from '../../src/handshake/http1.ts';
import { measureByteWork } from '../support/byte-work.ts';
import {
  type HeadOutcome,
  outcomesOfCuts,
  requestOutcome,
  responseOutcome,
} from '../support/head-outcome.ts';

const UNBOUNDED: HeadLimits = {
  maxHeadSize: Infinity,
  maxHeaderFields: Infinity,
  maxTargetSize: Infinity,
};

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** The same outcome for the whole wire, every cut of it in two, and byte by byte. */
function expectForEveryCut(
  read: (pieces: Buffer[], limits?: HeadLimits) => HeadOutcome,
  text: string,
  expected: HeadOutcome,
  limits?: HeadLimits,
): void {
  expect(outcomesOfCuts(read, text, limits)).toEqual([expected]);
}

/** A request of exactly `size` bytes. */
function requestOf(size: number): string {
  return `GET / HTTP/1.1\r\nA: ${'x'.repeat(size - 23)}\r\n\r\n`;
}

/** A request with a target of `size` bytes. */
function requestFor(size: number): string {
  return `GET ${'/'.repeat(size)} HTTP/1.1\r\n\r\n`;
}

/** A response of exactly `size` bytes. */
function responseOf(size: number): string {
  return `HTTP/1.1 101 ${'x'.repeat(size - 17)}\r\n\r\n`;
}

function refused(code: string, status: number): HeadOutcome {
  return { code: `WS_ERR_${code}`, status };
}

describe('RequestHeadParser', () => {
  it('has the limits of the documentation where none are given', () => {
    expect(DEFAULT_HEAD_LIMITS).toEqual({
      maxHeadSize: 16_384,
      maxHeaderFields: 100,
      maxTargetSize: 8_192,
    });
  });

  it('reads method, target, version and fields, in order and with duplicates', () => {
    const parser = new RequestHeadParser();
    const wire = bytes('GET /chat?a=b HTTP/1.1\r\nHost: x\r\nA: 1\r\nCookie: \r\na: 2\r\n\r\n');
    expect(parser.head).toBeNull();
    expect(parser.push(wire)).toBe(wire.length);
    const { head } = parser;
    expect(head).toMatchObject({ method: 'GET', target: '/chat?a=b', minorVersion: 1 });
    expect([...(head?.fields ?? [])]).toEqual([
      ['host', 'x'],
      ['a', '1'],
      ['cookie', ''],
      ['a', '2'],
    ]);
  });

  const LINE = 'GET / HTTP/1.1\r\n';

  it.each([
    ['version 1.0', 'GET / HTTP/1.0', 'GET / 1.0'],
    ['version 1.9', 'GET / HTTP/1.9', 'GET / 1.9'],
    ['a method with its case', 'gEt / HTTP/1.1', 'gEt / 1.1'],
    ['a method of other characters', "!#$%&'*+-.^_`|~0 / HTTP/1.1", "!#$%&'*+-.^_`|~0 / 1.1"],
    ['an absolute target', 'GET http://a:1/b?c HTTP/1.1', 'GET http://a:1/b?c 1.1'],
    ['any visible target', 'OPTIONS *!"#[\\]^`{|}~ HTTP/1.1', 'OPTIONS *!"#[\\]^`{|}~ 1.1'],
    ['one empty line first', '\r\nGET / HTTP/1.1', 'GET / 1.1'],
    ['several empty lines first', '\r\n\r\n\r\nGET / HTTP/1.1', 'GET / 1.1'],
  ])('takes %s, however it is cut', (_what, line, start) => {
    expectForEveryCut(requestOutcome, `${line}\r\n\r\n`, {
      start,
      fields: [],
      size: line.length + 4,
    });
  });

  it.each([
    ['a value without white space', 'A:b', 'a', 'b'],
    ['white space around a value', 'A: \t b c\t ', 'a', 'b c'],
    ['an empty value', 'A:', 'a', ''],
    ['a value of white space', 'A: \t ', 'a', ''],
    ['a value with a tab', 'A: b\tc', 'a', 'b\tc'],
    ['a value with colons', 'A::b:c', 'a', ':b:c'],
    ['a value of other bytes', 'A: \x80\xa0\xff', 'a', '\x80\xa0\xff'],
    ['a name of Object.prototype', '__proto__: x', '__proto__', 'x'],
    ['another', 'constructor: x', 'constructor', 'x'],
    ['a third, in lower case', 'hasOwnProperty: x', 'hasownproperty', 'x'],
  ])('takes %s, however it is cut', (_what, line, name, value) => {
    const text = `${LINE}${line}\r\n\r\n`;
    const fields: [string, string][] = [[name, value]];
    expectForEveryCut(requestOutcome, text, { start: 'GET / 1.1', fields, size: text.length });
  });

  const REFUSED: [what: string, text: string, code: string, status: number][] = [
    ['a bare LF behind the request line', 'GET / HTTP/1.1\nHost: x\r\n\r\n', 'LINE_END', 400],
    ['a bare LF behind a field', `${LINE}Host: x\n\r\n`, 'LINE_END', 400],
    ['a bare LF as the empty line', `${LINE}Host: x\r\n\n`, 'LINE_END', 400],
    ['a bare LF before the request line', `\n${LINE}\r\n`, 'LINE_END', 400],
    ['a bare LF inside a value', `${LINE}A: b\nB: c\r\n\r\n`, 'LINE_END', 400],
    ['LF CR in place of CR LF', `GET / HTTP/1.1\n\rHost: x\r\n\r\n`, 'LINE_END', 400],
    ['a bare CR in the request line', 'GET /\r HTTP/1.1\r\n\r\n', 'START_LINE', 400],
    ['a bare CR before the request line', '\rGET / HTTP/1.1\r\n\r\n', 'START_LINE', 400],
    ['a CR too many behind the request line', 'GET / HTTP/1.1\r\r\n\r\n', 'START_LINE', 400],
    ['a bare CR before an empty line', '\r\r\nGET / HTTP/1.1\r\n\r\n', 'START_LINE', 400],
    ['a bare CR in the name of a field', `${LINE}A\rB: c\r\n\r\n`, 'FIELD_LINE', 400],
    ['a bare CR before a field', `${LINE}\rA: b\r\n\r\n`, 'FIELD_LINE', 400],
    ['a bare CR in a value', `${LINE}A: b\rB: c\r\n\r\n`, 'FIELD_VALUE', 400],
    ['a CR too many behind a value', `${LINE}A: b\r\r\n\r\n`, 'FIELD_VALUE', 400],
    ['a CR too many in the empty line', `${LINE}A: b\r\n\r\r\n`, 'FIELD_LINE', 400],
    ['NUL in the request line', 'GET /\0 HTTP/1.1\r\n\r\n', 'START_LINE', 400],
    ['NUL in the name of a field', `${LINE}A\0: b\r\n\r\n`, 'FIELD_LINE', 400],
    ['NUL in a value', `${LINE}A: b\0c\r\n\r\n`, 'FIELD_VALUE', 400],
    ['NUL as a value', `${LINE}A: \0\r\n\r\n`, 'FIELD_VALUE', 400],
    ['DEL in a value', `${LINE}A: \x7f\r\n\r\n`, 'FIELD_VALUE', 400],
    ['a vertical tab around a value', `${LINE}A: \vb\r\n\r\n`, 'FIELD_VALUE', 400],
    ['a form feed at the end of a value', `${LINE}A: b\f\r\n\r\n`, 'FIELD_VALUE', 400],
    ['a value folded by a space', `${LINE}A: b\r\n c\r\n\r\n`, 'FIELD_FOLDED', 400],
    ['a value folded by a tab', `${LINE}A: b\r\n\tc: d\r\n\r\n`, 'FIELD_FOLDED', 400],
    ['white space before the first field', `${LINE} A: b\r\n\r\n`, 'FIELD_FOLDED', 400],
    ['an empty line of white space', `${LINE}A: b\r\n \r\n\r\n`, 'FIELD_FOLDED', 400],
    ['a space before the colon', `${LINE}A : b\r\n\r\n`, 'FIELD_LINE', 400],
    ['a tab before the colon', `${LINE}A\t: b\r\n\r\n`, 'FIELD_LINE', 400],
    ['a name with a space in it', `${LINE}A B: c\r\n\r\n`, 'FIELD_LINE', 400],
    ['an empty name', `${LINE}: b\r\n\r\n`, 'FIELD_LINE', 400],
    ['a field without a colon', `${LINE}A\r\n\r\n`, 'FIELD_LINE', 400],
    ['a name beyond ASCII', `${LINE}\xc4: b\r\n\r\n`, 'FIELD_LINE', 400],
    ['a name in quotes', `${LINE}"A": b\r\n\r\n`, 'FIELD_LINE', 400],
    ['a no-break space before the colon', `${LINE}A\xa0: b\r\n\r\n`, 'FIELD_LINE', 400],
    ['no target', 'GET HTTP/1.1\r\n\r\n', 'START_LINE', 400],
    ['an empty target', 'GET  HTTP/1.1\r\n\r\n', 'START_LINE', 400],
    ['no version', 'GET /\r\n\r\n', 'START_LINE', 400],
    ['a method alone', 'GET\r\n\r\n', 'START_LINE', 400],
    ['a space in front', ' GET / HTTP/1.1\r\n\r\n', 'START_LINE', 400],
    ['a space behind', 'GET / HTTP/1.1 \r\n\r\n', 'START_LINE', 400],
    ['two spaces behind the method', 'GET  / HTTP/1.1\r\n\r\n', 'START_LINE', 400],
    ['two spaces before the version', 'GET /  HTTP/1.1\r\n\r\n', 'START_LINE', 400],
    ['a tab behind the method', 'GET\t/ HTTP/1.1\r\n\r\n', 'START_LINE', 400],
    ['a space in the target', 'GET /a b HTTP/1.1\r\n\r\n', 'START_LINE', 400],
    ['a target beyond ASCII', 'GET /\xe4 HTTP/1.1\r\n\r\n', 'START_LINE', 400],
    ['DEL in the target', 'GET /\x7f HTTP/1.1\r\n\r\n', 'START_LINE', 400],
    ['a method that is no token', 'G(T / HTTP/1.1\r\n\r\n', 'START_LINE', 400],
    ['a version in lower case', 'GET / http/1.1\r\n\r\n', 'START_LINE', 400],
    ['a version of another protocol', 'GET / HTCPCP/1.0\r\n\r\n', 'START_LINE', 400],
    ['a version without its minor part', 'GET / HTTP/1\r\n\r\n', 'START_LINE', 400],
    ['a version with too many digits', 'GET / HTTP/1.10\r\n\r\n', 'START_LINE', 400],
    ['a version with too many digits before the dot', 'GET / HTTP/01.1\r\n\r\n', 'START_LINE', 400],
    ['version 0.9', 'GET / HTTP/0.9\r\n\r\n', 'HTTP_VERSION', 505],
    ['version 2.0', 'GET / HTTP/2.0\r\n\r\n', 'HTTP_VERSION', 505],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'HTTP_VERSION', 505],
    ['a response', 'HTTP/1.1 200 OK\r\n\r\n', 'START_LINE', 400],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'START_LINE', 400],
    ['TLS behind an empty line', '\r\n\x16\x03\x01\x02\x00', 'START_LINE', 400],
    ['a first byte of 0', '\0', 'START_LINE', 400],
    ['a first byte above 0x7f', '\x80', 'START_LINE', 400],
    ['a first byte of white space', '\t', 'START_LINE', 400],
    ['a WebSocket frame', '\x81\x05Hello', 'START_LINE', 400],
  ];

  it.each(REFUSED)('refuses %s, however it is cut', (_what, text, code, status) => {
    expectForEveryCut(requestOutcome, text, refused(code, status));
  });

  it('refuses a line when it has ended, with no regard to what comes behind it', () => {
    const parser = new RequestHeadParser();
    expect(() => parser.push(bytes('GET / HTTP/1.1\r\nA : b\r\n'))).toThrow(
      '(RFC 9112, section 5.1)',
    );
  });

  it('refuses the first of two breaches', () => {
    const text = `${LINE}A : b\r\nB: c\n\r\n`;
    expectForEveryCut(requestOutcome, text, refused('FIELD_LINE', 400));
  });

  const BEGINNINGS = ['', '\r', '\r\n', 'G', LINE.slice(0, -1), LINE, `${LINE}A: b\r\n\r`];

  it.each(BEGINNINGS)('waits for more behind %j', (text) => {
    expectForEveryCut(requestOutcome, text, 'unfinished');
  });

  it('tells where the head ends, and leaves alone what stands behind it', () => {
    const head = `${LINE}Host: x\r\n\r\n`;
    const behind = ['\x81\x05Hello', '\r\n\r\n', LINE, '\n', '\x16\x03\x01', 'A'.repeat(20_000)];
    for (const rest of behind) {
      const parser = new RequestHeadParser();
      expect(parser.push(bytes(head + rest))).toBe(head.length);
      expect(parser.head?.fields.size).toBe(1);
    }
  });

  it('tells that also where the head ends in a later chunk', () => {
    const head = `${LINE}Host: x\r\n\r\n`;
    for (let cut = 1; cut < head.length; cut++) {
      const parser = new RequestHeadParser();
      expect(parser.push(bytes(head.slice(0, cut)))).toBe(-1);
      expect(parser.head).toBeNull();
      expect(parser.push(bytes(`${head.slice(cut)}\x81\x00`))).toBe(head.length - cut);
      expect(parser.head?.target).toBe('/');
    }
  });

  it('reads from `at` on, and counts positions from the beginning of the chunk', () => {
    const parser = new RequestHeadParser();
    expect(parser.push(bytes(`\0\n\xff${LINE}A`), 3)).toBe(-1);
    expect(parser.push(bytes('??: b\r\n\r\n\x81'), 2)).toBe(9);
    expect([...(parser.head?.fields ?? [])]).toEqual([['a', 'b']]);
  });

  it('reads nothing where `at` is the end of the chunk', () => {
    const parser = new RequestHeadParser();
    expect(parser.push(bytes('\0\0'), 2)).toBe(-1);
    expect(parser.push(bytes(`${LINE}\r\n`))).toBe(LINE.length + 2);
  });

  it('takes no CR that stands before `at` for half of a line end', () => {
    expect(() => new RequestHeadParser().push(bytes('\r\n'), 1)).toThrow('RFC 9112, section 2.2');
  });

  it('counts what stands before `at` towards no limit', () => {
    const text = `${LINE}\r\n`;
    const parser = new RequestHeadParser({ ...UNBOUNDED, maxHeadSize: text.length });
    expect(parser.push(bytes(`${'\0'.repeat(100)}${text}`), 100)).toBe(100 + text.length);
  });

  it('keeps a copy of an unfinished line, so that the chunk may be used again', () => {
    const parser = new RequestHeadParser();
    const chunk = bytes(`${LINE}Host: exam`);
    parser.push(chunk);
    chunk.fill('!');
    parser.push(bytes('ple.com\r\n\r\n'));
    expect(parser.head?.fields.get('host')).toBe('example.com');
  });

  it('gives each parser fields of its own', () => {
    const first = new RequestHeadParser();
    const second = new RequestHeadParser();
    first.push(bytes(`${LINE}A: 1\r\n\r\n`));
    second.push(bytes(`${LINE}A: 2\r\n\r\n`));
    expect(first.head?.fields.getAll('a')).toEqual(['1']);
    expect(second.head?.fields.getAll('a')).toEqual(['2']);
  });
});

describe('the limits of RequestHeadParser', () => {
  it('takes a head of exactly maxHeadSize, and refuses one more byte', () => {
    const limits = { ...UNBOUNDED, maxHeadSize: 60 };
    const fields: [string, string][] = [['a', 'x'.repeat(37)]];
    const expected: HeadOutcome = { start: 'GET / 1.1', fields, size: 60 };
    expectForEveryCut(requestOutcome, requestOf(60), expected, limits);
    expectForEveryCut(requestOutcome, requestOf(61), refused('HEAD_TOO_LARGE', 431), limits);
  });

  it('does so at the default of 16 KiB too', () => {
    expect(requestOutcome([bytes(requestOf(16_384))])).toMatchObject({ size: 16_384 });
    expect(requestOutcome([bytes(requestOf(16_385))])).toEqual(refused('HEAD_TOO_LARGE', 431));
  });

  it('counts empty lines before the request towards maxHeadSize', () => {
    const limits = { ...UNBOUNDED, maxHeadSize: 22 };
    const text = '\r\n\r\nGET / HTTP/1.1\r\n\r\n';
    expectForEveryCut(requestOutcome, text, { start: 'GET / 1.1', fields: [], size: 22 }, limits);
    expectForEveryCut(requestOutcome, `\r\n${text}`, refused('HEAD_TOO_LARGE', 431), limits);
  });

  it('does not count what stands behind the head', () => {
    const limits = { ...UNBOUNDED, maxHeadSize: 18 };
    const wire = bytes(`GET / HTTP/1.1\r\n\r\n${'x'.repeat(100)}`);
    expect(requestOutcome([wire], limits)).toMatchObject({ size: 18 });
  });

  it('refuses a line that has not ended at the byte that is too much', () => {
    const parser = new RequestHeadParser({ ...UNBOUNDED, maxHeadSize: 30 });
    expect(parser.push(bytes(`GET / HTTP/1.1\r\nA: ${'x'.repeat(11)}`))).toBe(-1);
    expect(() => parser.push(bytes('x'))).toThrow(/maxHeadSize/);
  });

  it('takes exactly maxHeaderFields, and refuses one more', () => {
    const limits = { ...UNBOUNDED, maxHeaderFields: 2 };
    const text = 'GET / HTTP/1.1\r\nA: b\r\nA: b\r\n';
    const fields = Array.from({ length: 2 }, () => ['a', 'b'] as const);
    const size = text.length + 2;
    expectForEveryCut(requestOutcome, `${text}\r\n`, { start: 'GET / 1.1', fields, size }, limits);
    const more = `${text}B: c\r\n\r\n`;
    expectForEveryCut(requestOutcome, more, refused('TOO_MANY_FIELDS', 431), limits);
  });

  it('does so at the default of 100 too', () => {
    const text = `GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(100)}`;
    expect(requestOutcome([bytes(`${text}\r\n`)])).toMatchObject({ size: text.length + 2 });
    expect(requestOutcome([bytes(`${text}A: b\r\n`)])).toEqual(refused('TOO_MANY_FIELDS', 431));
  });

  it('takes no field at all where maxHeaderFields is 0', () => {
    const limits = { ...UNBOUNDED, maxHeaderFields: 0 };
    const expected = refused('TOO_MANY_FIELDS', 431);
    expect(requestOutcome([bytes(requestFor(1))], limits)).toMatchObject({ size: 18 });
    expectForEveryCut(requestOutcome, 'GET / HTTP/1.1\r\nA:\r\n', expected, limits);
  });

  it('takes a target of exactly maxTargetSize, and refuses one more byte', () => {
    const limits = { ...UNBOUNDED, maxTargetSize: 10 };
    const start = 'GET ////////// 1.1';
    expectForEveryCut(requestOutcome, requestFor(10), { start, fields: [], size: 27 }, limits);
    expectForEveryCut(requestOutcome, requestFor(11), refused('TARGET_TOO_LONG', 414), limits);
  });

  it('does so at the default of 8 KiB too', () => {
    expect(requestOutcome([bytes(requestFor(8192))])).toMatchObject({ size: 8192 + 17 });
    expect(requestOutcome([bytes(requestFor(8193))])).toEqual(refused('TARGET_TOO_LONG', 414));
  });

  it('leaves room for the longest method that is registered beside the longest target', () => {
    const text = `UPDATEREDIRECTREF ${'/'.repeat(8192)} HTTP/1.1\r\n\r\n`;
    expect(requestOutcome([bytes(text)])).toMatchObject({ size: text.length });
  });

  it('refuses a target without end before its line has ended', () => {
    const parser = new RequestHeadParser();
    expect(() => parser.push(bytes(`GET ${'/'.repeat(9000)}`))).toThrow(/maxTargetSize/);
  });

  it('refuses for the limit that is passed first, however the wire is cut', () => {
    const line = requestFor(150);
    const head = { maxHeadSize: 40, maxHeaderFields: 100, maxTargetSize: 30 };
    expectForEveryCut(requestOutcome, line, refused('HEAD_TOO_LARGE', 431), head);
    const target = { maxHeadSize: 140, maxHeaderFields: 100, maxTargetSize: 30 };
    expectForEveryCut(requestOutcome, line, refused('TARGET_TOO_LONG', 414), target);
  });

  it('does so where empty lines have used up maxHeadSize', () => {
    const limits = { maxHeadSize: 100, maxHeaderFields: 100, maxTargetSize: 16 };
    const text = `${'\r\n'.repeat(40)}${requestFor(90)}`;
    expectForEveryCut(requestOutcome, text, refused('HEAD_TOO_LARGE', 431), limits);
  });

  it('makes no room for a chunk that is too large, before it refuses it', () => {
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    const work = measureByteWork(() => {
      expect(() => new RequestHeadParser().push(chunk)).toThrow(/maxTargetSize/);
    });
    expect(work).toMatchObject({ allocated: 0, copied: 0, decoded: 0 });
  });

  it('makes room for an unfinished line byte by byte without making it anew each time', () => {
    const parser = new RequestHeadParser();
    const x = bytes('x');
    parser.push(bytes('GET / HTTP/1.1\r\nA: '));
    const { allocated } = measureByteWork(() => {
      for (let i = 19; i < 16_384; i++) parser.push(x);
    });
    expect(allocated).toBeGreaterThan(16_000);
    expect(allocated).toBeLessThanOrEqual(4 * 16_384);
    expect(() => parser.push(x)).toThrow(/maxHeadSize/);
  });
});

describe('ResponseHeadParser', () => {
  const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n';
  const SWITCHED: HeadOutcome = {
    start: '101 1.1',
    fields: [['upgrade', 'websocket']],
    size: SWITCH.length,
  };

  it('reads status, version and fields', () => {
    const parser = new ResponseHeadParser();
    expect(parser.push(bytes(`${SWITCH}\x81\x00`))).toBe(SWITCH.length);
    expect(parser.head).toMatchObject({ status: 101, minorVersion: 1 });
    expect(parser.head?.fields.get('upgrade')).toBe('websocket');
  });

  it.each([
    ['no reason', 'HTTP/1.1 101\r\n\r\n', '101 1.1'],
    ['an empty reason', 'HTTP/1.1 200 \r\n\r\n', '200 1.1'],
    ['a reason of other bytes', 'HTTP/1.1 404 \tn\xf6 \r\n\r\n', '404 1.1'],
    ['version 1.0', 'HTTP/1.0 101 x\r\n\r\n', '101 1.0'],
    ['a status that nobody knows', 'HTTP/1.1 999 x\r\n\r\n', '999 1.1'],
    ['a redirect', 'HTTP/1.1 302 Found\r\n\r\n', '302 1.1'],
  ])('takes %s, however it is cut', (_what, text, start) => {
    expectForEveryCut(responseOutcome, text, { start, fields: [], size: text.length });
  });

  it.each([
    ['a bare LF', 'HTTP/1.1 101 x\n\r\n', 'LINE_END'],
    ['a request', 'GET / HTTP/1.1\r\n\r\n', 'START_LINE'],
    ['a status of two digits', 'HTTP/1.1 99\r\n\r\n', 'START_LINE'],
    ['a status of four digits', 'HTTP/1.1 1010 x\r\n\r\n', 'START_LINE'],
    ['a status that begins with 0', 'HTTP/1.1 010 x\r\n\r\n', 'START_LINE'],
    ['a status of letters', 'HTTP/1.1 abc x\r\n\r\n', 'START_LINE'],
    ['two spaces before the status', 'HTTP/1.1  101 x\r\n\r\n', 'START_LINE'],
    ['a tab behind the status', 'HTTP/1.1 101\tx\r\n\r\n', 'START_LINE'],
    ['NUL in the reason', 'HTTP/1.1 101 \0\r\n\r\n', 'START_LINE'],
    ['a bare CR in the reason', 'HTTP/1.1 101 a\rb\r\n\r\n', 'START_LINE'],
    ['version 2.0', 'HTTP/2.0 101 x\r\n\r\n', 'START_LINE'],
    ['a version in lower case', 'http/1.1 101 x\r\n\r\n', 'START_LINE'],
    ['the greeting of SSH at its end', 'SSH-2.0-x\r\n', 'START_LINE'],
    ['TLS', '\x15\x03\x01\x00\x02\x02\x46', 'START_LINE'],
    ['a folded field', 'HTTP/1.1 101 x\r\nA: b\r\n c\r\n\r\n', 'FIELD_FOLDED'],
    ['a space before the colon', 'HTTP/1.1 101 x\r\nA : b\r\n\r\n', 'FIELD_LINE'],
    ['NUL in a value', 'HTTP/1.1 101 x\r\nA: \0\r\n\r\n', 'FIELD_VALUE'],
    ['a folded interim response', `HTTP/1.1 103 x\r\n A: b\r\n\r\n${SWITCH}`, 'FIELD_FOLDED'],
    ['no HTTP behind an interim response', 'HTTP/1.1 100 x\r\n\r\n\x81', 'START_LINE'],
    ['a bare LF behind an interim response', `HTTP/1.1 100 x\r\n\r\n\n${SWITCH}`, 'LINE_END'],
  ])('refuses %s with no status of its own, however it is cut', (_what, text, code) => {
    expectForEveryCut(responseOutcome, text, refused(code, 0));
  });

  it.each([
    ['100', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['103 with fields', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nUpgrade: x\r\n\r\n'],
    ['102 and 100', 'HTTP/1.1 102 x\r\n\r\nHTTP/1.1 100 x\r\n\r\n'],
    ['199, which nobody knows', 'HTTP/1.1 199 x\r\n\r\n'],
  ])('reads over %s before the 101, and forgets its fields', (_what, interim) => {
    const size = interim.length + SWITCH.length;
    expectForEveryCut(responseOutcome, interim + SWITCH, { ...SWITCHED, size });
  });

  it('waits for another head behind an interim response', () => {
    expectForEveryCut(responseOutcome, 'HTTP/1.1 100 Continue\r\n\r\n', 'unfinished');
  });

  it('takes every other status at once, with nothing behind it', () => {
    for (const status of [101, 200, 204, 301, 400, 426, 503]) {
      const wire = bytes(`HTTP/1.1 ${status} x\r\n\r\n${SWITCH}`);
      expect(responseOutcome([wire])).toEqual({ start: `${status} 1.1`, fields: [], size: 18 });
    }
  });

  it('counts interim responses towards maxHeadSize', () => {
    const text = `HTTP/1.1 100 x\r\n\r\n${SWITCH}`;
    const size = text.length;
    const limits = { ...UNBOUNDED, maxHeadSize: size };
    expectForEveryCut(responseOutcome, text, { ...SWITCHED, size }, limits);
    const less = { ...UNBOUNDED, maxHeadSize: size - 1 };
    expectForEveryCut(responseOutcome, text, refused('HEAD_TOO_LARGE', 0), less);
  });

  it('ends a stream of interim responses that never ends', () => {
    const interim = bytes('HTTP/1.1 100 Continue\r\n\r\n');
    const parser = new ResponseHeadParser();
    const most = Math.floor(16_384 / interim.length);
    for (let i = 0; i < most; i++) expect(parser.push(interim)).toBe(-1);
    expect(() => parser.push(interim)).toThrow(/maxHeadSize/);
  });

  it('counts the fields of each head by themselves', () => {
    const limits = { ...UNBOUNDED, maxHeaderFields: 1 };
    const text = `HTTP/1.1 103 x\r\nA: b\r\n\r\n${SWITCH}`;
    expectForEveryCut(responseOutcome, text, { ...SWITCHED, size: text.length }, limits);
    const more = `HTTP/1.1 103 x\r\nA: b\r\nA: b\r\n\r\n${SWITCH}`;
    expectForEveryCut(responseOutcome, more, refused('TOO_MANY_FIELDS', 0), limits);
  });

  it('takes a status line of any length within maxHeadSize, and says so of a longer one', () => {
    const limits = { ...UNBOUNDED, maxTargetSize: 1, maxHeadSize: 90 };
    const expected: HeadOutcome = { start: '101 1.1', fields: [], size: 90 };
    expectForEveryCut(responseOutcome, responseOf(90), expected, limits);
    expectForEveryCut(responseOutcome, responseOf(91), refused('HEAD_TOO_LARGE', 0), limits);
    expectForEveryCut(responseOutcome, responseOf(130), refused('HEAD_TOO_LARGE', 0), limits);
  });
});
