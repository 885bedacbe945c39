/** RFC 6455, sections 7.1.1 to 7.1.6: the closing handshake, and the end of the transport. */
import { createServer as createTlsServer, connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type RawFrame, closeBody, hex, maskedFrame, peerFrame } from '../support/bytes.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';
import { openPair, startTlsServer } from '../support/open-pair.ts';
import { rawRequest, rawResponse } from '../support/raw-http.ts';
import { RawPeer, listenOn } from '../support/raw-peer.ts';
import { connectThinly } from '../support/thin-client.ts';
import { tap, tlsRecordTypes } from '../support/wiretap.ts';

const CLOSE: RawFrame = { opcode: 8, payload: closeBody(1000) };
/** In TLS 1.2 the type of a record can be seen from outside. */
const VISIBLE = { maxVersion: 'TLSv1.2' } as const;
const ALERT = 21;

describe('section 7.1.1, the end of TCP', () => {
  it.each(ROLES)('6455-7.1.1-01 %s: ends with FIN, and discards what still comes', async (role) => {
    const { peer, log } = await openPair(role);
    await peer.write(peerFrame(role, CLOSE));
    await peer.readFrames(1);
    // Far more than the kernel would keep: all of it is taken, and nothing answers with a reset.
    await peer.write(peerFrame(role, { opcode: 2, payload: Buffer.alloc(500_000) }));
    await peer.write(Buffer.alloc(16 * 1024 * 1024, 0xff));
    peer.end();
    expect(await peer.readToEnd()).toHaveLength(0);
    await peer.closed();
    expect(await log.until('close')).toBe('close 1000  clean');
    expect(log.entries).toHaveLength(1);
  });

  it.each(ROLES)(
    '6455-7.1.1-01 %s: ends with FIN after the Close that it asked for',
    async (role) => {
      const { socket, peer, log } = await openPair(role);
      void socket.close(4000);
      await peer.readFrames(1);
      await peer.write(peerFrame(role, { payload: 'on its way' }));
      await peer.write(peerFrame(role, { opcode: 8, payload: closeBody(4000) }));
      if (role === 'client') peer.end();
      expect(await peer.readToEnd()).toHaveLength(0);
      if (role === 'server') peer.end();
      await peer.closed();
      expect(await log.until('close')).toBe('close 4000  clean');
      expect(log.entries).toHaveLength(1);
    },
  );

  it('6455-7.1.1-01 server: ends TLS with its alert before TCP', async () => {
    const { port: tapped } = await startTlsServer(VISIBLE);
    const { port, fromServer } = await tap(tapped);
    const transport = connectTls({
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: CERTIFICATE,
    });
    onTestFinished(() => void transport.destroy());
    const peer = new RawPeer(transport);
    await peer.write(rawRequest());
    await peer.readHead();
    await peer.write(maskedFrame(CLOSE));
    await peer.readFrames(1);
    await peer.readToEnd();
    expect(tlsRecordTypes(fromServer()).at(-1)).toBe(ALERT);
  });

  it('6455-7.1.1-01 client: ends TLS with its alert before TCP', async () => {
    let accept: (peer: RawPeer) => void;
    const accepted = new Promise<RawPeer>((resolve) => (accept = resolve));
    const listener = createTlsServer({ key: KEY, cert: CERTIFICATE, ...VISIBLE }, (transport) => {
      accept(new RawPeer(transport));
    });
    const { port, fromClient } = await tap(await listenOn(listener));
    const opening = connectThinly(`wss://127.0.0.1:${port}/`);
    const peer = await accepted;
    const request = await peer.readHead();
    await peer.write(rawResponse(request.getAll('sec-websocket-key')[0]!));
    const { socket, log } = await opening;
    void socket.close(1000);
    await peer.readFrames(1);
    peer.end(peerFrame('client', CLOSE));
    expect(await log.until('close')).toBe('close 1000  clean');
    await peer.readToEnd();
    expect(tlsRecordTypes(fromClient()).at(-1)).toBe(ALERT);
  });

  it('6455-7.1.1-02 server: ends TCP before the client does, without being asked', async () => {
    const { peer, log } = await openPair('server', { closeTimeout: 60_000 });
    await peer.write(maskedFrame(CLOSE));
    const [close] = await peer.readFrames(1);
    expect(close!.opcode).toBe(8);
    expect(await peer.readToEnd()).toHaveLength(0);
    expect(log.entries).toEqual([]);
    peer.end();
    expect(await log.until('close')).toBe('close 1000  clean');
  });

  it('6455-7.1.1-02 server: ends TCP at once when its own Close is answered', async () => {
    const { socket, peer } = await openPair('server', { closeTimeout: 60_000 });
    void socket.close(1000);
    await peer.readFrames(1);
    expect(peer.hasEnded).toBe(false);
    await peer.write(maskedFrame(CLOSE));
    expect(await peer.readToEnd()).toHaveLength(0);
  });

  it('6455-7.1.1-03 client: waits for the FIN of the server until closeTimeout has passed', () => {
    const begin: ((open: OpenConnection) => void)[] = [
      // The server begins, the client begins, the server never answers.
      (open) => open.receiveFrames(CLOSE),
      (open) => {
        open.connection.close(1000);
        open.receiveFrames(CLOSE);
      },
      (open) => open.connection.close(1000),
    ];
    for (const act of begin) {
      const open = new OpenConnection('client', { closeTimeout: 5_000, pingInterval: 0 });
      const { connection, clock, transport } = open;
      act(open);
      connection.flush();
      expect(connection.deadline).toBe(clock.now() + 5_000);
      clock.advance(4_999);
      connection.tick();
      expect([transport.ended, transport.destroyed]).toEqual([false, false]);
      clock.advance(1);
      connection.tick();
      expect(transport.destroyed).toBe(true);
    }
  });

  it('6455-7.1.1-03 client: does not let the server put off the end', () => {
    const open = new OpenConnection('client', { closeTimeout: 5_000, pingInterval: 0 });
    open.connection.close(1000);
    for (let i = 0; i < 5; i++) {
      open.clock.advance(1_000);
      open.connection.tick();
      open.receiveFrames({ opcode: 9 }, { payload: 'wait!' }, { opcode: 10 });
    }
    open.connection.tick();
    expect(open.transport.destroyed).toBe(true);
  });

  it('6455-7.1.1-03 client: leaves a server that answers its Close with nothing', async () => {
    const { socket, peer, log } = await openPair('client', { closeTimeout: 20 });
    void socket.close(1000);
    expect(await log.until('close')).toBe('close 1006  unclean');
    const [close] = await peer.readFrames(1);
    expect(close!.payload).toEqual(closeBody(1000));
    await peer.readToLeave();
  });
});

describe('section 7.1.2, the closing handshake', () => {
  it('6455-7.1.2-01 server: sends a Close with code and reason', () => {
    const open = new OpenConnection('server');
    open.connection.close(4000, 'r');
    open.connection.flush();
    expect(open.transport.wire).toEqual(hex('88 03 0f a0 72'));
    expect(open.connection.readyState).toBe(2);
  });

  it('6455-7.1.2-01 client: sends a Close with code and reason, masked', () => {
    const open = new OpenConnection('client');
    open.connection.close(4000, 'r');
    open.connection.flush();
    const { wire } = open.transport;
    expect(wire.subarray(0, 2)).toEqual(hex('88 83'));
    const body = [0x0f, 0xa0, 0x72].map((byte, i) => byte ^ wire[2 + i]!);
    expect([...wire.subarray(6)]).toEqual(body);
  });

  it.each(ROLES)(
    '6455-7.1.2-01 %s: sends its Close behind the messages that it has sent',
    async (role) => {
      const { socket, peer } = await openPair(role);
      socket.send('first');
      socket.send(Buffer.alloc(200_000));
      void socket.close(1000, 'done');
      const frames = await peer.readFrames(3);
      expect(frames.map(({ opcode }) => opcode)).toEqual([1, 2, 8]);
      expect(frames[2]!.payload).toEqual(closeBody(1000, 'done'));
    },
  );

  it.each(ROLES)('6455-7.1.2-02 %s: is closed when a Close was sent and received', (role) => {
    for (const weBegin of [true, false]) {
      const open = new OpenConnection(role);
      if (weBegin) open.connection.close(1000);
      expect(open.connection.readyState).toBe(weBegin ? 2 : 1);
      open.receiveFrames(CLOSE);
      expect(open.connection.readyState).toBe(2);
      if (role === 'client') open.connection.receiveEnd();
      expect(open.transport.ended).toBe(true);
      open.connection.receiveTransportClose();
      expect(open.connection.readyState).toBe(3);
      expect(open.events).toEqual(['close 1000  clean']);
    }
  });
});

describe('sections 7.1.5 and 7.1.6, code and reason', () => {
  /** Who ends it, and what is reported. */
  const ends: [string, string, (open: OpenConnection) => void][] = [
    ['1000', 'clean', (open) => open.receiveFrames(CLOSE)],
    ['1005', 'clean', (open) => open.receiveFrames({ opcode: 8 })],
    ['4999', 'clean', (open) => open.receiveFrames({ opcode: 8, payload: closeBody(4999) })],
    ['1006', 'unclean', (open) => open.connection.receiveEnd()],
    ['1006', 'unclean', () => {}],
    ['1006', 'unclean', (open) => open.receiveFrames({ opcode: 3 })],
    ['1006', 'unclean', (open) => open.receiveFrames({ opcode: 8, payload: closeBody(1005) })],
    ['1006', 'unclean', (open) => open.receiveFrames({ opcode: 3 }, CLOSE)],
    ['1006', 'unclean', (open) => open.connection.terminate()],
    ['1006', 'unclean', (open) => open.connection.close(4000)],
    [
      '1000',
      'clean',
      (open) => {
        open.connection.close(4000, 'ours');
        open.receiveFrames(CLOSE);
      },
    ],
    [
      '1005',
      'clean',
      (open) => {
        open.connection.close(4000, 'ours');
        open.receiveFrames({ opcode: 8 });
      },
    ],
    ['1000', 'clean', (open) => open.receiveFrames(CLOSE, { opcode: 8, payload: closeBody(4001) })],
    [
      '1000',
      'clean',
      (open) => {
        open.receiveFrames(CLOSE);
        open.connection.close(4002);
        open.connection.terminate();
      },
    ],
  ];

  it.each(ROLES)(
    '6455-7.1.5-01 %s: reports the code of the first Close that came, or why none did',
    (role) => {
      for (const [i, [code, how, end]] of ends.entries()) {
        const open = new OpenConnection(role);
        end(open);
        open.connection.receiveTransportClose();
        open.connection.receiveTransportClose();
        const closes = open.events.filter((event) => event.startsWith('close'));
        expect(closes, `case ${i}`).toEqual([`close ${code}  ${how}`]);
      }
    },
  );

  it.each(ROLES)(
    '6455-7.1.5-01 %s: reports what has happened to a real connection',
    async (role) => {
      const empty = await openPair(role);
      empty.peer.end(peerFrame(role, { opcode: 8 }));
      expect(await empty.log.until('close')).toBe('close 1005  clean');
      const fin = await openPair(role);
      fin.peer.end();
      expect(await fin.log.until('close')).toBe('close 1006  unclean');
      const reset = await openPair(role);
      reset.peer.reset();
      expect(await reset.log.until('close')).toBe('close 1006  unclean');
      const cut = await openPair(role);
      cut.peer.end(peerFrame(role, { opcode: 8, payload: closeBody(1000, 'cut') }).subarray(0, -1));
      expect(await cut.log.until('close')).toBe('close 1006  unclean');
    },
  );

  it.each(ROLES)(
    '6455-7.1.6-01 %s: reports the reason of the first Close that came, or none',
    (role) => {
      for (const reason of ['', 'bye', 'Tschüß 🌍', 'x'.repeat(123), 'a\0b', '\ufeffa']) {
        const open = new OpenConnection(role);
        const second = { opcode: 8, payload: closeBody(1000, 'second') };
        open.receiveFrames({ opcode: 8, payload: closeBody(1001, reason) }, second);
        open.connection.receiveTransportClose();
        expect(open.events).toEqual([`close 1001 ${reason} clean`]);
      }
      const asked = new OpenConnection(role);
      asked.connection.close(4000, 'our reason');
      asked.receiveFrames({ opcode: 8, payload: closeBody(4000, 'theirs') });
      asked.connection.receiveTransportClose();
      expect(asked.events).toEqual(['close 4000 theirs clean']);
    },
  );
});
