import { describe, expect, it } from 'vitest';
import * as tautline from '../src/index.ts';
import { rawRequest } from './support/raw-http.ts';
import { RawPeer } from './support/raw-peer.ts';

describe('the public face', () => {
  it('exports these names and no other', () => {
    expect(new Set(Object.keys(tautline))).toEqual(
      new Set(['CLOSE_CODE', 'HandshakeError', 'ProtocolError', 'WebSocketServer']),
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
    await server.listen(0, '127.0.0.1');
    const peer = await RawPeer.connect(server.address()!.port);
    await peer.write(rawRequest());
    const [socket, request]: [tautline.Socket, tautline.HandshakeRequest] = await opened;
    expect([socket.readyState, request.target]).toEqual([1, '/']);
    const closed = new Promise<tautline.SocketEvents['close']>((resolve) => {
      socket.once('close', (...values) => resolve(values));
    });
    socket.terminate();
    expect(await closed).toEqual([tautline.CLOSE_CODE.ABNORMAL_CLOSURE, '', false]);
    await server.close();
  });
});
