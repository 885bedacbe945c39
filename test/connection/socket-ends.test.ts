import { PassThrough, Duplex } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Socket } from '../../src/connection/socket.ts';
import { closeBody, readFrames } from '../support/bytes.ts';
import { ROLES } from '../support/open-connection.ts';
import { type OpenSocket, connectionOptions, openSocket } from '../support/open-socket.ts';

const mistake = new Error('a mistake of the application');
const open: OpenSocket[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(open.splice(0).map((each) => each.dispose()));
});

describe.each(ROLES)('a %s socket', (role) => {
  async function start(options: Parameters<typeof openSocket>[1] = {}): Promise<OpenSocket> {
    const each = await openSocket(role, options);
    open.push(each);
    return each;
  }

  it('tells an async listener for errors of one error, though it rejects', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const each = await start();
    const told = vi.fn((): unknown => Promise.reject(mistake));
    each.socket.on('error', told);
    await each.send({ opcode: 3 });
    expect((await each.frame()).payload.readUInt16BE()).toBe(1002);
    await vi.waitFor(() => expect(warn.mock.calls).toEqual([[mistake]]));
    expect(told).toHaveBeenCalledTimes(1);
  });

  it('answers a Ping by hand where autoPong is off', async () => {
    const each = await start({ autoPong: false });
    each.socket.on('ping', (payload) => each.socket.pong(payload));
    await each.send({ opcode: 9, payload: 'are you there' });
    const pong = await each.frame();
    expect([pong.opcode, pong.payload.toString()]).toEqual([10, 'are you there']);
  });

  it('hands out Pings and Pongs, from the moment on at which somebody listens', async () => {
    const each = await start();
    await each.send({ opcode: 9, payload: 'early' }, { opcode: 10, payload: 'early' });
    expect((await each.frame()).payload.toString()).toBe('early');
    const told: string[] = [];
    each.socket.on('ping', (payload) => told.push(`ping ${payload.toString()}`));
    each.socket.on('pong', (payload) => told.push(`pong ${payload.toString()}`));
    await each.send({ opcode: 10, payload: 'late' }, { opcode: 9, payload: 'late' });
    expect((await each.frame()).payload.toString()).toBe('late');
    expect(told).toEqual(['pong late', 'ping late']);
  });

  it('counts what was dropped', async () => {
    const each = await start({ backpressurePolicy: 'drop', maxBackpressure: 1 });
    expect(each.socket.dropped).toBe(0);
    each.near.cork();
    const large = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < 3; i++) each.socket.send(large);
    await vi.waitFor(() => expect(each.socket.dropped).toBe(2));
  });

  it('closes with the code that was asked for, though a listener for drain throws', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const each = await start({ highWaterMark: 0 });
    each.socket.on('drain', () => {
      throw mistake;
    });
    each.socket.on('message', () => {
      each.socket.send('an answer');
      each.socket.pause();
    });
    await each.send({ payload: 'one' });
    expect((await each.frame()).payload.toString()).toBe('an answer');
    expect(() => each.socket.close(4000)).not.toThrow();
    expect((await each.frame()).opcode).toBe(8);
    expect(warn.mock.calls).toEqual([[mistake]]);
  });

  it('throws for a code that must not be sent, and stays open', async () => {
    const each = await start();
    expect(() => each.socket.close(1005)).toThrow(RangeError);
    expect(each.socket.readyState).toBe(1);
  });

  it('gives no bytes of one connection to another over a stream that keeps its chunks', async () => {
    const kept = new PassThrough();
    const stream = Duplex.from({ writable: kept, readable: new PassThrough() });
    const head = Buffer.alloc(0);
    const slow = new Socket(role, stream, connectionOptions(), head);
    const each = await start({ mayOverwrite: true });
    slow.send('hello, A');
    await new Promise(setImmediate);
    each.socket.send('secret B');
    await each.frame();
    const bytes: unknown = kept.read();
    if (!(bytes instanceof Buffer)) throw new Error('nothing was written');
    expect(readFrames(bytes).map(({ payload }) => payload.toString())).toEqual(['hello, A']);
    stream.destroy();
  });

  it('ends with the close code of its peer where nobody listens', async () => {
    const each = await start();
    await each.send({ opcode: 8, payload: closeBody(4001) });
    expect((await each.frame()).payload).toEqual(closeBody(4001));
  });
});
