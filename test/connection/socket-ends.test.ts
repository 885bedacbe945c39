import { PassThrough, Duplex } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { closeBody, readFrames } from '../support/bytes.ts';
import { ROLES } from '../support/open-connection.ts';
import { type OpenSocket, makeSocket, openSocket } from '../support/open-socket.ts';

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

  it('takes no Blob and no iterable once it is closing, and no text of a Blob', async () => {
    const each = await start();
    const { socket } = each;
    expect(await socket.sendText(new Blob(['é']))).toBe(true);
    expect((await each.frame()).payload.toString()).toBe('é');
    expect(await each.frame()).toMatchObject({ opcode: 0, fin: true });
    void socket.close(1000);
    const blob = new Blob(['late']);
    const answers = [socket.send(blob), socket.sendText(blob), socket.send(['late'])];
    expect(await Promise.all(answers)).toEqual([false, false, false]);
    expect((await each.frame()).opcode).toBe(8);
    expect([socket.bufferedAmount, each.peer.unread.length]).toEqual([0, 0]);
  });

  it('takes nothing more while its Close waits for a message that is under way', async () => {
    const each = await start();
    const { socket, peer } = each;
    const sent = socket.send(new Blob(['blob']));
    socket.send('waits');
    void socket.close(4000);
    expect([socket.readyState, socket.send('late'), socket.sendText('late')]).toEqual([
      2,
      false,
      false,
    ]);
    expect(socket.send(new PreparedMessage('late'))).toBe(false);
    const late = [socket.send(new Blob(['late'])), socket.send(['late'])];
    expect(await Promise.all(late)).toEqual([false, false]);
    expect(await sent).toBe(true);
    const frames = await peer.readFrames(4);
    expect(frames.map(({ opcode, payload }) => `${opcode} ${payload.toString('latin1')}`)).toEqual([
      '2 blob',
      '0 ',
      '1 waits',
      '8 \x0f\xa0',
    ]);
  });

  it('terminates where a Blob does not end within closeTimeout of close', async () => {
    const each = await start({ closeTimeout: 20 });
    const blob = new Blob(['never']);
    blob.slice = () => Object.assign(new Blob([]), { arrayBuffer: () => new Promise(() => {}) });
    const sent = each.socket.send(blob);
    expect(await each.socket.close(1000)).toEqual({ code: 1006, reason: '', wasClean: false });
    expect(await sent).toBe(false);
  });

  it('gives no bytes of one connection to another over a stream that keeps its chunks', async () => {
    const kept = new PassThrough();
    const stream = Duplex.from({ writable: kept, readable: new PassThrough() });
    const slow = makeSocket(role, stream);
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
