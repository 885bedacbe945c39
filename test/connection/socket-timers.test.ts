import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Role } from '../../src/connection/handler.ts';
import type { SocketOptions } from '../../src/connection/socket-options.ts';
import { closeBody } from '../support/bytes.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { ROLES } from '../support/open-connection.ts';
import { type OpenSocket, makeSocket, openSocket } from '../support/open-socket.ts';

const opened: OpenSocket[] = [];

async function open(role: Role, options: SocketOptions = {}): Promise<OpenSocket> {
  const side = await openSocket(role, options);
  opened.push(side);
  return side;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((side) => side.dispose()));
});

describe.each(ROLES)('the timers of a %s socket', (role) => {
  beforeEach(() => {
    // Not those of the network, which the runtime keeps apart.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });
  afterEach(() => void vi.useRealTimers());

  it('send a Ping every pingInterval, and measure the time until its Pong', async () => {
    const side = await open(role);
    vi.advanceTimersByTime(29_999);
    side.socket.send('no Ping before this');
    expect((await side.frame()).opcode).toBe(1);
    vi.advanceTimersByTime(1);
    const ping = await side.frame();
    expect(ping.opcode).toBe(9);
    vi.advanceTimersByTime(50);
    await Promise.all([side.next('pong'), side.send({ opcode: 10, payload: ping.payload })]);
    expect(side.socket.latency).toBe(50);
    vi.advanceTimersByTime(30_000 - 50);
    expect((await side.frame()).opcode).toBe(9);
  });

  it('give up a peer that is silent for pingTimeout after a Ping', async () => {
    const side = await open(role);
    const closed = side.next('close');
    vi.advanceTimersByTime(30_000);
    expect((await side.frame()).opcode).toBe(9);
    vi.advanceTimersByTime(9_999);
    expect(side.socket.readyState).toBe(1);
    vi.advanceTimersByTime(1);
    expect(side.near.destroyed).toBe(true);
    expect(await closed).toEqual([1006, '', false]);
  });

  it('destroy the transport closeTimeout after a Close that is not answered', async () => {
    const side = await open(role, { closeTimeout: 3_000 });
    const closed = side.next('close');
    void side.socket.close(1000);
    expect((await side.frame()).opcode).toBe(8);
    vi.advanceTimersByTime(2_999);
    expect(side.near.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    expect(side.near.destroyed).toBe(true);
    expect(await closed).toEqual([1006, '', false]);
  });

  it('destroy a transport that stays open after both have sent a Close', async () => {
    const side = await open(role, { closeTimeout: 3_000 });
    const closed = side.next('close');
    await side.send({ opcode: 8, payload: closeBody(1000) });
    expect((await side.frame()).opcode).toBe(8);
    vi.advanceTimersByTime(3_000);
    expect(await closed).toEqual([1000, '', true]);
  });

  it('are one at a time, and none once the socket has closed', async () => {
    const side = await open(role);
    expect(vi.getTimerCount()).toBe(1);
    void side.socket.close(1000);
    expect(vi.getTimerCount()).toBe(1);
    const closed = side.next('close');
    side.socket.terminate();
    await closed;
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are none while there is nothing to wait for', async () => {
    const side = await open(role, { pingInterval: 0 });
    side.socket.send('x');
    await side.frame();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('end a socket whose peer did not read, once closeTimeout is over', async () => {
    const side = await open(role, {
      pingInterval: 0,
      closeTimeout: 3_000,
      maxBackpressure: 100_000,
    });
    side.peer.transport.pause();
    const failed = side.next('error');
    const closed = side.next('close');
    while (side.socket.readyState === 1) {
      side.socket.send(Buffer.alloc(60_000));
      await new Promise(setImmediate);
    }
    expect((await failed)[0]).toMatchObject({ closeCode: 1013 });
    vi.advanceTimersByTime(3_000);
    expect(side.near.destroyed).toBe(true);
    expect(await closed).toEqual([1006, '', false]);
  });
});

describe('the timer of a socket', () => {
  it('does not keep the process alive', () => {
    const { stream } = memoryStream();
    const before = process.getActiveResourcesInfo();
    const socket = makeSocket('server', stream);
    expect(process.getActiveResourcesInfo()).toEqual(before);
    socket.terminate();
  });
});
