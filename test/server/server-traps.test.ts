import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocketServer as WsServer } from 'ws';
import { type ServerSocket, WebSocketServer, connect } from '../../src/index.ts';
import { closeBody, maskedFrame } from '../support/bytes.ts';
import {
  askFor,
  endWithTest,
  join,
  listenLocally,
  portOfServer,
  statusAt,
} from '../support/joined-peer.ts';
import { BuiltLibrary } from '../support/own-process.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';

let library: BuiltLibrary;
beforeAll(() => {
  library = new BuiltLibrary();
});
afterAll(() => library.remove());

/** What everybody writes first. Nobody listens for errors. */
const ECHO = `
  import { WebSocketServer } from 'tautline';
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handshakeTimeout: 5000 });
  server.on('connection', (socket) => {
    socket.on('message', (message) => socket.send(message));
  });
  server.on('listening', () => console.log(server.address().port));
`;

async function expectEcho(port: number): Promise<void> {
  const peer = await join(port);
  await peer.write(maskedFrame({ payload: 'do you live?' }));
  expect((await peer.readFrames(1))[0]!.payload.toString()).toBe('do you live?');
  peer.reset();
}

/** A server with one client, and what is sent to that. */
async function joinOne(): Promise<{ socket: ServerSocket; peer: RawPeer }> {
  const server = new WebSocketServer({ closeTimeout: 200 });
  const opened = once(server, 'connection');
  const peer = await join(await listenLocally(server));
  const [socket]: ServerSocket[] = await opened;
  return { socket: socket!, peer };
}

describe('no trap:', () => {
  it('the echo server of every tutorial is five lines', async () => {
    const server = new WebSocketServer({ port: 0 });
    server.on('connection', (socket) => {
      socket.on('message', (message) => socket.send(message));
    });

    endWithTest(server);
    await once(server, 'listening');
    const client = await connect(`ws://127.0.0.1:${portOfServer(server)}/`);
    client.send('text');
    client.send(Buffer.from('bytes'));
    const echoed: unknown[] = [];
    for await (const message of client) {
      // A text comes as a string, and a binary as bytes: nothing to convert.
      if (echoed.push(message) === 2) break;
    }
    expect(echoed).toEqual(['text', Buffer.from('bytes')]);
    expect(await client.close(1000)).toMatchObject({ code: 1000, wasClean: true });
  });

  it('CVE-2022-21676, engine.io: a bad frame ends its own connection, and no process that listens for no errors', async () => {
    const program = await library.run(ECHO);
    for (const bad of [
      maskedFrame({ rsv: 7 }),
      maskedFrame({ opcode: 3 }),
      maskedFrame({ payload: Buffer.from([0xff]) }),
      maskedFrame({ opcode: 8, payload: closeBody(1005) }),
      Buffer.from('8105', 'hex'),
      Buffer.from('82ff7fffffffffffffff', 'hex'),
      Buffer.alloc(1000, 0xff),
    ]) {
      const peer = await join(program.port);
      await peer.write(bad);
      await peer.readToLeave();
      peer.transport.destroy();
      await expectEcho(program.port);
    }
    expect(await program.stop()).toBe('SIGTERM: ');
  });

  it('CVE-2022-41940, engine.io, websocket 1.0.35: a reset at any moment of the handshake ends no process', async () => {
    const program = await library.run(`
      import { WebSocketServer } from 'tautline';
      const server = new WebSocketServer({ handshakeTimeout: 5000 });
      server.route('/later', {
        upgrade: () => new Promise((resolve) => setTimeout(resolve, 5)),
        open: (socket) => socket.send('hello'),
      });
      server.route('/', { message: (socket, message) => socket.send(message) });
      await server.listen(0, '127.0.0.1');
      console.log(server.address().port);
    `);
    for (const path of ['/', '/later', '/nowhere']) {
      const request = rawRequest({}, `GET ${path} HTTP/1.1`);
      for (let size = 0; size <= request.length; size += size < request.length - 4 ? 3 : 1) {
        const peer = await RawPeer.connect(program.port);
        await peer.write(request.slice(0, size));
        peer.reset();
      }
      // And after the answer, at once or in the middle of what follows.
      for (const behind of ['', '\x81', '\x81\x85\x01\x02\x03\x04ab']) {
        const peer = await RawPeer.connect(program.port);
        await peer.write(Buffer.from(request + behind, 'latin1'));
        await peer.readHead();
        peer.reset();
      }
    }
    await expectEcho(program.port);
    expect(await program.stop()).toBe('SIGTERM: ');
  });

  it('a message that comes before its listener is not lost', async () => {
    const server = new WebSocketServer({ closeTimeout: 200 });
    const heard = new Promise<unknown[]>((resolve) => {
      server.on('connection', (socket) => {
        const messages: unknown[] = [];
        // As one that asks a database first.
        setTimeout(() => {
          socket.on('message', (message) => {
            if (messages.push(message) === 3) resolve(messages);
          });
        }, 30);
      });
    });
    const port = await listenLocally(server);
    const peer = await RawPeer.connect(port);
    await peer.write(
      Buffer.concat([Buffer.from(rawRequest()), maskedFrame({ payload: 'with the request' })]),
    );
    await peer.readHead();
    await peer.write(
      Buffer.concat([maskedFrame({ payload: 'at once' }), maskedFrame({ payload: 'and again' })]),
    );
    expect(await heard).toEqual(['with the request', 'at once', 'and again']);
  });

  it('two servers and a listener of somebody else share one http server', async () => {
    const http = createServer((_request, response) => response.end('a page'));
    const port = await listenOn(http);
    onTestFinished(() => http.closeAllConnections());
    for (const path of ['/one', '/two']) {
      endWithTest(new WebSocketServer({ server: http, path })).on('connection', (socket) => {
        socket.send(`at ${path}`);
      });
    }
    const ws = new WsServer({ noServer: true });
    http.on('upgrade', (request, transport, head) => {
      if (request.url !== '/ws') return;
      ws.handleUpgrade(request, transport, head, (socket) => socket.send('at /ws'));
    });
    for (const path of ['/two', '/ws', '/one']) {
      const peer = await join(port, path);
      expect((await peer.readFrames(1))[0]!.payload.toString()).toBe(`at ${path}`);
      peer.reset();
    }
    const page = await RawPeer.connect(port);
    await page.write('GET /one HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect((await page.readHead()).status).toBe(200);
  });

  it('a page of another origin is refused without a word from the application', async () => {
    const port = await listenLocally(new WebSocketServer({ closeTimeout: 200 }));
    const host = `localhost:${port}`;
    const ask = (Origin: string | null): Promise<number> =>
      statusAt(port, '/', { Host: host, Origin });
    expect(await ask('https://evil.example')).toBe(403);
    expect(await ask(`http://localhost.evil.example:${port}`)).toBe(403);
    expect(await ask('http://localhost:1')).toBe(403);
    expect(await ask('null')).toBe(403);
    expect(await ask(`http://${host}`)).toBe(101);
    // Not a browser.
    expect(await ask(null)).toBe(101);
  });

  const memory = Buffer.from('0123456789abcdef');
  const { buffer, byteOffset: at } = Uint8Array.from(memory);
  const shared = new SharedArrayBuffer(6);
  new Uint8Array(shared).set(memory.subarray(0, 6));
  it.each<[string, ArrayBuffer | SharedArrayBuffer | ArrayBufferView, string]>([
    ['a slice of a Buffer', memory.subarray(3, 6), '345'],
    ['a DataView', new DataView(buffer, at + 2, 5), '23456'],
    ['a Uint16Array', new Uint16Array(buffer, 2, 2), '2345'],
    ['a Float64Array', new Float64Array(buffer, 8, 1), '89abcdef'],
    ['a BigInt64Array', new BigInt64Array(buffer, 0, 1), '01234567'],
    ['an ArrayBuffer', buffer, '0123456789abcdef'],
    ['a SharedArrayBuffer', shared, '012345'],
    ['an empty view', new Uint32Array(0), ''],
  ])(
    'CVE-2026-45736, ws: ping() and close() send exactly the bytes of %s',
    async (_what, view, expected) => {
      const { socket, peer } = await joinOne();

      void Reflect.apply(socket.ping.bind(socket), undefined, [view]);
      socket.pong(expected);
      void Reflect.apply(socket.close.bind(socket), undefined, [1000, view]);
      const [ping, pong, close] = await peer.readFrames(3);
      expect([ping!.opcode, ping!.payload.toString()]).toEqual([9, expected]);
      expect(pong!.payload.toString()).toBe(expected);
      expect([close!.opcode, close!.payload]).toEqual([8, closeBody(1000, expected)]);
    },
  );

  it('a timer that sends to a peer that has left throws nothing, and rejects nothing unheard', async () => {
    const program = await library.run(`
      import { WebSocketServer } from 'tautline';
      const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
      server.on('connection', (socket) => {
        // A client that says 'bye' waits for the end of this. Nobody ever stops the timer.
        setInterval(() => {
          socket.send('tick');
          socket.send(Buffer.alloc(10));
          socket.ping();
          socket.pong();
          socket.drained();
          socket.flushed();
          if (socket.readyState === 3) { socket.close(1000); socket.terminate(); }
        }, 1);
        socket.on('message', (message) => socket.send(message));
      });
      server.on('listening', () => console.log(server.address().port));
    `);
    const [left, reset] = [await join(program.port), await join(program.port)];
    await left.readFrames(2);
    await reset.readFrames(2);
    left.end(maskedFrame({ opcode: 8 }));
    reset.reset();
    await left.readToLeave();
    // By the time that others were served so often, the timers have fired many times.
    for (let i = 0; i < 30; i++) {
      const peer = await join(program.port);
      await peer.readFrames(3);
      peer.transport.destroy();
    }
    expect(await program.stop()).toBe('SIGTERM: ');
  });

  it('sending to a peer that has left answers false, in the same process as well', async () => {
    const { socket, peer } = await joinOne();
    peer.reset();
    await socket.closed;
    expect([socket.send('late'), socket.send(Buffer.from('late')), socket.pong()]).toEqual([
      false,
      false,
      false,
    ]);
    await expect(socket.ping()).rejects.toMatchObject({ name: 'ConnectionClosedError' });
    expect(await socket.close(1000)).toEqual({ code: 1006, reason: '', wasClean: false });
  });

  it('a request that is no WebSocket gets an answer, and does not hang', async () => {
    const port = await listenLocally(new WebSocketServer({ closeTimeout: 200 }));
    const peer = await RawPeer.connect(port);
    const head = await askFor(peer, '/', { Upgrade: null, Connection: null });
    expect([head.status, head.getAll('upgrade')]).toEqual([426, ['websocket']]);
  });
});
