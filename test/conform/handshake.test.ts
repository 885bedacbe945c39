import { describe, expect, it } from 'vitest';
import {
  acceptValueOf,
  checkRequest,
  checkResponse,
  createKey,
  createRefusal,
  createRequest,
  createResponse,
  type Head,
  MAX_HEAD_SIZE,
  readHead,
} from '../../src/conform/handshake.ts';

/** The example of RFC 6455, section 1.3. */
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const REQUEST = { host: 'example.com:8080', target: '/chat?a=b' };

function parse(text: string): Head {
  return readHead(Buffer.from(text, 'latin1'))!;
}

function request(change: (text: string) => string = (text) => text): Head {
  return parse(change(createRequest(REQUEST, KEY)));
}

function response(change: (text: string) => string = (text) => text): Head {
  return parse(change(createResponse(KEY)));
}

describe('a head', () => {
  it('is read when all of it is there, with what comes after it', () => {
    const bytes = Buffer.from('HTTP/1.1 200 OK\r\nA: 1\r\na:  2 \r\nB:\r\n\r\nrest');
    expect(readHead(bytes.subarray(0, -6))).toBeUndefined();
    const head = readHead(bytes)!;
    expect(head.startLine).toBe('HTTP/1.1 200 OK');
    expect([...head.fields]).toEqual([
      ['a', ['1', '2']],
      ['b', ['']],
    ]);
    expect(head.text).toBe('HTTP/1.1 200 OK\r\nA: 1\r\na:  2 \r\nB:\r\n\r\n');
    expect(head.rest.toString()).toBe('rest');
  });

  it('is read at the cost of its length, however many spaces there are', () => {
    // Each of them once cost seconds.
    for (let count = 0; count < 20; count++) {
      parse(`GET / HTTP/1.1\r\nA: y${' '.repeat(60_000)}y\r\n\r\n`);
    }
    const line = `A: y${' '.repeat(60_000)}y \t`;
    const text = `HTTP/1.1 200 OK\r\n${line}\r\nB: \t \r\nC:\t${'\t '.repeat(10)}x\r\n\r\n`;
    const { fields } = parse(text);
    expect(fields.get('a')).toEqual([`y${' '.repeat(60_000)}y`]);
    expect([fields.get('b'), fields.get('c')]).toEqual([[''], ['x']]);
  });

  it('is not too long', () => {
    expect(() => readHead(Buffer.alloc(MAX_HEAD_SIZE + 1, 'x'))).toThrow('too long');
    const padded = `GET / HTTP/1.1\r\nA: ${'x'.repeat(MAX_HEAD_SIZE)}\r\n\r\n`;
    expect(() => parse(padded)).toThrow('too long');
  });

  it.each(['no colon', ' A: folded', 'A : space', ': no name'])('has fields: %j', (line) => {
    expect(() => parse(`GET / HTTP/1.1\r\n${line}\r\n\r\n`)).toThrow('This is no field');
  });
});

describe('a request', () => {
  it('is what a server must take', () => {
    expect(checkRequest(request())).toEqual({
      target: '/chat?a=b',
      key: KEY,
      extensions: undefined,
    });
    expect(createRequest({ ...REQUEST, extensions: 'x' }, KEY)).toContain(
      '\r\nSec-WebSocket-Extensions: x\r\n',
    );
    expect(request().fields.get('host')).toEqual(['example.com:8080']);
    expect(createKey()).toMatch(/^[A-Za-z0-9+/]{22}==$/);
    expect(createKey()).not.toBe(createKey());
  });

  it('may offer extensions in several fields', () => {
    const head = request((text) =>
      text.replace(
        '\r\n\r\n',
        '\r\nSec-WebSocket-Extensions: a\r\nSec-WebSocket-Extensions: b\r\n\r\n',
      ),
    );
    expect(checkRequest(head).extensions).toBe('a, b');
  });

  it.each([
    ['GET', 'POST', 'This is no GET'],
    ['HTTP/1.1', 'HTTP/1.0', 'This is no GET of HTTP/1.1'],
    ['Host:', 'X:', 'There must be one field "host", and there are 0'],
    ['Upgrade: websocket', 'Upgrade: h2c', 'The field "upgrade" does not say "websocket"'],
    ['Connection: Upgrade', 'Connection: close', 'The field "connection" does not say "upgrade"'],
    ['Version: 13', 'Version: 8', 'The version of WebSocket is not 13'],
    [KEY, 'c2hvcnQ=', 'Sec-WebSocket-Key is not 16 bytes'],
    ['Host:', 'Sec-WebSocket-Key: x\r\nHost:', 'there are 2'],
  ])('with %j as %j is refused', (before, after, reason) => {
    expect(() => checkRequest(request((text) => text.replace(before, after)))).toThrow(reason);
  });
});

describe('a response', () => {
  it('proves that the key was read, as in the example of the RFC', () => {
    expect(acceptValueOf(KEY)).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    expect(checkResponse(response(), KEY, false)).toBeUndefined();
    expect(checkResponse(parse(createResponse(KEY, 'a; b')), KEY, true)).toBe('a; b');
  });

  it.each([
    ['101', '200', 'is not a 101: "HTTP/1.1 200'],
    ['HTTP/1.1', 'HTTP/1.0', 'is not a 101'],
    ['Upgrade: websocket', 'Upgrade: x', 'does not say "websocket"'],
    ['Connection: Upgrade', 'Connection: x', 'does not say "upgrade"'],
    ['s3pP', 'S3pP', 'does not prove that the key was read'],
    ['Sec-WebSocket-Accept', 'X', 'There must be one field'],
    ['Upgrade:', 'Sec-WebSocket-Protocol: chat\r\nUpgrade:', 'a subprotocol'],
    ['Upgrade:', 'Sec-WebSocket-Extensions: x\r\nUpgrade:', 'an extension'],
  ])('with %j as %j is refused', (before, after, reason) => {
    const head = response((text) => text.replace(before, after));
    expect(() => checkResponse(head, KEY, false)).toThrow(reason);
  });

  it('is told of in one line', () => {
    const head = parse('HTTP/1.1 404 \u001b]0;"\n\r\n\r\n');
    expect(() => checkResponse(head, KEY, false)).toThrow(
      String.raw`is not a 101: "HTTP/1.1 404 \u001b]0;\"\n"`,
    );
    expect(() => checkRequest(head)).toThrow(String.raw`"HTTP/1.1 404 \u001b]0;\"\n"`);
  });

  it('that refuses says why', () => {
    const text = createRefusal('400 Bad Request', 'Größe');
    const head = parse(text);
    expect(head.startLine).toBe('HTTP/1.1 400 Bad Request');
    expect(head.fields.get('content-length')).toEqual(['7']);
    expect(text.endsWith('\r\n\r\nGröße')).toBe(true);
  });
});
