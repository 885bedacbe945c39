import { once } from 'node:events';
import { type IncomingMessage, createServer } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from '../../src/server/server.ts';
import { maskedFrame } from '../support/bytes.ts';
import { portOf } from '../support/loopback.ts';
import { listenLocally } from '../support/open-pair.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';

const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()));
});

async function listen(server: WebSocketServer): Promise<number> {
  ends.push(() => server.close());
  return await listenLocally(server);
}

describe('the server', () => {
  it('forgets a socket that ended, whatever its listeners were', async () => {
    const server = new WebSocketServer();
    server.on('connection', (socket) => socket.removeAllListeners());
    const port = await listen(server);
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest());
    expect((await peer.readHead()).status).toBe(101);
    expect(server.sockets.size).toBe(1);
    peer.end(maskedFrame({ opcode: 8 }));
    await peer.closed();
    await server.close();
    expect(server.sockets.size).toBe(0);
  });

  it('does not wait at its end for those it has refused', async () => {
    const server = new WebSocketServer({ closeTimeout: 2_000_000_000 });
    const port = await listen(server);
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest({ Host: null }));
    expect((await peer.readHead()).status).toBe(400);
    // This client never ends its side.
    await server.close();
    peer.transport.destroy();
  });

  it('goes on writing to a peer that has ended its side behind a message', async () => {
    const server = new WebSocketServer();
    server.on('connection', (socket) => {
      socket.on('message', (message) => socket.send(message));
    });
    const port = await listen(server);
    const peer = await RawPeer.connect(port);
    const large = Buffer.alloc(900_000, 'much');
    await peer.write(rawRequest());
    expect((await peer.readHead()).status).toBe(101);
    peer.transport.pause();
    peer.end(maskedFrame({ opcode: 2, payload: large }));
    peer.transport.resume();
    const [echo] = await peer.readFrames(1);
    expect(echo!.payload.equals(large)).toBe(true);
    await peer.readToEnd();
  });

  it('lives on when a peer of an http server resets while it is refused', async () => {
    const server = new WebSocketServer({ path: '/only-this' });
    const http = createServer();
    http.on('upgrade', (request: IncomingMessage, transport, head) => {
      void server.handleUpgrade(request, transport, head);
      expect(transport.listenerCount('error')).toBeGreaterThan(0);
      transport.emit('error', new Error('read ECONNRESET'));
      expect(transport.destroyed).toBe(true);
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    ends.push(() => new Promise((resolve) => http.close(resolve)));
    const peer = await RawPeer.connect(portOf(http));
    await peer.write(rawRequest());
    await peer.readToEnd();
    peer.transport.destroy();
  });

  it.each([
    ['a target that is too long', { maxTargetSize: 20 }, {}, 414],
    ['too many fields', { maxHeaderFields: 6 }, { 'X-One': '1', 'X-Two': '2' }, 431],
  ])('holds its own limits behind an http server: %s', async (_what, limits, extra, status) => {
    const server = new WebSocketServer(limits);
    const http = createServer();
    http.on('upgrade', (request: IncomingMessage, transport, head) => {
      request.url = status === 414 ? '/'.padEnd(21, 'x') : request.url;
      void server.handleUpgrade(request, transport, head);
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    ends.push(() => new Promise((resolve) => http.close(resolve)));
    const peer = await RawPeer.connect(portOf(http));
    await peer.write(rawRequest(extra));
    expect((await peer.readHead()).status).toBe(status);
    peer.end();
    await peer.closed();
  });
});
