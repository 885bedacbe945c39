import { describe, expect, it } from 'vitest';
import { type ConnectOptions, connect } from '../../src/client/connect.ts';
import type { Socket } from '../../src/connection/socket.ts';
import type { DeflateTerms } from '../../src/extension/deflate-params.ts';
import { acceptOpening, acceptRequest } from '../support/client-pair.ts';
import { noise, short } from '../support/deflate-connection.ts';
import { DeflatingPeer, LARGE, prose } from '../support/deflate-live.ts';
import { rawResponse } from '../support/raw-http.ts';
import { RawListener } from '../support/raw-peer.ts';

const NAME = 'permessage-deflate';

type Deflate = ConnectOptions['deflate'];

/** What a client with these options offers: all elements of the field, in one. */
async function offerOf(deflate: Deflate): Promise<string[]> {
  const listener = await RawListener.listen();
  const connecting = connect(`ws://127.0.0.1:${listener.port}`, { deflate });
  const { peer, key, request } = await acceptRequest(listener);
  await peer.write(rawResponse(key));
  (await connecting).terminate();
  return request.getAll('sec-websocket-extensions');
}

interface Opened extends DeflatingPeer {
  readonly socket: Socket;
}

/** A client whose offer was answered so. */
async function open(
  deflate: Deflate,
  answer: string | string[] | null,
  terms: Partial<DeflateTerms> = {},
): Promise<Opened> {
  const listener = await RawListener.listen();
  const [socket, peer] = await Promise.all([
    connect(`ws://127.0.0.1:${listener.port}`, { deflate }),
    acceptOpening(listener, { 'Sec-WebSocket-Extensions': answer }),
  ]);
  return Object.assign(new DeflatingPeer('client', peer, terms), { socket });
}

describe('connect', () => {
  it.each<[Deflate, string[]]>([
    [undefined, []],
    [false, []],
    [[], []],
    [true, [`${NAME}; client_max_window_bits`]],
    [{}, [`${NAME}; client_max_window_bits`]],
    [{ threshold: 5, level: 9, memoryLevel: 1 }, [`${NAME}; client_max_window_bits`]],
    [{ contextTakeover: false }, [`${NAME}; client_no_context_takeover; client_max_window_bits`]],
    [
      { peerContextTakeover: false },
      [`${NAME}; server_no_context_takeover; client_max_window_bits`],
    ],
    [{ windowBits: 10 }, [`${NAME}; client_max_window_bits=10`]],
    [{ peerWindowBits: 11 }, [`${NAME}; server_max_window_bits=11; client_max_window_bits`]],
    [
      [{ peerWindowBits: 10 }, {}],
      [
        `${NAME}; server_max_window_bits=10; client_max_window_bits, ${NAME}; client_max_window_bits`,
      ],
    ],
  ])('with %j offers %j', async (deflate, offers) => {
    expect(await offerOf(deflate)).toEqual(offers);
  });

  it.each([
    'yes',
    5,
    { level: 0 },
    { windowBits: 8 },
    { peerWindowBits: 16 },
    { perMessageDeflate: true },
    [{}, { threshold: '5' }],
    [5],
  ])('refuses the option %j, and dials nobody', async (deflate) => {
    const listener = await RawListener.listen();
    // @ts-expect-error: the types are wrong on purpose.
    const connecting = connect(`ws://127.0.0.1:${listener.port}`, { deflate });
    await expect(connecting).rejects.toThrow(/deflate/);
    expect(listener.count).toBe(0);
  });

  it.each<[what: string, deflate: Deflate, answer: string | string[]]>([
    ['nothing was offered', false, NAME],
    ['it is another extension', true, 'x-other'],
    ['it is written otherwise', true, 'Permessage-Deflate'],
    ['it stands there twice', true, `${NAME}, ${NAME}`],
    ['it stands there in two fields', true, [NAME, NAME]],
    ['it stands there twice, as it was offered', [{}, {}], [NAME, NAME]],
    ['another extension stands beside it', true, `${NAME}, x-other`],
    ['a parameter is unknown', true, `${NAME}; x=1`],
    ['a parameter is of the prototype', true, `${NAME}; constructor`],
    [
      'a parameter stands there twice',
      true,
      `${NAME}; server_max_window_bits=9; server_max_window_bits=9`,
    ],
    ['it limits us without a value', true, `${NAME}; client_max_window_bits`],
    ['it limits us by 7', true, `${NAME}; client_max_window_bits=7`],
    ['it limits us by 16', true, `${NAME}; client_max_window_bits=16`],
    ['it limits itself by 16', true, `${NAME}; server_max_window_bits=16`],
    ['it limits itself by 7', true, `${NAME}; server_max_window_bits=7`],
    ['it limits itself by 99999999999', true, `${NAME}; server_max_window_bits=99999999999`],
    ['it limits itself without a value', true, `${NAME}; server_max_window_bits`],
    ['a number begins with 0', true, `${NAME}; server_max_window_bits=09`],
    ['takeover has a value', true, `${NAME}; server_no_context_takeover=true`],
    [
      'it allows us more than was offered',
      { windowBits: 10 },
      `${NAME}; client_max_window_bits=11`,
    ],
    [
      'it takes more than was asked for',
      { peerWindowBits: 10 },
      `${NAME}; server_max_window_bits=11`,
    ],
    ['it does not limit itself as was asked for', { peerWindowBits: 10 }, NAME],
    ['it takes over what it must not', { peerContextTakeover: false }, NAME],
    [
      'it fits parts of two offers',
      [{ peerContextTakeover: false }, { peerWindowBits: 10 }],
      `${NAME}; server_max_window_bits=11`,
    ],
    ['it is no list of extensions', true, `${NAME};`],
  ])('rejects where the answer is wrong: %s', async (_what, deflate, answer) => {
    const listener = await RawListener.listen();
    const connecting = connect(`ws://127.0.0.1:${listener.port}`, { deflate });
    const { peer, key } = await acceptRequest(listener);
    await peer.write(rawResponse(key, { 'Sec-WebSocket-Extensions': answer }));
    await expect(connecting).rejects.toMatchObject({
      name: 'HandshakeError',
      code: 'WS_ERR_ANSWER_EXTENSIONS',
      status: 101,
    });
    await peer.readToLeave();
  });

  it.each<[Deflate, string, Partial<DeflateTerms>]>([
    [true, NAME, {}],
    [true, `${NAME}; server_no_context_takeover`, { peerTakeover: false }],
    [true, `${NAME}; client_no_context_takeover`, { ownTakeover: false }],
    [true, `${NAME}; server_max_window_bits=9`, { peerWindowBits: 9 }],
    [true, `${NAME}; server_max_window_bits=15; client_max_window_bits=15`, {}],
    [true, `${NAME}; client_max_window_bits=9`, { ownWindowBits: 9 }],
    [true, `${NAME}; client_max_window_bits="9"`, { ownWindowBits: 9 }],
    [{ windowBits: 10 }, NAME, { ownWindowBits: 10 }],
    [{ windowBits: 10 }, `${NAME}; client_max_window_bits=9`, { ownWindowBits: 9 }],
    [{ contextTakeover: false }, NAME, { ownTakeover: false }],
    [
      [{ peerContextTakeover: false }, { peerWindowBits: 10 }],
      `${NAME}; server_max_window_bits=10`,
      { peerWindowBits: 10 },
    ],
  ])('with %j takes the answer "%s", and keeps to it', async (deflate, answer, terms) => {
    const opened = await open(deflate, answer, terms);
    const { socket } = opened;
    // (As it was read: quotes have no meaning.)
    expect(socket.extensions).toBe(answer.replaceAll('"', ''));
    // It comes again within 15 bits, and not within 9 or 10.
    const texts = [prose(2000), noise(2000), noise(2000), LARGE, noise(2000), prose(2000)];
    for (const text of texts) socket.send(text);
    const expected = short(texts.map((text) => `deflated ${text}`));
    expect(short(await opened.readMany(texts.length))).toEqual(expected);

    const received: string[] = [];
    const sending = opened.send(...texts);
    for await (const message of socket) {
      received.push(message.toString());
      if (received.length === texts.length) break;
    }
    await sending;
    expect(short(received)).toEqual(short(texts));
    socket.terminate();
  });

  it('compresses by the options of the offer that was accepted', async () => {
    const offers = [{ peerWindowBits: 9, threshold: 0 }, { threshold: 100 }];
    const first = await open(offers, `${NAME}; server_max_window_bits=9`);
    first.socket.send('x'.repeat(50));
    expect(await first.frame()).toMatchObject({ rsv: 4 });
    const second = await open(offers, NAME);
    second.socket.send('x'.repeat(50));
    second.socket.send('x'.repeat(100));
    expect(await second.frame()).toMatchObject({ rsv: 0 });
    expect(await second.frame()).toMatchObject({ rsv: 4 });
    first.socket.terminate();
    second.socket.terminate();
  });

  it('compresses nothing where the server has not accepted', async () => {
    const opened = await open({ threshold: 0 }, null);
    expect(opened.socket.extensions).toBe('');
    opened.socket.send(LARGE);
    expect(await opened.frame()).toMatchObject({ rsv: 0 });
    await opened.send('compressed all the same');
    const close = await opened.frame();
    expect([close.opcode, close.payload.readUInt16BE()]).toEqual([8, 1002]);
  });

  it('compresses nothing for a server that has a window of 8 bits', async () => {
    const opened = await open({ threshold: 0 }, `${NAME}; client_max_window_bits=8`);
    opened.socket.send(LARGE);
    void opened.socket.send(['pieces']);
    expect(short(await opened.readMany(2))).toEqual(short([`plain ${LARGE}`, 'plain pieces in 2']));
    opened.socket.terminate();
  });

  it('reads what comes behind the answer in the same segment', async () => {
    const listener = await RawListener.listen();
    const behind = Buffer.from('c107f248cdc9c90700', 'hex');
    const [socket, peer] = await Promise.all([
      connect(`ws://127.0.0.1:${listener.port}`, { deflate: true }),
      acceptOpening(listener, { 'Sec-WebSocket-Extensions': NAME }, behind),
    ]);
    for await (const message of socket) {
      expect(message).toBe('Hello');
      break;
    }
    socket.terminate();
    await peer.readToLeave();
  });
});
