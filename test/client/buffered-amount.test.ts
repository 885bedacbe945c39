import { describe, expect, it, vi } from 'vitest';
import { rawFrame } from '../support/bytes.ts';
import { openWebSocket } from '../support/websocket-log.ts';

const LARGE = 8 * 1024 * 1024;

describe('bufferedAmount of a WebSocket', () => {
  it('is what was sent in this turn, without frames, even where it has left', async () => {
    const { websocket, peer } = await openWebSocket();
    expect(websocket.bufferedAmount).toBe(0);
    websocket.send('é');
    websocket.send(new Uint8Array(3));
    websocket.send(new DataView(new ArrayBuffer(10), 2, 4));
    expect(websocket.bufferedAmount).toBe(2 + 3 + 4);
    websocket.send(new Uint8Array(100_000));
    expect(websocket.bufferedAmount).toBe(9 + 100_000);
    websocket.send(new Blob(['12345']));
    expect(websocket.bufferedAmount).toBe(9 + 100_000 + 5);
    await peer.readFrames(6);
    await vi.waitFor(() => expect(websocket.bufferedAmount).toBe(0));
  });

  it('is still 0 after much has left', async () => {
    const { websocket, peer } = await openWebSocket();
    for (let i = 0; i < 5; i++) {
      websocket.send('message');
      expect(websocket.bufferedAmount).toBe(7);
      await peer.readFrames(1);
    }
    peer.end(rawFrame({ opcode: 8 }));
    await vi.waitFor(() => expect(websocket.readyState).toBe(3));
    expect(websocket.bufferedAmount).toBe(0);
  });

  it('falls as the peer reads', async () => {
    const { websocket, peer } = await openWebSocket({ maxBackpressure: 2 * LARGE });
    peer.transport.pause();
    websocket.send(new Uint8Array(LARGE));
    expect(websocket.bufferedAmount).toBe(LARGE);
    await new Promise((resolve) => setImmediate(resolve));
    // The kernel has some of it by now.
    const waiting = websocket.bufferedAmount;
    expect(waiting).toBeGreaterThan(0);
    expect(waiting).toBeLessThanOrEqual(LARGE);
    websocket.send('more');
    websocket.send('and more');
    expect(websocket.bufferedAmount).toBeGreaterThanOrEqual(waiting + 12);
    expect(websocket.bufferedAmount).toBeLessThanOrEqual(LARGE + 12);
    peer.transport.resume();
    await peer.readFrames(3);
    await vi.waitFor(() => expect(websocket.bufferedAmount).toBe(0));
  });

  it('keeps what was lost, and grows by what is lost after the end', async () => {
    const { websocket, peer, log } = await openWebSocket();
    peer.transport.pause();
    websocket.send(new Uint8Array(LARGE));
    await new Promise((resolve) => setImmediate(resolve));
    peer.transport.destroy();
    await log.until('close');
    expect(websocket.bufferedAmount).toBe(LARGE);
    websocket.send('late');
    websocket.send(new Blob(['later']));
    expect(websocket.bufferedAmount).toBe(LARGE + 9);
  });

  it('counts what is sent behind the Close, and nothing before it', async () => {
    const { websocket, peer, log } = await openWebSocket();
    websocket.send(new Uint8Array(LARGE));
    websocket.close();
    websocket.send('late');
    expect(websocket.bufferedAmount).toBe(LARGE + 4);
    const [, close] = await peer.readFrames(2);
    expect(close!.opcode).toBe(8);
    peer.end(rawFrame({ opcode: 8 }));
    expect(await log.until('close')).toBe('close 1005  clean 3');
    expect(websocket.bufferedAmount).toBe(4);
  });
});
