import { describe, expect, it } from 'vitest';
import { WebSocket } from '../../src/client/websocket.ts';
import { acceptRequest } from '../support/client-pair.ts';
import { short } from '../support/deflate-connection.ts';
import { DeflatingPeer, LARGE } from '../support/deflate-live.ts';
import { type RawHead, rawResponse } from '../support/raw-http.ts';
import { RawListener } from '../support/raw-peer.ts';

const NAME = 'permessage-deflate';

interface Opened extends DeflatingPeer {
  readonly socket: WebSocket;
  readonly request: RawHead;
}

/** A WebSocket whose offer was answered so. */
async function open(
  answer: string | null,
  options?: ConstructorParameters<typeof WebSocket>[2],
): Promise<Opened> {
  const listener = await RawListener.listen();
  const socket = new WebSocket(`ws://127.0.0.1:${listener.port}`, [], options);
  const { peer, key, request } = await acceptRequest(listener);
  expect(socket.extensions).toBe('');
  const opened = new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', reject);
  });
  await peer.write(rawResponse(key, { 'Sec-WebSocket-Extensions': answer }));
  await opened;
  return Object.assign(new DeflatingPeer('client', peer), { socket, request });
}

async function offerOf(options?: ConstructorParameters<typeof WebSocket>[2]): Promise<string[]> {
  const { socket, request, peer } = await open(null, options);
  expect(socket.extensions).toBe('');
  peer.transport.destroy();
  return request.getAll('sec-websocket-extensions');
}

describe('a WebSocket', () => {
  it('offers permessage-deflate as browsers do, unless it is told not to', async () => {
    expect(await offerOf()).toEqual([`${NAME}; client_max_window_bits`]);
    expect(await offerOf({})).toEqual([`${NAME}; client_max_window_bits`]);
    expect(await offerOf({ deflate: true })).toEqual([`${NAME}; client_max_window_bits`]);
    expect(await offerOf({ deflate: false })).toEqual([]);
    expect(await offerOf({ deflate: { windowBits: 10 } })).toEqual([
      `${NAME}; client_max_window_bits=10`,
    ]);
  });

  it('takes options that are undefined as left out', async () => {
    const { socket, request, peer } = await open(NAME, {
      deflate: undefined,
      maxBackpressure: undefined,
    });
    expect(request.getAll('sec-websocket-extensions')).toEqual([`${NAME}; client_max_window_bits`]);
    // The standard knows no bound.
    peer.transport.pause();
    for (let i = 0; i < 10; i++) socket.send(Buffer.alloc(4 * 1024 * 1024));
    expect(socket.readyState).toBe(1);
    peer.transport.destroy();
  });

  it('has what was agreed on in `extensions`, also when it is closed', async () => {
    const answer = `${NAME}; server_no_context_takeover; client_max_window_bits=12`;
    const { socket, peer } = await open(answer);
    expect(socket.extensions).toBe(answer);
    const closed = new Promise((resolve) => {
      socket.addEventListener('close', resolve);
    });
    peer.transport.destroy();
    await closed;
    expect(socket.extensions).toBe(answer);
  });

  it('fails where the answer is not what was offered', async () => {
    const listener = await RawListener.listen();
    const socket = new WebSocket(`ws://127.0.0.1:${listener.port}`);
    const closed = new Promise<unknown>((resolve) => {
      socket.addEventListener('close', ({ code, wasClean }) => resolve([code, wasClean]));
    });
    const { peer, key } = await acceptRequest(listener);
    await peer.write(rawResponse(key, { 'Sec-WebSocket-Extensions': `${NAME}, ${NAME}` }));
    expect(await closed).toEqual([1006, false]);
    expect(socket.extensions).toBe('');
  });

  it('sends and receives texts, arrays and Blobs in their order, and closes behind them', async () => {
    const opened = await open(NAME);
    const { socket } = opened;
    socket.binaryType = 'arraybuffer';
    socket.send(LARGE);
    socket.send(new Blob([LARGE]));
    socket.send(Buffer.from(LARGE));
    socket.send('small');
    socket.send(LARGE);
    socket.close(1000, 'done');
    const sent = [LARGE, LARGE, LARGE, 'small', LARGE];
    const messages = await opened.readMany(5);
    const told = messages.map((message) => message.replace(/ in \d+$/, ''));
    expect(short(told)).toEqual(
      short(sent.map((text) => (text === 'small' ? 'plain small' : `deflated ${text}`))),
    );
    expect((await opened.frame()).payload.toString('latin1', 2)).toBe('done');
    opened.peer.transport.destroy();
  });

  it('is told what the server has compressed', async () => {
    const opened = await open(NAME);
    const { socket } = opened;
    socket.binaryType = 'arraybuffer';
    const received: string[] = [];
    const done = new Promise<void>((resolve) => {
      socket.addEventListener('message', ({ data }) => {
        received.push(data instanceof ArrayBuffer ? Buffer.from(data).toString() : String(data));
        if (received.length === 4) resolve();
      });
    });
    await opened.send('small', LARGE, Buffer.from(LARGE), 'small');
    await done;
    expect(short(received)).toEqual(short(['small', LARGE, LARGE, 'small']));
    opened.peer.transport.destroy();
  });

  it('counts in `bufferedAmount` what was compressed as it was sent, until it has gone', async () => {
    const opened = await open(NAME);
    const { socket } = opened;
    socket.send(LARGE);
    socket.send('small');
    expect(socket.bufferedAmount).toBe(LARGE.length + 5);
    await opened.readMany(2);
    await expect.poll(() => socket.bufferedAmount).toBe(0);
    opened.peer.transport.destroy();
  });
});
