/** RFC 6455, sections 4.1 and 4.4: what a client makes of the answer to its request. */
import { describe, expect, it } from 'vitest';
import { HandshakeError } from '../../src/errors.ts';
import { ResponseHeadParser } from '../../src/handshake/http1.ts';
import {
  type Agreement,
  type Offer,
  type OfferOptions,
  checkAnswer,
  createOffer,
} from '../../src/handshake/offer.ts';
import { type FieldChanges, acceptOf, rawResponse } from '../support/raw-http.ts';
import { RawListener } from '../support/raw-peer.ts';
import { connectThinly } from '../support/thin-client.ts';

const DEFLATE = { name: 'permessage-deflate', parameters: [] };

/** What the client makes of an answer, written by hand. */
function answer(offer: Offer, response: string): Agreement {
  const parser = new ResponseHeadParser();
  expect(parser.push(Buffer.from(response, 'latin1'))).toBe(response.length);
  return checkAnswer(offer, parser.head!);
}

function offerOf(options: OfferOptions = {}): Offer {
  return createOffer(new URL('ws://localhost/'), options);
}

/** The code with which the client fails the connection. */
function failureOf(changes: FieldChanges, options: OfferOptions = {}, line?: string): string {
  const offer = offerOf(options);
  try {
    answer(offer, rawResponse(offer.key, changes, line));
  } catch (error) {
    if (error instanceof HandshakeError) return error.code;
    throw error;
  }
  return 'none';
}

/** Answers a real client, and tells how it ended and what it sent. */
async function misbehave(
  respond: (key: string) => string,
  options: OfferOptions = {},
): Promise<{ error: unknown; sent: Buffer; connections: number }> {
  const listener = await RawListener.listen();
  const opening = connectThinly(`ws://127.0.0.1:${listener.port}/`, options).then(
    () => null,
    (error: unknown) => error,
  );
  const peer = await listener.accept();
  const request = await peer.readHead();
  await peer.write(respond(request.getAll('sec-websocket-key')[0]!));
  const error = await opening;
  return { error, sent: await peer.readToLeave(), connections: listener.count };
}

describe('the answer', () => {
  it.each([200, 201, 204, 300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 407, 426, 500, 503])(
    '6455-4.1-20 client: fails on the status %d, which it hands on',
    (status) => {
      const offer = offerOf();
      const response = rawResponse(offer.key, { Location: '/' }, `HTTP/1.1 ${status} Whatever`);
      expect(() => answer(offer, response)).toThrow(
        expect.objectContaining({ name: 'HandshakeError', code: 'WS_ERR_ANSWER_STATUS', status }),
      );
    },
  );

  it.each([
    ['a redirect', 'HTTP/1.1 301 Moved Permanently', { Location: '/elsewhere' }],
    ['a request for credentials', 'HTTP/1.1 401 Unauthorized', { 'WWW-Authenticate': 'Basic' }],
    ['a page', 'HTTP/1.1 200 OK', { 'Content-Length': '0' }],
  ])(
    '6455-4.1-20 client: ends TCP on %s, and follows nothing by itself',
    async (_, line, fields) => {
      const { error, sent, connections } = await misbehave((key) => rawResponse(key, fields, line));
      expect(error).toMatchObject({
        code: 'WS_ERR_ANSWER_STATUS',
        status: Number(line.split(' ')[1]),
      });
      expect(sent).toHaveLength(0);
      expect(connections).toBe(1);
    },
  );

  it('6455-4.1-20 client: reads over interim responses and waits for the final one', () => {
    const offer = offerOf();
    const interim = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nUpgrade: h2c\r\n\r\n';
    expect(answer(offer, interim + rawResponse(offer.key)).subprotocol).toBe('');
    const refused = `${interim}HTTP/1.1 403 Forbidden\r\n\r\n`;
    expect(() => answer(offer, refused)).toThrow(expect.objectContaining({ status: 403 }));
  });

  it.each([
    [null],
    ['h2c'],
    [''],
    ['websocket2'],
    ['web socket'],
    ['websocket, h2c'],
    [['websocket', 'h2c']],
  ])('6455-4.1-21 client: fails where Upgrade is %j', (Upgrade) => {
    expect(failureOf({ Upgrade })).toBe('WS_ERR_ANSWER_UPGRADE');
  });

  it.each(['websocket', 'WebSocket', 'WEBSOCKET', '  websocket\t'])(
    '6455-4.1-21 client: takes the Upgrade %j',
    (Upgrade) => {
      expect(failureOf({ Upgrade })).toBe('none');
    },
  );

  it.each([[null], ['close'], [''], ['keep-alive'], ['Upgrades'], ['Up grade'], ['not-upgrade']])(
    '6455-4.1-22 client: fails where Connection is %j',
    (Connection) => {
      expect(failureOf({ Connection })).toBe('WS_ERR_ANSWER_CONNECTION');
    },
  );

  it.each([
    ['Upgrade'],
    ['upgrade'],
    ['keep-alive, UPGRADE'],
    ['a,,Upgrade ,b'],
    [['a', 'upgrade']],
  ])('6455-4.1-22 client: takes the Connection %j', (Connection) => {
    expect(failureOf({ Connection })).toBe('none');
  });

  it('6455-4.1-23 client: fails where Sec-WebSocket-Accept is missing or is not of its key', () => {
    const offer = offerOf();
    const right = acceptOf(offer.key);
    const wrong = [
      null,
      '',
      offer.key,
      acceptOf('dGhlIHNhbXBsZSBub25jZQ=='),
      acceptOf(`${offer.key} `),
      Buffer.from(right, 'base64').toString('hex'),
      right.slice(0, -1),
      right.toLowerCase(),
      `"${right}"`,
      `${right}, ${right}`,
      `${right}=`,
    ];
    for (const value of wrong) {
      const response = rawResponse(offer.key, { 'Sec-WebSocket-Accept': value });
      expect(() => answer(offer, response), String(value)).toThrow(
        expect.objectContaining({ code: 'WS_ERR_ANSWER_ACCEPT', status: 101 }),
      );
    }
  });

  it('6455-4.1-23 client: ignores the white space around Sec-WebSocket-Accept', () => {
    const offer = offerOf();
    const value = `\t  ${acceptOf(offer.key)} \t`;
    const response = rawResponse(offer.key, { 'Sec-WebSocket-Accept': value });
    expect(answer(offer, response)).toEqual({ subprotocol: '', extensions: [] });
  });

  it.each([['x-foo'], ['permessage-deflate, x-foo'], ['x-foo; a=1'], ['PERMESSAGE-DEFLATE']])(
    '6455-4.1-24 client: fails on the extension %j, which it did not offer',
    (value) => {
      const changes = { 'Sec-WebSocket-Extensions': value };
      expect(failureOf(changes, { extensions: [DEFLATE] })).toBe('WS_ERR_ANSWER_EXTENSIONS');
      expect(failureOf(changes)).toBe('WS_ERR_ANSWER_EXTENSIONS');
    },
  );

  it('6455-4.1-24 client: ends TCP when compression comes that it did not offer', async () => {
    const { error, sent } = await misbehave((key) =>
      rawResponse(key, { 'Sec-WebSocket-Extensions': 'permessage-deflate' }),
    );
    expect(error).toMatchObject({ code: 'WS_ERR_ANSWER_EXTENSIONS', status: 101 });
    expect(sent).toHaveLength(0);
  });

  it.each(['x', 'Chat', '', 'chat2'])(
    '6455-4.1-25 client: fails on the subprotocol %j, which it did not request',
    (value) => {
      const changes = { 'Sec-WebSocket-Protocol': value };
      const options = { subprotocols: ['chat', 'superchat'] };
      expect(failureOf(changes, options)).toBe('WS_ERR_ANSWER_SUBPROTOCOL');
      expect(failureOf(changes)).toBe('WS_ERR_ANSWER_SUBPROTOCOL');
    },
  );

  it('6455-4.1-25 client: ends TCP when a subprotocol comes and none was requested', async () => {
    const { error, sent } = await misbehave((key) =>
      rawResponse(key, { 'Sec-WebSocket-Protocol': 'chat' }),
    );
    expect(error).toMatchObject({ code: 'WS_ERR_ANSWER_SUBPROTOCOL', status: 101 });
    expect(sent).toHaveLength(0);
  });

  it('6455-4.1-26 client: fails on several subprotocols, though each was requested', () => {
    const options = { subprotocols: ['a', 'b'] };
    for (const value of ['a, b', 'a,', ['a', 'b'], ['a', 'a']]) {
      const changes = { 'Sec-WebSocket-Protocol': value };
      expect(failureOf(changes, options)).toBe('WS_ERR_ANSWER_SUBPROTOCOL');
    }
  });

  it.each([
    ['HTTP/1.0', (response: string) => response.replace('HTTP/1.1', 'HTTP/1.0')],
    ['HTTP/2.0', (response: string) => response.replace('HTTP/1.1', 'HTTP/2.0')],
    ['no HTTP', (response: string) => response.replace('HTTP/1.1 101', 'RTSP/1.0 101')],
    ['a status of two digits', (response: string) => response.replace(' 101 ', ' 10 ')],
    ['a status of four digits', (response: string) => response.replace(' 101 ', ' 1010 ')],
    ['a folded field', (response: string) => response.replace('Upgrade: w', 'Upgrade:\r\n w')],
    ['a field without a colon', (response: string) => response.replace('\r\n', '\r\nfield\r\n')],
    ['a space before a colon', (response: string) => response.replace('Upgrade:', 'Upgrade :')],
    ['lines that end with LF', (response: string) => response.replaceAll('\r\n', '\n')],
    ['a first frame and no answer', () => '\x81\x05Hello'],
  ])('6455-4.1-26 client: fails on an answer with %s, and ends TCP', async (_, change) => {
    const { error, sent } = await misbehave((key) => change(rawResponse(key)));
    expect(error).toBeInstanceOf(HandshakeError);
    expect(sent).toHaveLength(0);
  });

  it('6455-4.1-26 client: fails where the server leaves before its answer is complete', async () => {
    const listener = await RawListener.listen();
    const opening = connectThinly(`ws://127.0.0.1:${listener.port}/`);
    const peer = await listener.accept();
    const request = await peer.readHead();
    peer.end(rawResponse(request.getAll('sec-websocket-key')[0]!).slice(0, -2));
    await expect(opening).rejects.toThrow('left');
    expect(await peer.readToLeave()).toHaveLength(0);
  });

  it('6455-4.1-27 client: is open after the answer, with nothing in use that it does not name', async () => {
    const listener = await RawListener.listen();
    const opening = connectThinly(`ws://127.0.0.1:${listener.port}/`, {
      subprotocols: ['chat'],
      extensions: [DEFLATE],
    });
    const peer = await listener.accept();
    const request = await peer.readHead();
    await peer.write(rawResponse(request.getAll('sec-websocket-key')[0]!));
    const { socket, agreement } = await opening;
    expect(socket.readyState).toBe(1);
    expect(agreement).toEqual({ subprotocol: '', extensions: [] });
  });

  it('6455-4.1-27 client: takes the subprotocol and the extensions in use from the answer', () => {
    const offer = offerOf({ subprotocols: ['chat', 'superchat'], extensions: [DEFLATE] });
    const response = rawResponse(offer.key, {
      'Sec-WebSocket-Protocol': 'superchat',
      'Sec-WebSocket-Extensions': 'permessage-deflate; server_no_context_takeover; x=1',
    });
    expect(answer(offer, response)).toEqual({
      subprotocol: 'superchat',
      extensions: [
        {
          name: 'permessage-deflate',
          parameters: [
            ['server_no_context_takeover', true],
            ['x', '1'],
          ],
        },
      ],
    });
  });

  it('6455-4.4-02 client: tells its caller the versions with which it may try again', async () => {
    const versions = { 'Sec-WebSocket-Version': ['25, 8', '7'] };
    const response = rawResponse('', versions, 'HTTP/1.1 426 Upgrade Required');
    const parser = new ResponseHeadParser();
    parser.push(Buffer.from(response));
    expect(() => checkAnswer(offerOf(), parser.head!)).toThrow(
      expect.objectContaining({ code: 'WS_ERR_ANSWER_STATUS', status: 426 }),
    );
    expect(parser.head!.fields.getAll('sec-websocket-version')).toEqual(['25, 8', '7']);
    // It does not do so by itself: 13 is the only version that it speaks.
    expect((await misbehave(() => response)).connections).toBe(1);
  });
});
