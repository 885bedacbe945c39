import { describe, expect, it } from 'vitest';
import { HandshakeError } from '../../src/errors.ts';
import type { Extension } from '../../src/extension/extension.ts';
import { ResponseHeadParser } from '../../src/handshake/http1.ts';
import {
  type Agreement,
  type Offer,
  type OfferOptions,
  checkAnswer,
  createOffer,
} from '../../src/handshake/offer.ts';
import {
  type FieldChanges,
  RawHead,
  SAMPLE_ACCEPT,
  acceptOf,
  rawResponse,
} from '../support/raw-http.ts';

const PROTOTYPE_NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];

const URL_HERE = 'ws://localhost/';

function offerOf(url: string, options?: OfferOptions): Offer {
  return createOffer(new URL(url), options);
}

function headOf(url: string, options?: OfferOptions): RawHead {
  return new RawHead(offerOf(url, options).request);
}

function extension(name: string, ...parameters: [string, string | true][]): Extension {
  return { name, parameters };
}

/** Checks the answer that every client must take, with changes, against an offer. */
function check(offer: Offer, changes: FieldChanges = {}, line?: string): Agreement {
  const parser = new ResponseHeadParser();
  parser.push(Buffer.from(rawResponse(offer.key, changes, line), 'latin1'));
  if (parser.head === null) throw new Error('the head has not ended');
  return checkAnswer(offer, parser.head);
}

function refusalOf(offer: Offer, changes: FieldChanges, line?: string): HandshakeError {
  try {
    check(offer, changes, line);
  } catch (error) {
    if (error instanceof HandshakeError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('createOffer', () => {
  it('writes a request with all that section 4.1 asks for, and nothing else', () => {
    const { request, key, subprotocols, extensions } = offerOf('ws://example.com/chat?a=b');
    expect(request).toBe(
      'GET /chat?a=b HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n' +
        `Connection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    );
    expect(subprotocols).toEqual([]);
    expect(extensions).toEqual([]);
  });

  it('has a fresh key of 16 bytes in every request', () => {
    const keys = Array.from({ length: 100 }, () => offerOf(URL_HERE).key);
    expect(new Set(keys).size).toBe(100);
    for (const key of keys) expect(Buffer.from(key, 'base64')).toHaveLength(16);
  });

  it.each([
    ['ws://example.com', '/', 'example.com'],
    ['ws://example.com/', '/', 'example.com'],
    ['WS://EXAMPLE.com/A', '/A', 'example.com'],
    ['ws://example.com:80/', '/', 'example.com'],
    ['wss://example.com:443/', '/', 'example.com'],
    ['ws://example.com:443/', '/', 'example.com:443'],
    ['wss://example.com:80/', '/', 'example.com:80'],
    ['ws://example.com:3000/a', '/a', 'example.com:3000'],
    ['ws://127.0.0.1:3000/', '/', '127.0.0.1:3000'],
    ['ws://[::1]/', '/', '[::1]'],
    ['ws://[::1]:80/', '/', '[::1]'],
    ['wss://[2001:DB8::A]:8443/a', '/a', '[2001:db8::a]:8443'],
    ['ws://example.com?a', '/?a', 'example.com'],
    ['ws://example.com/?', '/', 'example.com'],
    ['ws://example.com//a//', '//a//', 'example.com'],
    ['ws://example.com/a/../b', '/b', 'example.com'],
    ['ws://example.com/a b?c d', '/a%20b?c%20d', 'example.com'],
    ['ws://example.com/a%23b?c%23d', '/a%23b?c%23d', 'example.com'],
    ['ws://example.com/a%0d%0aX:%20y', '/a%0d%0aX:%20y', 'example.com'],
    ['ws://b\u00fccher.example/\u00fc?\u20ac', '/%C3%BC?%E2%82%AC', 'xn--bcher-kva.example'],
    ['ws://user:pass@example.com/', '/', 'example.com'],
  ])('asks %s for %s with Host: %s', (url, target, host) => {
    const head = headOf(url);
    expect(head.startLine).toBe(`GET ${target} HTTP/1.1`);
    expect(head.getAll('host')).toEqual([host]);
  });

  it('writes nothing but ASCII for a URL of any characters', () => {
    const { request } = offerOf('ws://\u4f8b\u3048.jp/\u8def?\ud83d\ude00\n\r\t#'.slice(0, -1));
    expect(request).toMatch(/^[\r\n\x20-\x7e]+$/);
    expect(request.split('\r\n')).toHaveLength(8);
  });

  it.each([
    ['user:pass', 'user:pass'],
    ['user', 'user:'],
    ['user:', 'user:'],
    [':pass', ':pass'],
    ['us%65r:p%40s%3As', 'user:p@s:s'],
    ['user:%2541', 'user:%41'],
    ['user:100%', 'user:100%'],
    ['user:%zz%4', 'user:%zz%4'],
    ['user:%C3%BC', 'user:\u00fc'],
    ['us\u00fcr:\u20ac', 'us\u00fcr:\u20ac'],
    ['user:a:b', 'user:a:b'],
  ])('sends the credentials of ws://%s@… as %s (RFC 7617)', (credentials, expected) => {
    const [field = ''] = headOf(`ws://${credentials}@example.com/`).getAll('authorization');
    const [scheme, base64 = ''] = field.split(' ');
    expect(scheme).toBe('Basic');
    expect(Buffer.from(base64, 'base64').toString()).toBe(expected);
  });

  it('sends a byte that is no UTF-8 as the byte that it is', () => {
    const [field] = headOf('ws://a:%ff%FE@example.com/').getAll('authorization');
    expect(field).toBe(`Basic ${Buffer.from('613afffe', 'hex').toString('base64')}`);
  });

  it('sends no Authorization where the URL has no user and no password', () => {
    for (const url of ['ws://example.com/', 'ws://@example.com/', 'ws://:@example.com/']) {
      expect(headOf(url).getAll('authorization')).toEqual([]);
    }
  });

  it('lets the caller replace Authorization and Host, in any case', () => {
    const headers = { AUTHORIZATION: 'Bearer x', hOST: 'other.example' };
    const head = headOf('ws://user:pass@example.com/', { headers });
    expect(head.getAll('authorization')).toEqual(['Bearer x']);
    expect(head.getAll('host')).toEqual(['other.example']);
  });

  it('offers subprotocols and extensions in order, and gives them back', () => {
    const subprotocols = ['b', 'a'];
    const extensions = [extension('x', ['y', true], ['z', '1']), extension('w')];
    const offer = offerOf(URL_HERE, { subprotocols, extensions });
    const head = new RawHead(offer.request);
    expect(head.getAll('sec-websocket-protocol')).toEqual(['b, a']);
    expect(head.getAll('sec-websocket-extensions')).toEqual(['x; y; z=1, w']);
    expect(offer).toMatchObject({ subprotocols, extensions });
  });

  it('sends Origin and the fields of the caller, in order and with duplicates', () => {
    const headers: [string, string][] = [
      ['Cookie', 'a=b'],
      ['X', '1'],
      ['x', 'caf\u00e9'],
    ];
    const { request } = offerOf(URL_HERE, { origin: 'https://example.com', headers });
    expect(request).toMatch(
      /\r\nOrigin: https:\/\/example\.com\r\nCookie: a=b\r\nX: 1\r\nx: caf\u00e9\r\n\r\n$/,
    );
  });

  it('takes names of Object.prototype as subprotocols, extensions and fields', () => {
    const head = headOf(URL_HERE, {
      subprotocols: PROTOTYPE_NAMES,
      extensions: PROTOTYPE_NAMES.map((name) => extension(name, [name, true])),
      headers: PROTOTYPE_NAMES.map((name): [string, string] => [name, 'x']),
    });
    expect(head.getAll('sec-websocket-protocol')).toEqual([PROTOTYPE_NAMES.join(', ')]);
    expect(head.getAll('__proto__')).toEqual(['x']);
    expect(head.getAll('constructor')).toEqual(['x']);
  });

  it.each(['http://a/', 'https://a/', 'ftp://a/', 'file:///a', 'wsx://a/', 'data:,x'])(
    'throws a TypeError for %s, whose scheme is not ws or wss',
    (url) => {
      const scheme = url.slice(0, url.indexOf(':') + 1);
      expect(() => offerOf(url)).toThrow(
        new TypeError(`the scheme of a WebSocket URL is ws or wss, not ${scheme}`),
      );
    },
  );

  it.each(['ws://a/#', 'ws://a/#b', 'ws://a/?b#c', 'wss://a#'])(
    'throws a TypeError for %s, which has a fragment (section 3)',
    (url) => {
      expect(() => offerOf(url)).toThrow(
        new TypeError('a WebSocket URL has no fragment: write %23 for a # in it'),
      );
    },
  );

  it.each([[['']], [['a', 'a']], [['a b']], [['a,b']], [['a\r\nX: y']], [['\u00e9']]])(
    'throws a TypeError for the subprotocols %j',
    (subprotocols) => {
      expect(() => offerOf(URL_HERE, { subprotocols })).toThrow(
        new TypeError('subprotocols are unique tokens (RFC 6455, section 4.1)'),
      );
    },
  );

  it.each<[string, Extension]>([
    ['an empty name', extension('')],
    ['a name that is no token', extension('a b')],
    ['a name with a line break', extension('a\r\nX: y')],
    ['a name of two', extension('a, b')],
    ['an empty parameter', extension('a', ['', true])],
    ['a parameter with a line break', extension('a', ['b\r\nX: y', true])],
    ['an empty value', extension('a', ['b', ''])],
    ['a value with a line break', extension('a', ['b', '1\r\nX: y'])],
    ['a value that is no token', extension('a', ['b', '1 2'])],
  ])('throws a TypeError for an extension with %s (section 9.1)', (_what, offered) => {
    expect(() => offerOf(URL_HERE, { extensions: [offered] })).toThrow(TypeError);
  });

  it.each([
    ['X', 'a\r\nY: b'],
    ['X', 'a\n'],
    ['X', '\u010d\u010aY: b'],
    ['X\r\nY', 'a'],
    ['', 'a'],
    ['Sec-WebSocket-Key', 'x'],
    ['sec-websocket-version', '8'],
    ['Upgrade', 'h2c'],
    ['Content-Length', '5'],
  ])('throws a TypeError for the field %j: %j', (name, value) => {
    expect(() => offerOf(URL_HERE, { headers: [[name, value]] })).toThrow(TypeError);
    expect(() => offerOf(URL_HERE, { headers: { [name]: value }, origin: 'a' })).toThrow(TypeError);
  });

  it('throws a TypeError for an origin with a line break', () => {
    expect(() => offerOf(URL_HERE, { origin: 'https://a\r\nX: y' })).toThrow(TypeError);
  });
});

describe('checkAnswer', () => {
  const plain = offerOf(URL_HERE);
  const rich = offerOf(URL_HERE, {
    subprotocols: ['chat', 'superchat'],
    extensions: [extension('a', ['x', true]), extension('b')],
  });

  it('takes the answer of RFC 6455, section 1.3, to its key', () => {
    const offer = { ...plain, key: 'dGhlIHNhbXBsZSBub25jZQ==' };
    const agreed = check(offer, { 'Sec-WebSocket-Accept': SAMPLE_ACCEPT });
    expect(agreed).toEqual({ subprotocol: '', extensions: [] });
  });

  it.each<[what: string, changes: FieldChanges]>([
    ['Upgrade in any case', { Upgrade: 'WebSocket' }],
    ['Connection in any case', { Connection: 'uPGRADE' }],
    ['Connection in a list', { Connection: 'keep-alive, Upgrade' }],
    ['Connection in several fields', { Connection: ['keep-alive', 'Upgrade'] }],
    ['white space around the accept', { 'Sec-WebSocket-Accept': ` \t${acceptOf(plain.key)}\t ` }],
    [
      'fields that nobody knows',
      { 'Set-Cookie': ['a', 'b'], ['__proto__']: 'x', constructor: 'y' },
    ],
  ])('takes %s', (_what, changes) => {
    expect(check(plain, changes)).toEqual({ subprotocol: '', extensions: [] });
  });

  it('takes an answer of HTTP/1.2, and one without a reason', () => {
    expect(check(plain, {}, 'HTTP/1.2 101').subprotocol).toBe('');
  });

  it('agrees on nothing where the answer names nothing of the offer', () => {
    expect(check(rich)).toEqual({ subprotocol: '', extensions: [] });
  });

  it('agrees on one subprotocol of the offer', () => {
    expect(check(rich, { 'Sec-WebSocket-Protocol': 'superchat' }).subprotocol).toBe('superchat');
  });

  it('agrees on extensions of the offer, in the order of the answer and with its parameters', () => {
    const { extensions } = check(rich, { 'Sec-WebSocket-Extensions': 'b; y="1", a' });
    expect(extensions).toEqual([extension('b', ['y', '1']), extension('a')]);
  });

  it.each(PROTOTYPE_NAMES)('takes %s where it was offered, and only there', (name) => {
    const changes = {
      'Sec-WebSocket-Protocol': name,
      'Sec-WebSocket-Extensions': `${name}; ${name}`,
    };
    const offer = offerOf(URL_HERE, { subprotocols: [name], extensions: [extension(name)] });
    expect(check(offer, changes)).toEqual({
      subprotocol: name,
      extensions: [extension(name, [name, true])],
    });
    const { 'Sec-WebSocket-Protocol': subprotocol, 'Sec-WebSocket-Extensions': extensions } =
      changes;
    for (const other of [plain, rich]) {
      const code = refusalOf(other, { 'Sec-WebSocket-Protocol': subprotocol }).code;
      expect(code).toBe('WS_ERR_ANSWER_SUBPROTOCOL');
      const second = refusalOf(other, { 'Sec-WebSocket-Extensions': extensions }).code;
      expect(second).toBe('WS_ERR_ANSWER_EXTENSIONS');
    }
  });

  it.each([
    ['HTTP/1.1 200 OK', 'ANSWER_STATUS', 200],
    ['HTTP/1.1 302 Found', 'ANSWER_STATUS', 302],
    ['HTTP/1.1 401 Unauthorized', 'ANSWER_STATUS', 401],
    ['HTTP/1.1 426 Upgrade Required', 'ANSWER_STATUS', 426],
    ['HTTP/1.1 503', 'ANSWER_STATUS', 503],
    ['HTTP/1.0 200 OK', 'ANSWER_STATUS', 200],
    ['HTTP/1.0 101 Switching Protocols', 'ANSWER_VERSION', 101],
  ])('refuses %s, and tells the status that came', (line, code, status) => {
    expect(refusalOf(plain, {}, line)).toMatchObject({ code: `WS_ERR_${code}`, status });
  });

  it.each([200, 401, 404, 503])('says in its message that the status was %i', (status) => {
    expect(refusalOf(plain, {}, `HTTP/1.1 ${status} Well`).message).toBe(
      `the server answered ${status} and not 101 (RFC 6455, section 4.1)`,
    );
  });

  const ACCEPT = acceptOf(plain.key);

  it.each<[what: string, changes: FieldChanges, code: string]>([
    ['no Upgrade', { Upgrade: null }, 'UPGRADE'],
    ['an empty Upgrade', { Upgrade: '' }, 'UPGRADE'],
    ['another Upgrade', { Upgrade: 'h2c' }, 'UPGRADE'],
    ['an Upgrade to more than websocket', { Upgrade: 'websocket, h2c' }, 'UPGRADE'],
    ['two Upgrades', { Upgrade: ['websocket', 'websocket'] }, 'UPGRADE'],
    ['an Upgrade with a version', { Upgrade: 'websocket/13' }, 'UPGRADE'],
    ['no Connection', { Connection: null }, 'CONNECTION'],
    ['another Connection', { Connection: 'close' }, 'CONNECTION'],
    ['a Connection that only contains it', { Connection: 'upgraded' }, 'CONNECTION'],
    ['no accept', { 'Sec-WebSocket-Accept': null }, 'ACCEPT'],
    ['an empty accept', { 'Sec-WebSocket-Accept': '' }, 'ACCEPT'],
    ['the accept of another key', { 'Sec-WebSocket-Accept': SAMPLE_ACCEPT }, 'ACCEPT'],
    ['our key as its accept', { 'Sec-WebSocket-Accept': plain.key }, 'ACCEPT'],
    ['an accept in upper case', { 'Sec-WebSocket-Accept': ACCEPT.toUpperCase() }, 'ACCEPT'],
    ['an accept without padding', { 'Sec-WebSocket-Accept': ACCEPT.slice(0, -1) }, 'ACCEPT'],
    ['an accept with more behind it', { 'Sec-WebSocket-Accept': `${ACCEPT}=` }, 'ACCEPT'],
    ['an accept in quotes', { 'Sec-WebSocket-Accept': `"${ACCEPT}"` }, 'ACCEPT'],
    ['the accept twice', { 'Sec-WebSocket-Accept': [ACCEPT, ACCEPT] }, 'ACCEPT'],
    ['a wrong accept beside the right one', { 'Sec-WebSocket-Accept': [ACCEPT, 'x'] }, 'ACCEPT'],
    ['a key', { 'Sec-WebSocket-Key': plain.key }, 'KEY'],
  ])('refuses %s', (_what, changes, code) => {
    const error = refusalOf(plain, changes);
    expect(error).toMatchObject({ code: `WS_ERR_ANSWER_${code}`, status: 101 });
  });

  it.each([
    ['another', 'mqtt'],
    ['one in other case', 'Chat'],
    ['an empty one', ''],
    ['two of them in a list', 'chat, superchat'],
    ['two of them in two fields', ['chat', 'superchat']],
    ['one of them twice', ['chat', 'chat']],
    ['one in quotes', '"chat"'],
  ])('refuses a subprotocol that was not offered so: %s', (_what, value) => {
    const error = refusalOf(rich, { 'Sec-WebSocket-Protocol': value });
    expect(error).toMatchObject({ code: 'WS_ERR_ANSWER_SUBPROTOCOL', status: 101 });
  });

  it.each([
    ['another', 'c'],
    ['another beside one of them', 'a, c'],
    ['one in other case', 'A'],
    ['none in the field', ''],
    ['a malformed list', 'a; x='],
    ['two elements without a comma', 'a b'],
    ['two fields (section 11.3.2)', ['a', 'b']],
    ['one of them in two fields', ['a', 'a']],
  ])('refuses extensions that were not offered so: %s', (_what, value) => {
    const error = refusalOf(rich, { 'Sec-WebSocket-Extensions': value });
    expect(error).toMatchObject({ code: 'WS_ERR_ANSWER_EXTENSIONS', status: 101 });
  });

  it('refuses any subprotocol and any extension where none was offered', () => {
    const subprotocol = refusalOf(plain, { 'Sec-WebSocket-Protocol': 'chat' });
    expect(subprotocol.code).toBe('WS_ERR_ANSWER_SUBPROTOCOL');
    const extensions = refusalOf(plain, { 'Sec-WebSocket-Extensions': 'a' });
    expect(extensions.code).toBe('WS_ERR_ANSWER_EXTENSIONS');
  });
});
