/** RFC 6455, sections 7.1.7, 7.2 and 7.3: failing a connection, losing it, and closing it at will. */
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../../src/errors.ts';
import { type RawFrame, closeBody, hex, maskedFrame, peerFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';
import { type OpenPair, openPair, startServer } from '../support/open-pair.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawListener, RawPeer } from '../support/raw-peer.ts';
import { connectThinly } from '../support/thin-client.ts';

const CLOSE: RawFrame = { opcode: 8, payload: closeBody(1000) };

describe('section 7.1.7, failing', () => {
  it.each(ROLES)('6455-7.1.7-01 %s: processes nothing behind what broke the rules', (role) => {
    const later: RawFrame[] = [
      { payload: 'never heard' },
      { opcode: 9, payload: 'never answered' },
      { opcode: 8, payload: closeBody(1000, 'never reported') },
      { opcode: 3 },
    ];
    const bad = peerFrame(role, { opcode: 0xb });
    const rest = Buffer.concat(later.map((frame) => peerFrame(role, frame)));
    for (const chunks of [
      [Buffer.concat([bad, rest])],
      [bad, rest],
      [bad, ...later.map((frame) => peerFrame(role, frame))],
    ]) {
      const open = new OpenConnection(role);
      for (const chunk of chunks) open.receive(chunk);
      open.connection.receiveEnd();
      open.connection.receiveTransportClose();
      expect(open.events).toEqual(['error WS_ERR_RESERVED_OPCODE', 'close 1006  unclean']);
      expect(open.sent().map(({ opcode }) => opcode)).toEqual([8]);
      expect(open.transport.ended).toBe(true);
    }
  });

  it.each(ROLES)(
    '6455-7.1.7-01 %s: ends TCP after it has failed, whatever the peer does',
    async (role) => {
      const { peer, log } = await openPair(role, { closeTimeout: 20 });
      const frames = [{ opcode: 3 }, { payload: 'never heard' }, CLOSE];
      await peer.write(Buffer.concat(frames.map((frame) => peerFrame(role, frame))));
      await peer.readFrames(1);
      expect(await peer.readToEnd()).toHaveLength(0);
      // The peer never ends its side.
      expect(await log.until('close')).toBe('close 1006  unclean');
      expect(log.entries).toEqual(['error WS_ERR_RESERVED_OPCODE', 'close 1006  unclean']);
    },
  );

  it.each(ROLES)('6455-7.1.7-02 %s: tells the peer why, before it closes', (role) => {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    const cases: [number, RawFrame[]][] = [
      [1002, [{ rsv: 1 }]],
      [1002, [{ opcode: 7 }]],
      [1002, [{ opcode: 0 }]],
      [1002, [{ fin: false }, { opcode: 2 }]],
      [1002, [{ opcode: 9, fin: false }]],
      [1002, [{ opcode: 8, payload: 'x' }]],
      [1002, [{ opcode: 8, payload: closeBody(999) }]],
      [1007, [{ payload: hex('ff') }]],
      [1008, [{ fin: false }, { fin: false, opcode: 0 }, { fin: false, opcode: 0 }]],
      [1009, [{ opcode: 2, payload: Buffer.alloc(1_001) }]],
    ];
    for (const [code, frames] of cases) {
      const open = new OpenConnection(role, { maxFragments: 2, maxPayload: 1_000 });
      open.receiveFrames(...frames);
      const [close, ...others] = open.sent();
      expect(others).toEqual([]);
      expect([close!.opcode, close!.payload.readUInt16BE(0)]).toEqual([8, code]);
      // The reason is for people: not empty, and valid UTF-8.
      expect(decoder.decode(close!.payload.subarray(2))).not.toBe('');
      expect(open.transport.calls.lastIndexOf('write')).toBeLessThan(
        open.transport.calls.indexOf('end'),
      );
    }
  });

  it.each(ROLES)(
    '6455-7.1.7-02 %s: lets the peer read why, though it goes on sending',
    async (role) => {
      const flood = Buffer.alloc(8 * 1024 * 1024);
      const broken: [number, Buffer][] = [
        [1002, Buffer.concat([peerFrame(role, { opcode: 3 }), flood])],
        [1009, peerFrame(role, { opcode: 2, payload: flood })],
      ];
      await Promise.all(
        broken.map(async ([code, wire]) => {
          const { peer, log } = await openPair(role);
          const sending = peer.write(wire);
          const [close] = await peer.readFrames(1);
          expect([close!.opcode, close!.payload.readUInt16BE(0)]).toEqual([8, code]);
          expect(await peer.readToEnd()).toHaveLength(0);
          await sending;
          peer.end();
          await Promise.all([peer.closed(), log.until('close')]);
        }),
      );
    },
  );

  it.each(ROLES)(
    '6455-7.1.7-02 %s: sends no second Close when it fails while it is closing',
    (role) => {
      const open = new OpenConnection(role);
      open.connection.close(4000);
      open.receiveFrames({ opcode: 3 });
      expect(open.sent().map(({ payload }) => payload)).toEqual([closeBody(4000)]);
      expect(open.transport.ended).toBe(true);
    },
  );

  it('6455-7.1.7-03 server: hands a typed error to whoever listens, and lives on without', async () => {
    const { server, port, accepted } = await startServer();
    const quiet = await RawPeer.connect(port);
    server.once('connection', (socket) => socket.removeAllListeners('error'));
    await quiet.write(rawRequest());
    await quiet.readHead();
    expect(accepted[0]!.socket.listenerCount('error')).toBe(0);
    const loud = await RawPeer.connect(port);
    await loud.write(rawRequest());
    await loud.readHead();
    for (const peer of [quiet, loud]) {
      await peer.write(maskedFrame({ payload: hex('c0 80') }));
      const [close] = await peer.readFrames(1);
      expect(close!.payload.subarray(0, 2)).toEqual(closeBody(1007));
    }
    const [error] = accepted[1]!.log.errors;
    expect(error).toBeInstanceOf(ProtocolError);
    expect(error).toMatchObject({ code: 'WS_ERR_INVALID_UTF8', closeCode: 1007 });
    expect(error!.message).toContain('UTF-8');
    // And the next one is served.
    const next = await RawPeer.connect(port);
    await next.write(rawRequest());
    expect((await next.readHead()).status).toBe(101);
  });
});

describe('sections 7.2 and 7.3', () => {
  it('6455-7.2-01 client: reports 1006 when the server is lost', async () => {
    const before: ((pair: OpenPair) => Promise<unknown>)[] = [
      async () => {},
      async ({ peer }) => await peer.write(peerFrame('client', { fin: false, payload: 'half a' })),
      async ({ peer }) => await peer.write(hex('82 7e ff')),
      async ({ socket, peer }) => {
        socket.send(Buffer.alloc(100_000));
        await peer.readFrames(1);
      },
      async ({ socket, peer }) => {
        void socket.close(1000);
        await peer.readFrames(1);
      },
    ];
    const reports = before.flatMap((act) =>
      ['end', 'reset'].map(async (how) => {
        const pair = await openPair('client');
        await act(pair);
        if (how === 'end') pair.peer.end();
        else pair.peer.reset();
        return await pair.log.until('close');
      }),
    );
    for (const report of await Promise.all(reports)) expect(report).toBe('close 1006  unclean');
  });

  it('6455-7.2-01 client: rejects when the server is lost before its answer', async () => {
    for (const how of ['end', 'reset']) {
      for (const sent of ['', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: web']) {
        const listener = await RawListener.listen();
        const opening = connectThinly(`ws://127.0.0.1:${listener.port}/`);
        const failed = expect(opening).rejects.toBeInstanceOf(Error);
        const peer = await listener.accept();
        await peer.readHead();
        await peer.write(sent);
        if (how === 'end') peer.end();
        else peer.reset();
        await failed;
      }
    }
  });

  it('6455-7.3-01 server: closes whenever it wants', async () => {
    const { server, port } = await startServer();
    server.once('connection', (socket) => void socket.close(4001, 'not you'));
    const first = await RawPeer.connect(port);
    await first.write(rawRequest());
    await first.readHead();
    const [early] = await first.readFrames(1);
    expect([early!.opcode, early!.payload]).toEqual([8, closeBody(4001, 'not you')]);

    server.once('connection', (socket) => {
      socket.on('message', () => void socket.close(1000));
    });
    const second = await RawPeer.connect(port);
    await second.write(rawRequest());
    await second.readHead();
    await second.write(maskedFrame({ payload: 'that is enough' }));
    const [later] = await second.readFrames(1);
    expect([later!.opcode, later!.payload]).toEqual([8, closeBody(1000)]);
  });

  it('6455-7.3-01 server: closes all its connections when it stops', async () => {
    const { server, port } = await startServer();
    const peers = await Promise.all(
      [1, 2, 3].map(async () => {
        const peer = await RawPeer.connect(port);
        await peer.write(rawRequest());
        await peer.readHead();
        return peer;
      }),
    );
    const stopped = server.shutdown();
    await Promise.all(
      peers.map(async (peer) => {
        const [close] = await peer.readFrames(1);
        expect([close!.opcode, close!.payload]).toEqual([8, closeBody(1001)]);
        await peer.write(maskedFrame({ opcode: 8, payload: closeBody(1001) }));
        expect(await peer.readToEnd()).toHaveLength(0);
        peer.end();
      }),
    );
    await stopped;
    expect(server.sockets.size).toBe(0);
    await expect(RawPeer.connect(port)).rejects.toThrow('ECONNREFUSED');
  });
});
