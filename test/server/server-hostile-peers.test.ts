import { once } from 'node:events';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { nextAccepted } from '../support/accepted.ts';
import { closeBody, maskedFrame } from '../support/bytes.ts';
import { startServer } from '../support/open-pair.ts';
import { RawHead, rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';

afterEach(() => void vi.useRealTimers());

const REQUEST = Buffer.from(rawRequest());

/** A handshake and a closing handshake: what a server that is well can do. */
async function expectService(port: number): Promise<void> {
  const peer = await RawPeer.connect(port);
  await peer.write(REQUEST);
  expect((await peer.readHead()).status).toBe(101);
  peer.end(maskedFrame({ opcode: 8 }));
  await peer.closed();
}

/** Connects, and waits until the server has the first bytes. */
async function begin(port: number, bytes: Uint8Array): Promise<RawPeer> {
  const accepted = nextAccepted();
  const peer = await RawPeer.connect(port);
  const transport = await accepted;
  if (bytes.length > 0) {
    const arrived = once(transport, 'data');
    await Promise.all([arrived, peer.write(bytes)]);
  }
  return peer;
}

describe('a peer that resets', () => {
  it('does no harm, whatever the server has read of its request', async () => {
    const { server, port, accepted } = await startServer();
    for (let cut = 0; cut <= REQUEST.length; cut++) {
      const peer = await begin(port, REQUEST.subarray(0, cut));
      peer.reset();
      await peer.readToLeave();
    }
    await expectService(port);
    expect(accepted.length).toBe(2);
    await accepted[0]!.log.until('close 1006');
    // Nothing is left that a close would have to wait for.
    await server.close();
    expect(server.sockets.size).toBe(0);
  });

  it('does no harm right behind its request, before the server has read it', async () => {
    const { server, port } = await startServer();
    for (let cut = 0; cut <= REQUEST.length; cut += 8) {
      const peer = await RawPeer.connect(port);
      peer.transport.write(REQUEST.subarray(0, cut));
      peer.reset();
      await peer.readToLeave();
    }
    await expectService(port);
    await server.close();
  });

  it('does no harm while it is refused', async () => {
    const { server, port } = await startServer();
    const peer = await begin(port, Buffer.from(rawRequest({ Upgrade: null })));
    peer.reset();
    await peer.readToLeave();
    await expectService(port);
    await server.close();
  });

  it('does no harm in the middle of a frame', async () => {
    const { port, accepted } = await startServer();
    const frame = maskedFrame({ opcode: 2, payload: Buffer.alloc(200) });
    const peer = await begin(port, Buffer.concat([REQUEST, frame, frame.subarray(0, 100)]));
    await accepted[0]!.log.until('binary');
    peer.reset();
    expect(await accepted[0]!.log.until('close')).toBe('close 1006  unclean');
    await expectService(port);
  });
});

describe('a peer that ends its direction early', () => {
  it('behind the request: is answered, and the connection ends without a Close', async () => {
    const { port, accepted } = await startServer();
    const peer = await RawPeer.connect(port);
    peer.end(REQUEST);
    expect((await peer.readHead()).status).toBe(101);
    expect(await peer.readToEnd()).toEqual(Buffer.alloc(0));
    await peer.closed();
    await accepted[0]!.log.until('close');
    expect(accepted[0]!.log.entries).toEqual(['close 1006  unclean']);
  });

  it('behind a message and a Close: gets the reply and a Close, cleanly', async () => {
    const { server, port, accepted } = await startServer();
    server.on('connection', (socket) => socket.on('message', (message) => socket.send(message)));
    const peer = await RawPeer.connect(port);
    peer.end(
      Buffer.concat([
        REQUEST,
        maskedFrame({ payload: 'last words' }),
        maskedFrame({ opcode: 8, payload: closeBody(1000) }),
      ]),
    );
    await peer.readHead();
    const [reply, close] = await peer.readFrames(2);
    expect(reply!.payload.toString()).toBe('last words');
    expect([close!.opcode, close!.payload]).toEqual([8, closeBody(1000)]);
    await peer.readToEnd();
    await peer.closed();
    await accepted[0]!.log.until('close');
    expect(accepted[0]!.log.entries).toEqual(['text last words', 'close 1000  clean']);
  });

  it('behind a request that is refused: gets its answer', async () => {
    const { port } = await startServer({ path: '/chat' });
    const peer = await RawPeer.connect(port);
    peer.end(REQUEST);
    expect(new RawHead((await peer.readToEnd()).toString()).status).toBe(404);
    await peer.closed();
  });

  it('at once, or in the middle of its request: does no harm', async () => {
    const { server, port, accepted } = await startServer();
    for (let cut = 0; cut < REQUEST.length; cut += 16) {
      const peer = await RawPeer.connect(port);
      peer.end(REQUEST.subarray(0, cut));
      expect(await peer.readToEnd()).toEqual(Buffer.alloc(0));
    }
    expect(accepted).toEqual([]);
    await server.close();
  });
});

describe('a peer that does not go', () => {
  it('after it was refused is cut off, closeTimeout later', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { port } = await startServer({ path: '/chat', closeTimeout: 4_000 });
    const accepted = nextAccepted();
    const peer = await RawPeer.connect(port);
    const transport = await accepted;
    await peer.write(REQUEST);
    await peer.readToEnd();
    vi.advanceTimersByTime(3_999);
    expect(transport.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    expect(transport.destroyed).toBe(true);
  });

  it('and says nothing gets 408 after ten seconds, and is cut off ten seconds later', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { port } = await startServer();
    const accepted = nextAccepted();
    const peer = await RawPeer.connect(port);
    const transport = await accepted;
    vi.advanceTimersByTime(9_999);
    expect(transport.writableEnded).toBe(false);
    vi.advanceTimersByTime(1);
    expect(new RawHead((await peer.readToEnd()).toString()).status).toBe(408);
    // The rest of its request comes too late to be answered again.
    await peer.write(REQUEST);
    vi.advanceTimersByTime(10_000);
    expect(transport.destroyed).toBe(true);
  });

  it('leaves no timer behind once the server is closed', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { server, port } = await startServer();
    const silent = await begin(port, Buffer.alloc(0));
    const slow = await begin(port, REQUEST.subarray(0, 20));
    const open = await begin(port, REQUEST);
    await open.readHead();
    // One for those who are in their handshake, and one for who is open.
    expect(vi.getTimerCount()).toBe(2);
    const closed = server.close();
    open.end(maskedFrame({ opcode: 8 }));
    await Promise.all([closed, silent.readToEnd(), slow.readToEnd()]);
    // The listener ends with its last transport, and each of those tells so a moment later.
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a peer that speaks something else', () => {
  it('is answered with an HTTP refusal or cut off, and the server goes on', async () => {
    const { server, port } = await startServer();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
        const peer = await RawPeer.connect(port);
        peer.end(bytes);
        const answer = (await peer.readToEnd()).toString('latin1');
        await peer.readToLeave();
        expect(answer).toMatch(/^(?:|HTTP\/1\.1 4\d\d [^]*\n)$/);
      }),
      { numRuns: 60 },
    );
    await expectService(port);
    await server.close();
  });

  it('is answered as soon as its first byte cannot be HTTP', async () => {
    const { port } = await startServer();
    const peer = await RawPeer.connect(port);
    await peer.write(Buffer.of(0x16));
    expect(new RawHead((await peer.readToEnd()).toString()).status).toBe(400);
  });
});
