import { afterEach, describe, expect, it, vi } from 'vitest';
import { HandshakeError } from '../../src/errors.ts';
import {
  type Acceptance,
  type HandshakeRequest,
  acceptResponse,
  readRequest,
} from '../../src/handshake/accept.ts';
import { RequestHeadParser } from '../../src/handshake/http1.ts';
import {
  type FieldChanges,
  RawHead,
  SAMPLE_ACCEPT,
  SAMPLE_KEY,
  rawRequest,
} from '../support/raw-http.ts';

const PROTOTYPE_NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];

function read(changes: FieldChanges = {}, line?: string): HandshakeRequest {
  const parser = new RequestHeadParser();
  parser.push(Buffer.from(rawRequest(changes, line), 'latin1'));
  if (parser.head === null) throw new Error('the head has not ended');
  return readRequest(parser.head);
}

function refusalOf(changes: FieldChanges, line?: string): HandshakeError {
  try {
    read(changes, line);
  } catch (error) {
    if (error instanceof HandshakeError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

afterEach(() => {
  vi.useRealTimers();
});

describe('readRequest', () => {
  it('tells what a server needs in order to decide', () => {
    const request = read(
      {
        Host: 'example.com:8080',
        Origin: 'https://example.com',
        'Sec-WebSocket-Protocol': ['chat, superchat', 'v2'],
        'Sec-WebSocket-Extensions': ['a; b=1, c', 'd; e'],
        Cookie: 'sid=1',
      },
      'GET /chat?room=7 HTTP/1.1',
    );
    expect(request).toMatchObject({
      target: '/chat?room=7',
      host: 'example.com:8080',
      origin: 'https://example.com',
      key: SAMPLE_KEY,
      subprotocols: ['chat', 'superchat', 'v2'],
      extensions: [
        { name: 'a', parameters: [['b', '1']] },
        { name: 'c', parameters: [] },
        { name: 'd', parameters: [['e', true]] },
      ],
    });
    expect(request.fields.get('cookie')).toBe('sid=1');
  });

  it('takes a request without anything that is optional: it comes from no browser', () => {
    expect(read()).toMatchObject({ origin: undefined, subprotocols: [], extensions: [] });
  });

  it.each<[what: string, changes: FieldChanges]>([
    ['Upgrade in any case', { Upgrade: 'WebSocket' }],
    ['Upgrade in a list', { Upgrade: 'h2c, WEBSOCKET' }],
    ['Upgrade in several fields', { Upgrade: ['h2c', 'websocket'] }],
    ['Upgrade among empty elements', { Upgrade: ', websocket ,' }],
    ['Connection in any case', { Connection: 'UPGRADE' }],
    ['Connection in a list', { Connection: 'keep-alive, Upgrade' }],
    ['Connection in several fields', { Connection: ['keep-alive', 'upgrade'] }],
    ['white space around the key', { 'Sec-WebSocket-Key': ` \t${SAMPLE_KEY}\t ` }],
    ['white space around the version', { 'Sec-WebSocket-Version': ' 13\t' }],
    ['Content-Length: 0', { 'Content-Length': '0' }],
    ['Content-Length: 0 twice', { 'Content-Length': ['0', '0'] }],
    ['Content-Length: 0 twice in a list', { 'Content-Length': '0, 0' }],
    ['Content-Length: 0 in many digits', { 'Content-Length': '0000' }],
    ['100-continue', { Expect: '100-continue' }],
    ['100-continue in any case', { Expect: '100-Continue' }],
    ['names of Object.prototype', { ['__proto__']: 'x', constructor: 'x', toString: 'x' }],
    ['fields that nobody knows', { 'X-Unknown': 'x', 'Sec-WebSocket-Unknown': 'x' }],
  ])('takes %s', (_what, changes) => {
    expect(read(changes)).toMatchObject({ target: '/', host: 'localhost', key: SAMPLE_KEY });
  });

  it.each([
    'localhost',
    'example.com:80',
    'a.b-c_d~e',
    '127.0.0.1:1',
    '[::1]',
    '[::1]:80',
    '[2001:DB8::1]:',
    'x:',
  ])('takes Host: %s as it is', (host) => {
    expect(read({ Host: host }).host).toBe(host);
  });

  it.each(['/', '/a/b?c=d&e', '//a', '/?', '/http://x/'])(
    'takes the target %s as it is, and the host from Host',
    (target) => {
      expect(read({}, `GET ${target} HTTP/1.1`)).toMatchObject({ target, host: 'localhost' });
    },
  );

  it.each([
    ['http://example.com/a?b', 'example.com', '/a?b'],
    ['HTTPS://Example.com:8443/', 'Example.com:8443', '/'],
    ['ws://example.com/a', 'example.com', '/a'],
    ['wss://[::1]:1/a', '[::1]:1', '/a'],
    ['http://example.com', 'example.com', '/'],
    ['http://example.com?a', 'example.com', '/?a'],
    ['http://example.com//a', 'example.com', '//a'],
  ])(
    'takes the target %s, and the host from it (RFC 9112, section 3.2.2)',
    (target, host, path) => {
      expect(read({}, `GET ${target} HTTP/1.1`)).toMatchObject({ target: path, host });
    },
  );

  it.each(['1.2', '1.9'])('takes HTTP/%s, which is higher than 1.1', (version) => {
    expect(read({}, `GET / HTTP/${version}`).key).toBe(SAMPLE_KEY);
  });

  it('takes names of Object.prototype as subprotocols and extensions', () => {
    const request = read({
      'Sec-WebSocket-Protocol': PROTOTYPE_NAMES.join(', '),
      'Sec-WebSocket-Extensions': PROTOTYPE_NAMES.map((name) => `${name}; ${name}=${name}`),
    });
    expect(request.subprotocols).toEqual(PROTOTYPE_NAMES);
    expect(request.extensions).toEqual(
      PROTOTYPE_NAMES.map((name) => ({ name, parameters: [[name, name]] })),
    );
  });

  it.each<[what: string, changes: FieldChanges, code: string, status: number]>([
    ['no Host', { Host: null }, 'HOST', 400],
    ['two Hosts', { Host: ['localhost', 'localhost'] }, 'HOST', 400],
    ['an empty Host', { Host: '' }, 'HOST', 400],
    ['no Upgrade', { Upgrade: null }, 'UPGRADE', 426],
    ['an empty Upgrade', { Upgrade: '' }, 'UPGRADE', 426],
    ['another Upgrade', { Upgrade: 'h2c' }, 'UPGRADE', 426],
    ['an Upgrade with a version', { Upgrade: 'websocket/13' }, 'UPGRADE', 426],
    ['an Upgrade that only begins so', { Upgrade: 'websockets' }, 'UPGRADE', 426],
    ['no Connection', { Connection: null }, 'CONNECTION', 400],
    ['another Connection', { Connection: 'keep-alive' }, 'CONNECTION', 400],
    [
      'a Connection that only contains it',
      { Connection: 'upgrade-insecure-requests' },
      'CONNECTION',
      400,
    ],
    ['no version', { 'Sec-WebSocket-Version': null }, 'VERSION', 426],
    ['version 8', { 'Sec-WebSocket-Version': '8' }, 'VERSION', 426],
    ['version 14', { 'Sec-WebSocket-Version': '14' }, 'VERSION', 426],
    ['version 013', { 'Sec-WebSocket-Version': '013' }, 'VERSION', 426],
    ['a list of versions', { 'Sec-WebSocket-Version': '13, 8' }, 'VERSION', 426],
    ['two versions', { 'Sec-WebSocket-Version': ['13', '13'] }, 'VERSION_DUPLICATE', 400],
    ['two versions with ours', { 'Sec-WebSocket-Version': ['8', '13'] }, 'VERSION_DUPLICATE', 400],
    ['no key', { 'Sec-WebSocket-Key': null }, 'KEY', 400],
    ['an empty key', { 'Sec-WebSocket-Key': '' }, 'KEY', 400],
    ['a key of 15 bytes', { 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAA' }, 'KEY', 400],
    ['a key that is no base64', { 'Sec-WebSocket-Key': '!GhlIHNhbXBsZSBub25jZQ==' }, 'KEY', 400],
    ['two keys', { 'Sec-WebSocket-Key': [SAMPLE_KEY, SAMPLE_KEY] }, 'KEY_DUPLICATE', 400],
    ['two origins', { Origin: ['https://a', 'https://a'] }, 'ORIGIN', 403],
    ['an empty list of subprotocols', { 'Sec-WebSocket-Protocol': '' }, 'SUBPROTOCOL', 400],
    ['a subprotocol twice', { 'Sec-WebSocket-Protocol': ['a', 'a'] }, 'SUBPROTOCOL', 400],
    ['a subprotocol that is no token', { 'Sec-WebSocket-Protocol': 'a b' }, 'SUBPROTOCOL', 400],
    ['an empty list of extensions', { 'Sec-WebSocket-Extensions': '' }, 'EXTENSIONS', 400],
    ['malformed extensions', { 'Sec-WebSocket-Extensions': 'a; b=' }, 'EXTENSIONS', 400],
    ['another expectation', { Expect: '200-ok' }, 'EXPECTATION', 417],
    ['another beside 100-continue', { Expect: ['100-continue', 'x'] }, 'EXPECTATION', 417],
    ['a body', { 'Content-Length': '1' }, 'BODY', 400],
    [
      'a body of a length that is no safe integer',
      { 'Content-Length': '9'.repeat(400) },
      'BODY',
      400,
    ],
    ['a body announced twice', { 'Content-Length': '5, 5' }, 'BODY', 400],
    ['a chunked body', { 'Transfer-Encoding': 'chunked' }, 'BODY', 400],
    ['an empty Transfer-Encoding', { 'Transfer-Encoding': '' }, 'BODY', 400],
    ['Transfer-Encoding: identity', { 'Transfer-Encoding': 'identity' }, 'BODY', 400],
    [
      'chunked beside a length',
      { 'Content-Length': '0', 'Transfer-Encoding': 'chunked' },
      'FRAMING',
      400,
    ],
    ['two lengths', { 'Content-Length': ['0', '5'] }, 'FRAMING', 400],
    ['two lengths in a list', { 'Content-Length': '5, 0' }, 'FRAMING', 400],
    ['two writings of a length', { 'Content-Length': ['0', '00'] }, 'FRAMING', 400],
    ['an empty length', { 'Content-Length': '' }, 'FRAMING', 400],
    ['a length of commas', { 'Content-Length': ',' }, 'FRAMING', 400],
    ['a negative length', { 'Content-Length': '-0' }, 'FRAMING', 400],
    ['a length with a sign', { 'Content-Length': '+0' }, 'FRAMING', 400],
    ['a length in hex', { 'Content-Length': '0x0' }, 'FRAMING', 400],
    ['a length with an exponent', { 'Content-Length': '0e1' }, 'FRAMING', 400],
    ['a length with a fraction', { 'Content-Length': '0.0' }, 'FRAMING', 400],
    ['a length with white space in it', { 'Content-Length': '0 0' }, 'FRAMING', 400],
  ])('refuses %s', (_what, changes, code, status) => {
    expect(refusalOf(changes)).toMatchObject({ code: `WS_ERR_${code}`, status });
  });

  it.each([
    ['HTTP/1.0', 'GET / HTTP/1.0', 'HTTP_VERSION', 505],
    ['POST', 'POST / HTTP/1.1', 'METHOD', 405],
    ['HEAD', 'HEAD / HTTP/1.1', 'METHOD', 405],
    ['CONNECT', 'CONNECT localhost:80 HTTP/1.1', 'METHOD', 405],
    ['get in lower case', 'get / HTTP/1.1', 'METHOD', 405],
    ['a method of Object.prototype', 'constructor / HTTP/1.1', 'METHOD', 405],
    ['the target *', 'GET * HTTP/1.1', 'TARGET', 400],
    ['a target that is an authority', 'GET localhost:80 HTTP/1.1', 'TARGET', 400],
    ['a target without a slash', 'GET chat HTTP/1.1', 'TARGET', 400],
    ['a target that begins with a query', 'GET ?a HTTP/1.1', 'TARGET', 400],
    ['a fragment', 'GET /a#b HTTP/1.1', 'TARGET', 400],
    ['an empty fragment', 'GET /# HTTP/1.1', 'TARGET', 400],
    ['an absolute target with a fragment', 'GET http://a/#b HTTP/1.1', 'TARGET', 400],
    ['an absolute target of another scheme', 'GET ftp://a/ HTTP/1.1', 'TARGET', 400],
    ['an absolute target without slashes', 'GET http:a HTTP/1.1', 'TARGET', 400],
    ['an absolute target without a host', 'GET http:///a HTTP/1.1', 'HOST', 400],
    ['an absolute target with a user', 'GET http://localhost@evil/ HTTP/1.1', 'HOST', 400],
    ['an absolute target with a bad port', 'GET http://a:b/ HTTP/1.1', 'HOST', 400],
    ['an absolute target with a backslash', 'GET http://a\\b/ HTTP/1.1', 'HOST', 400],
  ])('refuses %s', (_what, line, code, status) => {
    expect(refusalOf({}, line)).toMatchObject({ code: `WS_ERR_${code}`, status });
  });

  const BAD_HOSTS =
    'a@b a/b a?b a#b a\\b "a" <a> a|b a:b a:80:80 :80 : http://a a:-1 [::1 ::1 [::1]a [] [g] a[::1]';

  it.each(['a b', 'a, b', 'a\tb', '\xe4', ...BAD_HOSTS.split(' ')])('refuses Host: %j', (host) => {
    expect(refusalOf({ Host: host })).toMatchObject({ code: 'WS_ERR_HOST', status: 400 });
  });

  it('wants a valid Host also where the target is absolute (RFC 9112, section 3.2)', () => {
    const line = 'GET http://example.com/ HTTP/1.1';
    for (const host of [null, '', 'a b', ['example.com', 'example.com']]) {
      expect(refusalOf({ Host: host }, line).code).toBe('WS_ERR_HOST');
    }
  });

  it('looks at the version before the key, which may have other rules there', () => {
    const error = refusalOf({ 'Sec-WebSocket-Version': '0', 'Sec-WebSocket-Key': null });
    expect(error.code).toBe('WS_ERR_VERSION');
  });

  it('tells plain HTTP to upgrade, whatever else it lacks', () => {
    const error = refusalOf({
      Upgrade: null,
      Connection: null,
      'Sec-WebSocket-Key': null,
      'Sec-WebSocket-Version': null,
    });
    expect(error).toMatchObject({ code: 'WS_ERR_UPGRADE', status: 426 });
  });
});

describe('acceptResponse', () => {
  it('is the answer of RFC 6455, section 1.3, to its request', () => {
    const request = read({ 'Sec-WebSocket-Protocol': 'chat, superchat' });
    expect(acceptResponse(request, { subprotocol: 'chat' })).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${SAMPLE_ACCEPT}\r\nSec-WebSocket-Protocol: chat\r\n\r\n`,
    );
  });

  it('names no subprotocol and no extension where none was agreed on', () => {
    const request = read({ 'Sec-WebSocket-Protocol': 'a', 'Sec-WebSocket-Extensions': 'a' });
    for (const acceptance of [undefined, {}, { subprotocol: undefined, extensions: [] }]) {
      expect(acceptResponse(request, acceptance)).toBe(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
          `Sec-WebSocket-Accept: ${SAMPLE_ACCEPT}\r\n\r\n`,
      );
    }
  });

  it('puts extensions into one field (section 11.3.2)', () => {
    const request = read({ 'Sec-WebSocket-Extensions': ['a; x', 'b', 'c'] });
    const extensions = [
      { name: 'b', parameters: [] },
      {
        name: 'a',
        parameters: [
          ['y', '1'],
          ['z', true],
        ],
      },
    ] satisfies Acceptance['extensions'];
    const head = new RawHead(acceptResponse(request, { extensions }));
    expect(head.getAll('sec-websocket-extensions')).toEqual(['b, a; y=1; z']);
  });

  it('writes the fields of the application behind ours, as they are', () => {
    const headers = { 'Set-Cookie': ['a=1', 'b=2'], X: 'caf\u00e9' };
    expect(acceptResponse(read(), { headers })).toMatch(
      /\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX: caf\u00e9\r\n\r\n$/,
    );
  });

  it('answers 100-continue by a 100 before the 101 (RFC 9110, section 7.8)', () => {
    expect(acceptResponse(read({ Expect: '100-Continue' }))).toBe(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n' +
        `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${SAMPLE_ACCEPT}\r\n\r\n`,
    );
  });

  it.each(['chat2', 'Chat', '', 'chat, superchat', ...PROTOTYPE_NAMES])(
    'throws a RangeError for the subprotocol %j, which was not offered',
    (subprotocol) => {
      const request = read({ 'Sec-WebSocket-Protocol': 'chat, superchat' });
      const error = new RangeError(`the client did not offer the subprotocol ${subprotocol}`);
      expect(() => acceptResponse(request, { subprotocol })).toThrow(error);
      expect(() => acceptResponse(read(), { subprotocol })).toThrow(error);
    },
  );

  it.each(['b', 'A', '', ...PROTOTYPE_NAMES])(
    'throws a RangeError for the extension %j, which was not offered',
    (name) => {
      const request = read({ 'Sec-WebSocket-Extensions': 'a' });
      const accepted = { name: 'a', parameters: [] };
      const extensions = [accepted, { name, parameters: [] }];
      expect(() => acceptResponse(request, { extensions })).toThrow(
        new RangeError(`the client did not offer the extension ${name}`),
      );
    },
  );

  it.each([
    ['b\r\nSet-Cookie: a=b', true],
    ['b', '1\r\nSet-Cookie: a=b'],
    ['b', ''],
    ['', true],
    ['b c', true],
    ['b', '1, other'],
    ['b', '"1"'],
  ] satisfies [string, string | true][])(
    'throws a TypeError for the parameter %j=%j, which is no token (RFC 6455, section 9.1)',
    (key, value) => {
      const request = read({ 'Sec-WebSocket-Extensions': 'a' });
      const extensions = [
        { name: 'a', parameters: [[key, value]] },
      ] satisfies Acceptance['extensions'];
      expect(() => acceptResponse(request, { extensions })).toThrow(TypeError);
    },
  );

  it.each([
    ['X', 'a\r\nY: b'],
    ['X', 'a\n'],
    ['X\r\nY', 'a'],
    ['X: a', 'b'],
    ['', 'a'],
    ['X', '\u0141\u010a'],
    ['Sec-WebSocket-Accept', 'x'],
    ['sec-websocket-protocol', 'x'],
    ['Connection', 'close'],
    ['Content-Length', '5'],
  ])(
    'throws a TypeError for the field %j: %j, and gives nothing that could be sent',
    (name, value) => {
      expect(() => acceptResponse(read(), { headers: [[name, value]] })).toThrow(TypeError);
    },
  );

  it('takes names of Object.prototype as fields', () => {
    const headers = PROTOTYPE_NAMES.map((name): [string, string] => [name, 'x']);
    const response = acceptResponse(read(), { headers });
    for (const name of PROTOTYPE_NAMES) expect(response).toContain(`\r\n${name}: x\r\n`);
  });
});
