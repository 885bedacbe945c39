/** RFC 6455, sections 4.3 and 11.3: the grammar of the fields, and how often each may stand. */
import { describe, expect, it } from 'vitest';
import { HandshakeError } from '../../src/errors.ts';
import {
  type Acceptance,
  type HandshakeRequest,
  acceptResponse,
  readRequest,
  refusalResponse,
} from '../../src/handshake/accept.ts';
import { RequestHeadParser, ResponseHeadParser } from '../../src/handshake/http1.ts';
import { type OfferOptions, checkAnswer, createOffer } from '../../src/handshake/offer.ts';
import { startServer } from '../support/open-pair.ts';
import {
  type FieldChanges,
  RawHead,
  SAMPLE_ACCEPT,
  SAMPLE_KEY,
  acceptOf,
  rawRequest,
  rawResponse,
} from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';

const EXTENSIONS = 'Sec-WebSocket-Extensions';
const PROTOCOL = 'Sec-WebSocket-Protocol';

function read(text: string): HandshakeRequest {
  const parser = new RequestHeadParser();
  expect(parser.push(Buffer.from(text, 'latin1'))).toBe(text.length);
  return readRequest(parser.head!);
}

/** The answer that accepts a request, written by hand, with its changes. */
function accept(changes: FieldChanges, acceptance?: Acceptance): RawHead {
  return new RawHead(acceptResponse(read(rawRequest(changes)), acceptance));
}

/** What the server finds wrong with a request. */
function refusalOf(changes: FieldChanges): string {
  try {
    read(rawRequest(changes));
  } catch (error) {
    if (error instanceof HandshakeError) return `${error.status} ${error.code}`;
    throw error;
  }
  return 'none';
}

/** What the client finds wrong with an answer. */
function failureOf(changes: FieldChanges, options: OfferOptions = {}): string {
  const offer = createOffer(new URL('ws://localhost'), options);
  const parser = new ResponseHeadParser();
  parser.push(Buffer.from(rawResponse(offer.key, changes), 'latin1'));
  try {
    checkAnswer(offer, parser.head!);
  } catch (error) {
    if (error instanceof HandshakeError) return error.code;
    throw error;
  }
  return 'none';
}

function offerFields(options: OfferOptions, name: string): string[] {
  return new RawHead(createOffer(new URL('ws://localhost'), options).request).getAll(name);
}

function extension(
  name: string,
  ...parameters: [string, string | true][]
): {
  name: string;
  parameters: [string, string | true][];
} {
  return { name, parameters };
}

describe('section 4.3, the grammar of the fields', () => {
  const malformed = [
    '',
    ' ',
    ',',
    'x-a;',
    'x-a; =1',
    'x-a; n=',
    'x-a; n=""',
    'x-a; n="1',
    'x-a; n="c d"',
    'x-a; n="c,d"',
    'x-a; n="c\\',
    'x-a; n="é"',
    'x-a; n=1 2',
    'x-a n=1',
    'x-a x-b',
    'x-a; n=1"2"',
    'x-a; n="1"2',
    'x-a; n=(1)',
    'x-a;; n',
    '"x-a"',
    '; n',
    'x-a, ;',
    'x/a',
  ];
  const wellFormed: [string, [string, string | true][]][] = [
    ['x-a', []],
    ['x-a;n', [['n', true]]],
    ['x-a ; n = 1', [['n', '1']]],
    ['x-a; n="c"', [['n', 'c']]],
    [String.raw`x-a; n="\c"`, [['n', 'c']]],
    [
      String.raw`x-a; n="\c\d"; m=e`,
      [
        ['n', 'cd'],
        ['m', 'e'],
      ],
    ],
    [
      '\tx-a\t;\tn;\tn',
      [
        ['n', true],
        ['n', true],
      ],
    ],
    [', ,x-a,', []],
  ];

  it.each(malformed)('6455-4.3-01 server: refuses the extensions %j', (value) => {
    expect(refusalOf({ [EXTENSIONS]: value })).toBe('400 WS_ERR_EXTENSIONS');
  });

  it.each(malformed)('6455-4.3-01 client: fails on the extensions %j', (value) => {
    const options = { extensions: [extension('x-a')] };
    expect(failureOf({ [EXTENSIONS]: value }, options)).toBe('WS_ERR_ANSWER_EXTENSIONS');
  });

  it.each(wellFormed)('6455-4.3-01 server: reads the extensions %j', (value, parameters) => {
    expect(read(rawRequest({ [EXTENSIONS]: value })).extensions).toEqual([
      { name: 'x-a', parameters },
    ]);
  });

  it.each(wellFormed)('6455-4.3-01 client: reads the extensions %j', (value, parameters) => {
    const offer = createOffer(new URL('ws://h'), { extensions: [extension('x-a')] });
    const parser = new ResponseHeadParser();
    parser.push(Buffer.from(rawResponse(offer.key, { [EXTENSIONS]: value })));
    expect(checkAnswer(offer, parser.head!).extensions).toEqual([{ name: 'x-a', parameters }]);
  });

  it.each(['', ',', 'a b', 'a;b', '"a"', 'a/b', 'a, é', 'a, b c', 'a=b', 'a, a'])(
    '6455-4.3-01 server: refuses the subprotocols %j',
    (value) => {
      expect(refusalOf({ [PROTOCOL]: value })).toBe('400 WS_ERR_SUBPROTOCOL');
    },
  );

  const unwritable = [
    extension('', ['n', true]),
    extension('x a'),
    extension('x-a', ['', true]),
    extension('x-a', ['n m', true]),
    extension('x-a', ['n', '']),
    extension('x-a', ['n', 'c d']),
    extension('x-a', ['n', 'c,x-b']),
    extension('x-a', ['n', '1\r\nSet-Cookie: a=1']),
  ];

  it('6455-4.3-01 client: refuses to write extensions that do not fit the grammar', () => {
    for (const one of unwritable) {
      const write = (): string[] => offerFields({ extensions: [one] }, 'sec-websocket-extensions');
      expect(write, JSON.stringify(one)).toThrow(TypeError);
    }
  });

  it('6455-4.3-01 server: refuses to write extensions that do not fit the grammar', () => {
    for (const one of unwritable.slice(2)) {
      const write = (): RawHead => accept({ [EXTENSIONS]: 'x-a' }, { extensions: [one] });
      expect(write, JSON.stringify(one)).toThrow(TypeError);
    }
  });
});

describe('section 11.3, how often a field may stand', () => {
  it('6455-11.3-01 server: refuses two keys, and sends none', () => {
    for (const keys of [
      [SAMPLE_KEY, SAMPLE_KEY],
      [SAMPLE_KEY, ''],
      ['', SAMPLE_KEY],
    ]) {
      expect(refusalOf({ 'Sec-WebSocket-Key': keys })).toBe('400 WS_ERR_KEY_DUPLICATE');
    }
    expect(accept({}).getAll('sec-websocket-key')).toEqual([]);
    expect(() => accept({}, { headers: { 'Sec-WebSocket-Key': SAMPLE_KEY } })).toThrow(TypeError);
  });

  it('6455-11.3-01 client: sends one key, and fails on an answer that has one', () => {
    expect(offerFields({}, 'sec-websocket-key')).toHaveLength(1);
    const headers = { 'sec-websocket-KEY': SAMPLE_KEY };
    expect(() => offerFields({ headers }, 'sec-websocket-key')).toThrow(TypeError);
    expect(failureOf({ 'Sec-WebSocket-Key': SAMPLE_KEY })).toBe('WS_ERR_ANSWER_KEY');
  });

  it('6455-11.3-02 server: sends one Sec-WebSocket-Accept', () => {
    expect(accept({}).getAll('sec-websocket-accept')).toEqual([SAMPLE_ACCEPT]);
    const headers = { 'sec-websocket-accept': SAMPLE_ACCEPT };
    expect(() => accept({}, { headers })).toThrow(TypeError);
    expect(() => refusalResponse({ status: 401, headers })).toThrow(TypeError);
  });

  it('6455-11.3-02 client: fails on two Sec-WebSocket-Accept, though both are right', () => {
    const offer = createOffer(new URL('ws://localhost'));
    const right = acceptOf(offer.key);
    for (const values of [
      [right, right],
      [right, 'wrong'],
      ['wrong', right],
      [right, ''],
    ]) {
      const parser = new ResponseHeadParser();
      parser.push(Buffer.from(rawResponse(offer.key, { 'Sec-WebSocket-Accept': values })));
      expect(() => checkAnswer(offer, parser.head!), values.join()).toThrow(
        expect.objectContaining({ code: 'WS_ERR_ANSWER_ACCEPT' }),
      );
    }
    expect(offerFields({}, 'sec-websocket-accept')).toEqual([]);
  });

  it('6455-11.3-03 server: joins the Sec-WebSocket-Protocol fields, and answers with one', async () => {
    expect(read(rawRequest({ [PROTOCOL]: ['a', 'b, c'] })).subprotocols).toEqual(['a', 'b', 'c']);
    expect(refusalOf({ [PROTOCOL]: ['a, b', 'a'] })).toBe('400 WS_ERR_SUBPROTOCOL');
    const { port } = await startServer({ subprotocols: ['b', 'c'] });
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest({ [PROTOCOL]: ['x', 'c, b'] }));
    const head = await peer.readHead();
    expect(head.getAll('sec-websocket-protocol')).toEqual(['c']);
  });

  it('6455-11.3-03 client: sends one Sec-WebSocket-Protocol, and fails on two', () => {
    const options = { subprotocols: ['a', 'b'] };
    expect(offerFields(options, 'sec-websocket-protocol')).toEqual(['a, b']);
    for (const values of [
      ['a', 'b'],
      ['a', 'a'],
      ['a', ''],
    ]) {
      expect(failureOf({ [PROTOCOL]: values }, options)).toBe('WS_ERR_ANSWER_SUBPROTOCOL');
    }
    expect(failureOf({ [PROTOCOL]: 'a' }, options)).toBe('none');
  });

  it('6455-11.3-04 server: joins the Sec-WebSocket-Extensions fields, and answers with one', () => {
    const changes = { [EXTENSIONS]: ['x-a; n=1', 'x-b, x-c'] };
    const names = read(rawRequest(changes)).extensions.map(({ name }) => name);
    expect(names).toEqual(['x-a', 'x-b', 'x-c']);
    const extensions = [extension('x-a', ['n', '1']), extension('x-c')];
    const head = accept(changes, { extensions });
    expect(head.getAll('sec-websocket-extensions')).toEqual(['x-a; n=1, x-c']);
  });

  it('6455-11.3-04 client: sends one Sec-WebSocket-Extensions, and fails on two', () => {
    const options = { extensions: [extension('x-a'), extension('x-b')] };
    expect(offerFields(options, 'sec-websocket-extensions')).toEqual(['x-a, x-b']);
    for (const values of [
      ['x-a', 'x-b'],
      ['x-a', 'x-a'],
      ['x-a', ''],
    ]) {
      expect(failureOf({ [EXTENSIONS]: values }, options)).toBe('WS_ERR_ANSWER_EXTENSIONS');
    }
    expect(failureOf({ [EXTENSIONS]: 'x-a' }, options)).toBe('none');
  });

  it('6455-11.3-05 server: refuses two versions', () => {
    for (const versions of [
      ['13', '13'],
      ['13', '8'],
      ['8', '13'],
      ['13', ''],
    ]) {
      const refused = refusalOf({ 'Sec-WebSocket-Version': versions });
      expect(refused).toBe('400 WS_ERR_VERSION_DUPLICATE');
    }
  });

  it('6455-11.3-05 client: sends one version, and takes an answer with several', () => {
    expect(offerFields({}, 'sec-websocket-version')).toEqual(['13']);
    expect(failureOf({ 'Sec-WebSocket-Version': ['13', '8, 7'] })).toBe('none');
  });
});
