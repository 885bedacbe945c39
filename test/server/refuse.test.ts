import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { refuse } from '../../src/server/refuse.ts';
import { connectPair } from '../support/loopback.ts';
import { RawPeer } from '../support/raw-peer.ts';

const ANSWER = 'HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nn\xe9';

afterEach(() => void vi.useRealTimers());

describe('refusing', () => {
  it('sends the answer whole, and ends', async () => {
    const { near, far } = await connectPair();
    const peer = new RawPeer(far);
    refuse(near, ANSWER, 10_000);
    expect((await peer.readToEnd()).toString('latin1')).toBe(ANSWER);
    peer.end();
    await Promise.all([once(near, 'close'), peer.closed()]);
  });

  it('reads and drops what the peer is still sending, so that no reset destroys the answer', async () => {
    const { near, far } = await connectPair();
    const peer = new RawPeer(far);
    far.pause();
    await peer.write('the beginning');
    refuse(near, ANSWER, 10_000);
    await peer.write(Buffer.alloc(1024 * 1024));
    far.resume();
    expect((await peer.readToEnd()).toString('latin1')).toBe(ANSWER);
    peer.end('and the end');
    await Promise.all([once(near, 'close'), peer.closed()]);
    expect(near.bytesRead).toBe('the beginning'.length + 1024 * 1024 + 'and the end'.length);
  });

  it('destroys the transport of a peer that does not end, once its time is over', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { near, far } = await connectPair();
    const peer = new RawPeer(far);
    refuse(near, ANSWER, 700);
    await peer.readToEnd();
    await peer.write('more, and more');
    vi.advanceTimersByTime(699);
    expect(near.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    expect(near.destroyed).toBe(true);
    far.destroy();
  });

  it('destroys the transport of a peer that does not read, once its time is over', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const stream = new Duplex({ read() {}, write() {} });
    refuse(stream, ANSWER, 700);
    vi.advanceTimersByTime(699);
    expect(stream.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    expect(stream.destroyed).toBe(true);
  });

  it('leaves no timer behind when the transport closes, by a reset too', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { near, far } = await connectPair();
    near.on('error', () => near.destroy());
    const closed = new Promise<void>((resolve) => {
      near.once('close', () => resolve());
    });
    refuse(near, ANSWER, 700);
    expect(vi.getTimerCount()).toBe(1);
    far.resetAndDestroy();
    await closed;
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves no timer behind for a transport that had closed already', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { near, far } = await connectPair();
    far.destroy();
    near.on('error', () => near.destroy());
    near.destroy();
    await once(near, 'close');
    refuse(near, ANSWER, 700);
    expect(vi.getTimerCount()).toBe(0);
  });
});
