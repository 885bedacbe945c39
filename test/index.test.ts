import { describe, expect, it } from 'vitest';
import * as tautline from '../src/index.ts';
import { listenLocally } from './support/open-pair.ts';
import { rawRequest } from './support/raw-http.ts';
import { RawPeer } from './support/raw-peer.ts';

describe('the public face', () => {
  it('exports these names and no other', () => {
    expect(new Set(Object.keys(tautline))).toEqual(
      new Set([
        'CLOSE_CODE',
        'ConnectionClosedError',
        'HandshakeError',
        'PreparedMessage',
        'ProtocolError',
        'READY_STATE',
        'Socket',
        'WebSocket',
        'WebSocketServer',
        'connect',
        'next',
        'refuse',
      ]),
    );
  });

  it('exports the names of the close codes (RFC 6455, section 7.4.1)', () => {
    expect(tautline.CLOSE_CODE).toMatchObject({
      NORMAL_CLOSURE: 1000,
      GOING_AWAY: 1001,
      PROTOCOL_ERROR: 1002,
      ABNORMAL_CLOSURE: 1006,
      INTERNAL_ERROR: 1011,
    });
  });

  it('exports the errors, which tell what an application needs to know', () => {
    const broken = new tautline.ProtocolError('WS_ERR_SOMETHING', 1002, 'something is wrong');
    expect(broken).toBeInstanceOf(Error);
    expect(broken).toMatchObject({
      name: 'ProtocolError',
      code: 'WS_ERR_SOMETHING',
      closeCode: 1002,
      message: 'something is wrong',
    });
    const refused = new tautline.HandshakeError('WS_ERR_OTHER', 403, 'no', [['Allow', 'GET']]);
    expect(refused).toBeInstanceOf(Error);
    expect(refused).toMatchObject({
      name: 'HandshakeError',
      code: 'WS_ERR_OTHER',
      status: 403,
      message: 'no',
      headers: [['Allow', 'GET']],
    });
  });

  it('exports a server that can be made from its types alone', async () => {
    const options: tautline.WebSocketServerOptions = {
      origins: ((origin, host) =>
        origin === undefined && host !== '') satisfies tautline.OriginPolicy,
      backpressurePolicy: 'drop' satisfies tautline.BackpressurePolicy,
    };
    const server = new tautline.WebSocketServer(options);
    const opened = new Promise<tautline.WebSocketServerEvents['connection']>((resolve) => {
      server.on('connection', (...values) => resolve(values));
    });
    const peer = await RawPeer.connect(await listenLocally(server));
    await peer.write(rawRequest());
    const [socket, request]: [tautline.ServerSocket, tautline.UpgradeRequest] = await opened;
    expect([socket.readyState, request.url]).toEqual([tautline.READY_STATE.OPEN, '/']);
    const closed = new Promise<tautline.SocketEvents['close']>((resolve) => {
      socket.once('close', (...values) => resolve(values));
    });
    socket.terminate();
    expect(await closed).toEqual([tautline.CLOSE_CODE.ABNORMAL_CLOSURE, '', false]);
    const result: tautline.CloseResult = await socket.closed;
    expect(result).toEqual({ code: 1006, reason: '', wasClean: false });
    const ending: tautline.ShutdownOptions = { code: tautline.CLOSE_CODE.GOING_AWAY };
    expect(await server.shutdown(ending)).toEqual({
      closed: 0,
      terminated: 0,
    } satisfies tautline.ShutdownResult);
  });

  it('exports a server and a client that talk to each other', async () => {
    const server = new tautline.WebSocketServer();
    server.route('/rooms/:room', {
      upgrade: (request) =>
        request.params.room === 'closed' ? tautline.refuse(403) : { data: { seen: 0 } },
      message(socket, message) {
        socket.data.seen++;
        socket.send(`${socket.params.room} ${socket.data.seen}: ${String(message)}`);
      },
    });
    server.route('/rooms/:room', { upgrade: () => tautline.next() });
    const url = `ws://127.0.0.1:${await listenLocally(server)}/rooms`;
    await using socket = await tautline.connect(`${url}/7`);
    socket.send('hello');
    socket.send('again');
    const heard: tautline.Message[] = [];
    for await (const message of socket) {
      heard.push(message);
      if (heard.length === 2) break;
    }
    expect(heard).toEqual(['7 1: hello', '7 2: again']);
    const refused = tautline.connect(`${url}/closed`);
    await expect(refused).rejects.toBeInstanceOf(tautline.HandshakeError);
    await expect(refused).rejects.toMatchObject({ status: 403 });
    await Promise.all([socket.close(), server.close()]);
    await expect(socket.ping()).rejects.toBeInstanceOf(tautline.ConnectionClosedError);
  });

  it('exports the class of the browsers, event for event', async () => {
    const server = new tautline.WebSocketServer();
    server.on('connection', (socket) => {
      socket.on('message', (message) => socket.send(server.prepare(message)));
    });
    const client = new tautline.WebSocket(`ws://127.0.0.1:${await listenLocally(server)}/`);
    client.addEventListener('open', () => client.send('hello'));
    const data = await new Promise((resolve) => {
      client.addEventListener('message', (event) => resolve(event.data));
    });
    expect(data).toBe('hello');
    client.close();
    await server.close();
  });
});
