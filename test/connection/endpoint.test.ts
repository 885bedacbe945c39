import type { EventEmitter } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { SocketHooks } from '../../src/connection/socket-events.ts';
import { type Socket, endpointOf } from '../../src/connection/socket.ts';
import { ProtocolError } from '../../src/errors.ts';
import { closeBody, peerFrame } from '../support/bytes.ts';
import { Gate, openLive, turns } from '../support/live-socket.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { ROLES } from '../support/open-connection.ts';
import { makeSocket } from '../support/open-socket.ts';

type Hooks = SocketHooks<Socket<undefined>>;

/** Hooks that write down how they were called. */
function recordingHooks(told: unknown[][]): Hooks {
  return {
    open: (...values) => void told.push(['open', ...values]),
    message: (...values) => void told.push(['message', ...values]),
    ping: (...values) => void told.push(['ping', ...values]),
    pong: (...values) => void told.push(['pong', ...values]),
    drain: (...values) => void told.push(['drain', ...values]),
    error: (...values) => void told.push(['error', ...values]),
    close: (...values) => void told.push(['close', ...values]),
  };
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(ROLES)('the endpoint of a %s', (role) => {
  it('calls each hook with the socket and what the event of that name has', async () => {
    const told: unknown[][] = [];
    const live = await openLive(role, { hooks: recordingHooks(told) });
    const { socket } = live;
    await live.send(
      { payload: 'text' },
      { opcode: 9, payload: 'ping' },
      { opcode: 10, payload: 'pong' },
    );
    await live.readAll();
    await live.closeByPeer(4000, 'bye');
    expect(await live.closed).toEqual([4000, 'bye', true]);
    expect(told).toEqual([
      ['open', socket],
      ['message', socket, 'text', false],
      ['ping', socket, Buffer.from('ping')],
      ['pong', socket, Buffer.from('pong')],
      ['ping', socket, Buffer.from('all')],
      ['close', socket, 4000, 'bye', true],
    ]);
  });

  it('calls each hook before the listeners of its event', async () => {
    const order: string[] = [];
    const live = await openLive(role, {
      hooks: {
        ping: () => void order.push('hook ping'),
        pong: () => void order.push('hook pong'),
        drain: () => void order.push('hook drain'),
        error: () => void order.push('hook error'),
        close: () => void order.push('hook close'),
      },
    });
    live.socket.on('ping', () => void order.push('ping'));
    live.socket.on('pong', () => void order.push('pong'));
    live.socket.on('drain', () => void order.push('drain'));
    live.socket.on('error', () => void order.push('error'));
    live.socket.on('close', () => void order.push('close'));
    await live.fill();
    live.readOn();
    await live.socket.drained();
    await live.send({ opcode: 9 }, { opcode: 10 }, { opcode: 3 });
    await live.answerClose();
    await live.closed;
    expect(order).toEqual(
      ['drain', 'ping', 'pong', 'error', 'close'].flatMap((name) => [`hook ${name}`, name]),
    );
  });

  it('gives out payloads that stay as they are', async () => {
    const live = await openLive(role);
    const payloads: Buffer[] = [];
    live.socket.on('ping', (payload) => void payloads.push(payload));
    live.socket.on('pong', (payload) => void payloads.push(payload));
    const chunk = Buffer.concat([
      peerFrame(role, { opcode: 9, payload: 'ping' }),
      peerFrame(role, { opcode: 10, payload: 'pong' }),
    ]);
    live.near.emit('data', chunk);
    chunk.fill(0);
    expect(payloads.map(String)).toEqual(['ping', 'pong']);
  });

  it('gives out messages that stay as they are, and keep no chunk alive', async () => {
    const live = await openLive(role);
    const messages: Buffer[] = [];
    live.socket.on('message', (message) => {
      if (Buffer.isBuffer(message)) messages.push(message);
    });
    const chunk = Buffer.concat([
      peerFrame(role, { opcode: 2, payload: 'small' }),
      peerFrame(role, { opcode: 2, payload: Buffer.alloc(1000, 'x') }),
      // More than a small Buffer may keep of the pool of Node.
      Buffer.alloc(10 * 1020, peerFrame(role, { opcode: 10, payload: 'y'.repeat(100) })),
    ]);
    const read = Buffer.allocUnsafeSlow(chunk.length);
    chunk.copy(read);
    live.near.emit('data', read);
    expect(messages[0]!.toString()).toBe('small');
    expect(messages[0]!.buffer).not.toBe(read.buffer);
    expect(messages[1]!.equals(Buffer.alloc(1000, 'x'))).toBe(true);
  });

  it('gives out texts as strings, whatever they are made of', async () => {
    const live = await openLive(role);
    const got: unknown[] = [];
    live.socket.on('message', (message) => void got.push(message));
    await live.sendTexts('ASCII', 'Grüße, 世界 🌍', '', '\u0000\ufeff', 'é'.repeat(1000));
    await live.readAll();
    expect(got).toEqual(['ASCII', 'Grüße, 世界 🌍', '', '\u0000\ufeff', 'é'.repeat(1000)]);
  });

  it('gives pieces of its messages to whoever wants streams', async () => {
    const got: unknown[] = [];
    const live = await openLive(role);
    live.onStream(async (stream) => {
      for await (const piece of stream) got.push(piece);
    });
    await live.send({ payload: 'text' }, { opcode: 2, payload: 'bytes' });
    await live.readAll();
    expect(got).toEqual(['text', Buffer.from('bytes')]);
  });

  it('tells nobody of room that is there for fragments alone', async () => {
    const live = await openLive(role);
    const onDrain = vi.fn<() => void>();
    const gate = new Gate();
    let asked = 0;
    async function* parts(): AsyncGenerator<Buffer> {
      for (; asked < 30; asked++) yield Buffer.alloc(256 * 1024);
      await gate.passed;
    }
    live.stall();
    const sent = live.socket.send(parts());
    expect(live.socket.send(Buffer.alloc(100_000))).toBe(false);
    live.socket.on('drain', onDrain);
    live.readOn();
    // oxlint-disable-next-line no-unmodified-loop-condition -- the generator counts
    while (asked < 30) await turns(1);
    await turns();
    expect(onDrain).not.toHaveBeenCalled();
    gate.open();
    expect(await sent).toBe(true);
    await live.socket.drained();
    await turns();
    expect(onDrain).toHaveBeenCalledTimes(1);
  });

  it('asks no handler while the answers of the last one wait for the network', async () => {
    let handled = 0;
    const live = await openLive(role, {
      hooks: {
        async message(socket) {
          handled++;
          await turns(1);
          socket.send(Buffer.alloc(16 * 1024 * 1024));
        },
      },
    });
    live.stall();
    await live.sendTexts('1', '2');
    await turns(30);
    expect(handled).toBe(1);
    live.readOn();
    // oxlint-disable-next-line no-unmodified-loop-condition -- the hook counts
    while (handled < 2) await turns(1);
  });

  describe('before messages', () => {
    it('waits for the hook `open`, also where they came with the handshake', async () => {
      const gate = new Gate();
      const order: string[] = [];
      const live = await openLive(role, {
        hooks: {
          open: async (socket) => {
            order.push('begin open');
            socket.send('hello');
            await gate.passed;
            order.push('end open');
          },
          message: (_socket, message) => void order.push(message.toString()),
        },
        head: [{ payload: 'early' }],
      });
      live.socket.on('message', (message) => void order.push(`listener ${message.toString()}`));
      await live.sendTexts('late');
      expect(await live.texts(1)).toEqual(['hello']);
      // Control frames do not wait.
      await live.readAll();
      expect(order).toEqual(['begin open']);
      gate.open();
      await turns();
      expect(order.slice(1)).toEqual([
        'end open',
        'early',
        'listener early',
        'late',
        'listener late',
      ]);
    });

    it('lets the hook `open` close the socket', async () => {
      const message = vi.fn<() => void>();
      const live = await openLive(role, {
        hooks: { open: (socket) => void socket.close(4000), message },
        head: [{ payload: 'early' }],
      });
      expect((await live.answerClose()).payload).toEqual(closeBody(4000));
      expect(await live.closed).toEqual([4000, '', true]);
      expect(message).not.toHaveBeenCalled();
    });
  });

  describe('bytes behind the handshake', () => {
    it('are read before those that come later, before an end, a reset, and a close', async () => {
      const head = peerFrame(role, { payload: 'head' });
      for (const event of ['data', 'end', 'error', 'close'] as const) {
        const { stream } = memoryStream();
        const socket = makeSocket(role, stream, {}, head);
        const got: unknown[] = [];
        socket.on('message', (message) => void got.push(message));
        socket.on('close', (code) => void got.push(code));
        stream.emit(event, ...(event === 'data' ? [peerFrame(role, { payload: 'chunk' })] : []));
        const expected = {
          data: ['head', 'chunk'],
          end: ['head'],
          error: ['head'],
          close: ['head', 1006],
        };
        expect(got).toEqual(expected[event]);
        await turns();
        expect(got.filter((entry) => entry === 'head')).toHaveLength(1);
        socket.terminate();
      }
    });

    it('are not the bytes of whoever gave them', async () => {
      const head = peerFrame(role, { payload: 'head' });
      const { stream } = memoryStream();
      const socket = makeSocket(role, stream, {}, head);
      head.fill(0);
      const got: unknown[] = [];
      socket.on('message', (message) => void got.push(message));
      await turns();
      expect(got).toEqual(['head']);
      socket.terminate();
    });
  });

  describe('its owner', () => {
    it('is told that the transport is gone, once, before anybody else', async () => {
      const order: unknown[] = [];
      const live = await openLive(role, {
        owner: {
          onReleased: (socket: EventEmitter) => void order.push(['released', socket]),
          onUnheard() {},
        },
        hooks: { close: () => void order.push('close') },
      });
      void live.socket.closed.then(() => order.push('closed'));
      await live.closeByPeer(1000);
      await live.closed;
      await turns();
      expect(order).toEqual([['released', live.socket], 'close', 'closed']);
    });

    it('is told so at once, though a consumer is still busy', async () => {
      const gate = new Gate();
      const onReleased = vi.fn<() => void>();
      const live = await openLive(role, { owner: { onReleased, onUnheard() {} } });
      let isClosed = false;
      live.socket.on('close', () => (isClosed = true));
      live.onMessage(() => gate.passed);
      await live.sendTexts('1');
      await live.closeByPeer(1000);
      await live.peer.closed();
      while (onReleased.mock.calls.length === 0) await turns(1);
      expect(isClosed).toBe(false);
      gate.open();
      await live.closed;
      expect(onReleased).toHaveBeenCalledTimes(1);
    });

    it('is not told what the peer did wrong', async () => {
      const onUnheard = vi.fn<() => void>();
      const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
      const live = await openLive(role, { owner: { onReleased() {}, onUnheard } });
      const lonely = await openLive(role);
      for (const each of [live, lonely]) {
        await each.send({ opcode: 3 });
        await each.answerClose();
        await each.closed;
      }
      expect(onUnheard).not.toHaveBeenCalled();
      expect(warn).not.toHaveBeenCalled();
    });
  });

  it('knows how it ended', async () => {
    const live = await openLive(role);
    const endpoint = endpointOf(live.socket);
    expect([endpoint.result, endpoint.isOpen]).toEqual([null, true]);
    await live.closeByPeer(4000, 'why');
    await live.closed;
    expect(endpoint.result).toEqual({ code: 4000, reason: 'why', wasClean: true });
    expect(endpoint.isOpen).toBe(false);
  });

  it('tells an error of the peer with its codes', async () => {
    const live = await openLive(role);
    const told: Error[] = [];
    live.socket.on('error', (error) => void told.push(error));
    await live.send({ opcode: 3 });
    expect((await live.answerClose()).payload.readUInt16BE()).toBe(1002);
    await live.closed;
    expect(told).toHaveLength(1);
    expect(told[0]).toBeInstanceOf(ProtocolError);
    expect(told[0]).toMatchObject({ closeCode: 1002 });
  });

  it('ends with 1006 where its transport fails, and that is no error', async () => {
    const { stream } = memoryStream();
    const told: unknown[][] = [];
    const hooks = recordingHooks(told);
    const socket = makeSocket(role, stream, {}, Buffer.alloc(0), hooks);
    stream.destroy(new Error('ECONNRESET'));
    await turns();
    expect(told).toEqual([
      ['open', socket],
      ['close', socket, 1006, '', false],
    ]);
  });
});
