import { METHODS } from 'node:http';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ByteWork, measureByteWork } from '../support/byte-work.ts';
import { type HeadOutcome, requestOutcome, responseOutcome } from '../support/head-outcome.ts';
import { readByNode } from '../support/node-parser.ts';

const TCHAR = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** What a parser may stumble over. */
const TRAPS = ' \t\r\n\0\v\f\x7f\x80\xff:,"#/'
  .split('')
  .concat([
    '\r\n',
    '\r\n\r\n',
    '\r\n ',
    '\n\n',
    '\r\r\n',
    '  ',
    'HTTP/1.1',
    'Content-Length: 1\r\n',
  ]);

const token = fc.string({ unit: fc.constantFrom(...TCHAR.split('')), minLength: 1, maxLength: 12 });

const visible = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code));

const whiteSpace = fc.string({ unit: fc.constantFrom(' ', '\t'), maxLength: 3 });

const value = fc
  .string({
    unit: fc.oneof(
      visible,
      fc.integer({ min: 0x80, max: 0xff }).map((code) => String.fromCharCode(code)),
      fc.constantFrom(' ', '\t'),
    ),
    maxLength: 30,
  })
  .map((text) => text.replaceAll(/^[\t ]+|[\t ]+$/g, ''));

const field = fc.oneof(
  fc.tuple(token, value),
  fc.tuple(fc.constantFrom('Host', 'Cookie', '__proto__', 'constructor', 'toString'), value),
);

const UPGRADE: [string, string][] = [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
];

const target = fc.oneof(
  fc.constantFrom('/', '*', '/chat?room=7', '/a#b', 'http://example.com:80/a?b', '//'),
  fc.string({ unit: visible, maxLength: 30 }).map((text) => `/${text}`),
  fc.integer({ min: 30, max: 250 }).map((size) => '/'.repeat(size)),
);

/** A request that fits the grammar, what it says, and where its head ends. */
const request = fc
  .record({
    before: fc.constantFrom('', '', '', '\r\n', '\r\n\r\n'),
    method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'OPTIONS', 'PROPFIND'),
    target,
    minorVersion: fc.constantFrom(1, 1, 1, 0),
    fields: fc.array(field, { maxLength: 8 }),
    upgrades: fc.boolean(),
    spaces: fc.tuple(whiteSpace, whiteSpace),
    behind: fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
      maxLength: 20,
    }),
  })
  .map(({ before, method, target: path, minorVersion, fields, upgrades, spaces, behind }) => {
    const all = upgrades ? [...fields, ...UPGRADE] : fields;
    const [left, right] = spaces;
    const lines = all.map(([name, text]) => `${name}:${left}${text}${right}\r\n`);
    const head = `${before}${method} ${path} HTTP/1.${minorVersion}\r\n${lines.join('')}\r\n`;
    const expected = {
      start: `${method} ${path} 1.${minorVersion}`,
      fields: all.map(([name, text]): [string, string] => [name.toLowerCase(), text]),
      size: head.length,
    };
    return { wire: head + behind, expected };
  });

/** A response that fits the grammar, perhaps behind interim ones. */
const response = fc
  .record({
    interim: fc.array(fc.constantFrom(100, 102, 103, 199), { maxLength: 3 }),
    status: fc.oneof(fc.constant(101), fc.integer({ min: 200, max: 999 })),
    reason: value,
    fields: fc.array(field, { maxLength: 6 }),
    behind: fc.string({ maxLength: 10 }),
  })
  .map(({ interim, status, reason, fields, behind }) => {
    const lines = fields.map(([name, text]) => `${name}: ${text}\r\n`).join('');
    const earlier = interim.map((code) => `HTTP/1.1 ${code} x\r\n${lines}\r\n`);
    const head = `${earlier.join('')}HTTP/1.1 ${status} ${reason}\r\n${lines}\r\n`;
    const expected = {
      start: `${status} 1.1`,
      fields: fields.map(([name, text]): [string, string] => [name.toLowerCase(), text]),
      size: head.length,
    };
    return { wire: head + behind, expected };
  });

/** A text with something put in, taken out or put in the place of something else, up to twice. */
function broken(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const change = fc.record({
    at: fc.nat(400),
    removed: fc.integer({ min: 0, max: 2 }),
    put: fc.oneof(fc.constant(''), fc.constantFrom(...TRAPS)),
  });
  return fc.tuple(text, fc.array(change, { minLength: 1, maxLength: 2 })).map(([whole, changes]) =>
    changes.reduce((rest, { at, removed, put }) => {
      const start = at % (rest.length + 1);
      return rest.slice(0, start) + put + rest.slice(start + removed);
    }, whole),
  );
}

const requestText = request.map(({ wire }) => wire);
const anyRequest = fc.oneof(requestText, broken(requestText), broken(broken(requestText)));
const responseText = response.map(({ wire }) => wire);
const anyResponse = fc.oneof(responseText, broken(responseText));

/** Where to cut: any number of places, empty pieces included. */
const places = fc.array(fc.nat(400), { maxLength: 12 });

function cutAt(wire: Buffer, at: readonly number[]): Buffer[] {
  const sorted = at.map((place) => Math.min(place, wire.length)).toSorted((a, b) => a - b);
  return [0, ...sorted].map((start, i) => wire.subarray(start, sorted[i] ?? wire.length));
}

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function byteByByte(wire: Buffer): Buffer[] {
  return Array.from(wire, (byte) => Buffer.from([byte]));
}

const limits = fc.record({
  maxHeadSize: fc.integer({ min: 1, max: 300 }),
  maxHeaderFields: fc.nat(6),
  maxTargetSize: fc.integer({ min: 1, max: 60 }),
});

/** Whether Node has no reason of its own to refuse: what it knows beside the grammar. */
function isPlain({ start, fields }: Extract<HeadOutcome, { start: string }>): boolean {
  const [method = '', path = '', version = ''] = start.split(' ');
  return (
    METHODS.includes(method) &&
    path.startsWith('/') &&
    /^1\.[01]$/.test(version) &&
    fields.every(([name]) => name !== 'content-length' && name !== 'transfer-encoding')
  );
}

function startOf({
  method,
  url,
  httpVersion,
}: {
  method: string;
  url: string;
  httpVersion: string;
}): string {
  return `${method} ${url} ${httpVersion}`;
}

describe('RequestHeadParser', () => {
  it('reads what was written, and stops at the end of the head', () => {
    fc.assert(
      fc.property(request, ({ wire, expected }) => {
        expect(requestOutcome([bytes(wire)])).toEqual(expected);
      }),
    );
  });

  it('comes to the same outcome, a head or a refusal, for every cut', () => {
    fc.assert(
      fc.property(anyRequest, places, (text, at) => {
        const wire = bytes(text);
        const whole = requestOutcome([wire]);
        expect(requestOutcome(cutAt(wire, at))).toEqual(whole);
        expect(requestOutcome(byteByByte(wire))).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });

  it('comes to the same outcome for every cut under any limits', () => {
    fc.assert(
      fc.property(anyRequest, places, limits, (text, at, bound) => {
        const wire = bytes(text);
        const whole = requestOutcome([wire], bound);
        expect(requestOutcome(cutAt(wire, at), bound)).toEqual(whole);
        expect(requestOutcome(byteByByte(wire), bound)).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });

  it('never takes more than its limits allow', () => {
    fc.assert(
      fc.property(anyRequest, limits, (text, bound) => {
        const outcome = requestOutcome([bytes(text)], bound);
        if (outcome === 'unfinished' || 'code' in outcome) return;
        expect(outcome.size).toBeLessThanOrEqual(bound.maxHeadSize);
        expect(outcome.fields.length).toBeLessThanOrEqual(bound.maxHeaderFields);
        expect(outcome.start.split(' ')[1]?.length).toBeLessThanOrEqual(bound.maxTargetSize);
      }),
    );
  });

  it('agrees with the parser of Node on every request that fits the grammar', async () => {
    await fc.assert(
      fc.asyncProperty(request, async ({ wire, expected }) => {
        const theirs = await readByNode(bytes(wire));
        expect(theirs).not.toBeNull();
        if (theirs === null) return;
        expect(startOf(theirs)).toBe(expected.start);
        expect(theirs.fields).toEqual(expected.fields);
      }),
      { numRuns: 300 },
    );
  });

  it('agrees with the parser of Node on every request, good or broken, that both take', async () => {
    let agreed = 0;
    await fc.assert(
      fc.asyncProperty(anyRequest, async (text) => {
        const wire = bytes(text);
        const ours = requestOutcome([wire]);
        const theirs = await readByNode(wire);
        if (ours === 'unfinished' || 'code' in ours || theirs === null) return;
        expect(startOf(theirs)).toBe(ours.start);
        expect(theirs.fields).toEqual(ours.fields);
        // Of a body, which the handshake refuses, newer versions of Node take what was announced.
        const hasBody = theirs.fields.some(([name]) =>
          /^(content-length|transfer-encoding)$/i.test(name),
        );
        if (theirs.behind !== null && !hasBody) {
          expect(theirs.behind).toEqual(wire.subarray(ours.size));
        }
        agreed++;
      }),
      { numRuns: 1000 },
    );
    expect(agreed).toBeGreaterThan(100);
  });

  it('takes nothing that Node refuses, where it knows the method and the target is a path', async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(anyRequest, async (text) => {
        const ours = requestOutcome([bytes(text)]);
        if (ours === 'unfinished' || 'code' in ours || !isPlain(ours)) return;
        expect(await readByNode(bytes(text))).not.toBeNull();
        taken++;
      }),
      { numRuns: 1000 },
    );
    expect(taken).toBeGreaterThan(100);
  });

  it('refuses or waits for random bytes, and throws nothing but HandshakeError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), places, (random, at) => {
        const wire = Buffer.from(random);
        const whole = requestOutcome([wire]);
        expect(requestOutcome(cutAt(wire, at))).toEqual(whole);
        expect(requestOutcome([bytes('GET / HTTP/1.1\r\nA: '), wire])).toEqual(
          requestOutcome([bytes('GET / HTTP/1.1\r\nA: '), ...byteByByte(wire)]),
        );
      }),
      { numRuns: 500 },
    );
  });
});

describe('ResponseHeadParser', () => {
  it('reads what was written, reads over interim responses, and stops at the end', () => {
    fc.assert(
      fc.property(response, ({ wire, expected }) => {
        expect(responseOutcome([bytes(wire)])).toEqual(expected);
      }),
    );
  });

  it('comes to the same outcome for every cut under any limits', () => {
    fc.assert(
      fc.property(anyResponse, places, limits, (text, at, bound) => {
        const wire = bytes(text);
        const whole = responseOutcome([wire], bound);
        expect(responseOutcome(cutAt(wire, at), bound)).toEqual(whole);
        expect(responseOutcome(byteByByte(wire), bound)).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });

  it('refuses or waits for random bytes, and throws nothing but HandshakeError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), places, (random, at) => {
        const wire = Buffer.from(random);
        const whole = responseOutcome([wire]);
        expect(responseOutcome(cutAt(wire, at))).toEqual(whole);
      }),
    );
  });
});

/** A head whose size is `size`, of one long line or of many short ones. */
const SHAPES: readonly (readonly [shape: string, make: (size: number) => Buffer])[] = [
  ['one long value', (size) => bytes(`GET / HTTP/1.1\r\nA: ${'x'.repeat(size)}\r\n\r\n`)],
  ['one long target', (size) => bytes(`GET ${'/'.repeat(size)} HTTP/1.1\r\n\r\n`)],
  ['many fields', (size) => bytes(`GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(size / 6)}\r\n`)],
  ['many empty lines', (size) => bytes(`${'\r\n'.repeat(size / 2)}GET / HTTP/1.1\r\n\r\n`)],
  ['white space', (size) => bytes(`GET / HTTP/1.1\r\nA:${' \t'.repeat(size / 2)}\r\n\r\n`)],
  ['bare carriage returns', (size) => bytes(`GET / HTTP/1.1\r\nA:${'\r'.repeat(size)}`)],
];

const SIZES = [1_500, 6_000, 24_000, 96_000];

const NO_LIMITS = { maxHeadSize: Infinity, maxHeaderFields: Infinity, maxTargetSize: Infinity };

function workOf(pieces: Buffer[]): ByteWork {
  return measureByteWork(() => void requestOutcome(pieces, NO_LIMITS));
}

describe.each(SHAPES)('the cost of %s', (_shape, make) => {
  it.each(SIZES)('is a few operations for each of %i bytes that come one by one', (size) => {
    const wire = make(size);
    const { allocated, copied, searched, decoded } = workOf(byteByByte(wire));
    expect(searched).toBe(wire.length);
    expect(allocated).toBeLessThanOrEqual(4 * wire.length);
    expect(copied).toBeLessThanOrEqual(3 * wire.length);
    expect(decoded).toBeLessThanOrEqual(wire.length);
  });

  it.each(SIZES)('is one look at each of %i bytes that come at once', (size) => {
    const wire = make(size);
    const { copied, searched, decoded } = workOf([wire]);
    // Nothing is searched where it was read in one walk.
    expect([0, wire.length]).toContain(searched);
    expect(copied).toBeLessThanOrEqual(wire.length);
    expect(decoded).toBeLessThanOrEqual(wire.length);
  });
});
