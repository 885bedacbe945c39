/** RFC 6455, sections 5.8 and 9.1: extensions, and how they are negotiated. */
import { describe, expect, it } from 'vitest';
import { HandshakeError } from '../../src/errors.ts';
import { type HandshakeRequest, acceptResponse, readRequest } from '../../src/handshake/accept.ts';
import type { Extension } from '../../src/extension/extension.ts';
import { RequestHeadParser, ResponseHeadParser } from '../../src/handshake/http1.ts';
import { checkAnswer, createOffer } from '../../src/handshake/offer.ts';
import { OPCODE } from '../../src/frame/opcode.ts';
import { closeBody, peerFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';
import { openPair, startServer } from '../support/open-pair.ts';
import { RawHead, rawRequest, rawResponse } from '../support/raw-http.ts';
import { RawListener, RawPeer } from '../support/raw-peer.ts';
import { connectThinly } from '../support/thin-client.ts';

const FIELD = 'Sec-WebSocket-Extensions';
const NAME = 'sec-websocket-extensions';

function plain(...names: string[]): Extension[] {
  return names.map((name) => ({ name, parameters: [] }));
}

function read(value: string | readonly string[]): HandshakeRequest {
  const parser = new RequestHeadParser();
  parser.push(Buffer.from(rawRequest({ [FIELD]: value })));
  return readRequest(parser.head!);
}

/** The extensions in use, after an offer of `offered` and an answer with `value`. */
function agree(offered: readonly Extension[], value: string | null): readonly Extension[] {
  const offer = createOffer(new URL('ws://localhost'), { extensions: offered });
  const parser = new ResponseHeadParser();
  parser.push(Buffer.from(rawResponse(offer.key, { [FIELD]: value })));
  return checkAnswer(offer, parser.head!).extensions;
}

describe('section 5.8', () => {
  it.each(ROLES)(
    '6455-5.8-01 %s: takes no compressed frame where none was negotiated',
    async (role) => {
      const { peer, log } = await openPair(role);
      // "Hello", compressed as RFC 7692 shows it.
      const payload = Buffer.from('f248cdc9c90700', 'hex');
      await peer.write(peerFrame(role, { rsv: 4, payload }));
      const [close] = await peer.readFrames(1);
      expect(close!.payload.subarray(0, 2)).toEqual(closeBody(1002));
      expect(log.entries).toEqual(['error WS_ERR_RESERVED_BITS']);
    },
  );

  it.each(ROLES)('6455-5.8-01 %s: compresses nothing where nothing was negotiated', (role) => {
    const open = new OpenConnection(role);
    const text = 'the same again and again, '.repeat(1_000);
    open.connection.send(OPCODE.TEXT, text);
    const [frame] = open.sent();
    expect([frame!.rsv, frame!.payload.toString()]).toEqual([0, text]);
  });
});

describe('section 9.1', () => {
  const malformed = [
    'x-a;',
    'x-a; =1',
    'x-a; n="',
    'x-a; n="b c"',
    'x-a x-b',
    ';',
    ',',
    '',
    'x-a; n=@',
  ];

  it.each(malformed)('6455-9.1-01 server: refuses %j at once', async (value) => {
    const { port, accepted } = await startServer();
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest({ [FIELD]: value }));
    expect((await peer.readHead()).status).toBe(400);
    await peer.readToEnd();
    expect(accepted).toHaveLength(0);
  });

  it.each(malformed)('6455-9.1-01 client: fails on %j at once, and ends TCP', async (value) => {
    const listener = await RawListener.listen();
    const opening = connectThinly(`ws://127.0.0.1:${listener.port}/`, { extensions: plain('x-a') });
    const failed = expect(opening).rejects.toBeInstanceOf(HandshakeError);
    const peer = await listener.accept();
    const request = await peer.readHead();
    await peer.write(rawResponse(request.getAll('sec-websocket-key')[0]!, { [FIELD]: value }));
    await failed;
    expect(await peer.readToLeave()).toHaveLength(0);
  });

  it('6455-9.1-02 server: agrees to extensions of the request, and to no others', () => {
    const request = read('x-a; level=3, x-b');
    const answer = (extensions: readonly Extension[]): string[] =>
      new RawHead(acceptResponse(request, { extensions })).getAll(NAME);
    expect(answer([])).toEqual([]);
    expect(answer(plain('x-b'))).toEqual(['x-b']);
    expect(answer([{ name: 'x-a', parameters: [['level', '3']] }])).toEqual(['x-a; level=3']);
    for (const name of ['x-c', 'X-A', 'level', 'permessage-deflate']) {
      expect(() => answer(plain(name)), name).toThrow(RangeError);
      expect(() => answer(plain('x-a', name)), name).toThrow(RangeError);
    }
  });

  it('6455-9.1-03 client: uses no extension that the server did not name', async () => {
    const offered = plain('x-a', 'permessage-deflate', 'x-b');
    expect(agree(offered, null)).toEqual([]);
    expect(agree(offered, 'x-b')).toEqual(plain('x-b'));

    const listener = await RawListener.listen();
    const opening = connectThinly(`ws://127.0.0.1:${listener.port}/`, { extensions: offered });
    const peer = await listener.accept();
    const request = await peer.readHead();
    await peer.write(rawResponse(request.getAll('sec-websocket-key')[0]!));
    const { socket, log } = await opening;
    socket.send('x'.repeat(1_000));
    const [frame] = await peer.readFrames(1);
    expect([frame!.rsv, frame!.payload.toString()]).toEqual([0, 'x'.repeat(1_000)]);
    await peer.write(peerFrame('client', { rsv: 4, payload: 'x' }));
    expect(await log.until('error')).toBe('error WS_ERR_RESERVED_BITS');
  });

  it('6455-9.1-03 client: keeps the order of the answer, which is the order of use', () => {
    const offered = plain('x-a', 'x-b', 'x-c');
    expect(agree(offered, 'x-c, x-a')).toEqual(plain('x-c', 'x-a'));
    expect(agree(offered, 'x-b, x-a, x-c')).toEqual(plain('x-b', 'x-a', 'x-c'));
  });

  it('6455-9.1-04 server: reads several fields as one joined by commas', () => {
    const joined = read('x-a; n=1, x-b, x-c; m').extensions;
    expect(joined).toEqual([
      { name: 'x-a', parameters: [['n', '1']] },
      { name: 'x-b', parameters: [] },
      { name: 'x-c', parameters: [['m', true]] },
    ]);
    for (const values of [
      ['x-a; n=1', 'x-b, x-c; m'],
      ['x-a; n=1, x-b', 'x-c; m'],
      ['x-a; n=1,', ', x-b', 'x-c; m'],
      ['', 'x-a; n=1', 'x-b', 'x-c; m'],
    ]) {
      expect(read(values).extensions).toEqual(joined);
    }
    // Not as one text that is only cut there.
    expect(() => read(['x-a; n="1', '2"'])).toThrow(HandshakeError);
    expect(() => read(['x-a;', 'n=1'])).toThrow(HandshakeError);
  });

  it('6455-9.1-04 client: joins what it offers by commas, and reads what is joined so', () => {
    const extensions = [
      { name: 'x-a', parameters: [['n', '1']] as const },
      { name: 'x-b', parameters: [] },
      { name: 'x-a', parameters: [] },
    ];
    const request = new RawHead(createOffer(new URL('ws://localhost'), { extensions }).request);
    const sent = request.getAll(NAME).join(',').split(',');
    expect(sent.map((one) => one.trim())).toEqual(['x-a; n=1', 'x-b', 'x-a']);
    expect(agree(extensions, 'x-a; n=1,x-b')).toEqual([
      { name: 'x-a', parameters: [['n', '1']] },
      { name: 'x-b', parameters: [] },
    ]);
  });
});
