import { Readable } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { endpointOf } from '../../src/connection/socket.ts';
import { closeBody } from '../support/bytes.ts';
import { Gate, type LiveSocket, openLive, turns } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

const MIB = 1024 * 1024;

/** More than any kernel takes for a peer that does not read. */
const LARGE = new Blob([Buffer.alloc(24 * MIB)]);

/** A socket that is sending a Blob, which it was told to close behind. */
async function leave(live: LiveSocket, blob: Blob): Promise<{ sent: Promise<boolean> }> {
  const sent = live.socket.send(blob);
  void live.socket.close(4000, 'behind it');
  await turns();
  return { sent };
}

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe.each(ROLES)('a %s that closes while a Blob is under way', (role) => {
  it('sends it to its end, and what was sent behind it, and then the Close', async () => {
    const live = await openLive(role);
    const { socket } = live;
    const sent = socket.send(new Blob([Buffer.alloc(MIB, 'b')]));
    socket.send('behind');
    const other = socket.send(new Blob(['another']));
    const ended = socket.close(4000, 'why');
    expect((await live.message()).payload.equals(Buffer.alloc(MIB, 'b'))).toBe(true);
    expect((await live.message()).payload.toString()).toBe('behind');
    expect((await live.message()).payload.toString()).toBe('another');
    expect((await live.answerClose()).payload).toEqual(closeBody(4000, 'why'));
    expect(await Promise.all([sent, other])).toEqual([true, true]);
    expect(await ended).toEqual({ code: 4000, reason: '', wasClean: true });
    expect(socket.dropped).toBe(0);
  });

  it('is closing at once: nothing is taken any more', async () => {
    const live = await openLive(role);
    const { socket } = live;
    const sent = socket.send(new Blob(['the Blob']));
    void socket.close(4000);
    expect([socket.readyState, endpointOf(socket).isLeaving]).toEqual([2, true]);
    const source = Readable.from(['late']);
    expect(socket.send('late')).toBe(false);
    expect(socket.sendText(Buffer.from('late'))).toBe(false);
    expect(socket.send(new PreparedMessage('late'))).toBe(false);
    expect(await socket.send(new Blob(['late']))).toBe(false);
    expect(await socket.send(source)).toBe(false);
    expect(source.destroyed).toBe(true);
    expect(await sent).toBe(true);
    expect((await live.message()).payload.toString()).toBe('the Blob');
    expect((await live.frame()).opcode).toBe(8);
  });

  it('gives out no message any more, and answers Pings', async () => {
    const got: unknown[] = [];
    const live = await openLive(role);
    live.socket.on('message', (message) => void got.push(message));
    live.stall();
    const { sent } = await leave(live, LARGE);
    await live.sendTexts('late');
    await live.send({ opcode: 9, payload: 'ping' });
    live.readOn();
    expect(await sent).toBe(true);
    let pongs = 0;
    for (;;) {
      const { opcode } = await live.frame();
      if (opcode === 10) pongs++;
      if (opcode === 8) break;
    }
    expect([got, pongs]).toEqual([[], 1]);
  });

  it('keeps to what was said first where it is closed again', async () => {
    const live = await openLive(role);
    const { sent } = await leave(live, new Blob(['the Blob']));
    const again = live.socket.close(4999);
    await live.message();
    expect((await live.answerClose()).payload).toEqual(closeBody(4000, 'behind it'));
    expect(await again).toMatchObject({ code: 4000 });
    expect(await sent).toBe(true);
  });

  it.each([
    ['the peer closes', (live: LiveSocket) => live.closeByPeer(4001), 4001],
    ['the peer resets', (live: LiveSocket) => live.peer.reset(), 1006],
    ['we terminate', (live: LiveSocket) => live.socket.terminate(), 1006],
  ])('ends without the rest when %s', async (_name, end, code) => {
    const live = await openLive(role);
    live.stall();
    const { sent } = await leave(live, LARGE);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await Promise.resolve(end(live));
    live.readOn();
    expect(await live.socket.closed).toMatchObject({ code });
    expect(await sent).toBe(false);
    expect(live.socket.bufferedAmount).toBe(0);
  });

  it('gives up after closeTimeout, and leaves no timer behind', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const live = await openLive(role, { options: { closeTimeout: 3000, pingInterval: 0 } });
    live.stall();
    const { sent } = await leave(live, LARGE);
    vi.advanceTimersByTime(2999);
    await turns();
    expect(live.near.destroyed).toBe(false);
    vi.advanceTimersByTime(1);
    expect(await live.closed).toEqual([1006, '', false]);
    expect(await sent).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves no timer behind where all goes well', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const live = await openLive(role, { options: { pingInterval: 0 } });
    await leave(live, new Blob(['the Blob']));
    await live.answerClose();
    await live.closed;
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe.each(ROLES)('a %s that closes while an iterable is under way', (role) => {
  it('leaves it where it is, with a Blob that waits behind it', async () => {
    const live = await openLive(role);
    const gate = new Gate();
    async function* pieces(): AsyncGenerator<string> {
      yield 'first';
      await gate.passed;
    }
    const sent = [live.socket.send(pieces()), live.socket.send(new Blob(['never']))];
    expect((await live.frame()).payload.toString()).toBe('first');
    void live.socket.close(4000);
    expect((await live.answerClose()).payload).toEqual(closeBody(4000));
    gate.open();
    expect(await Promise.all(sent)).toEqual([false, false]);
  });

  it('sends what stands before one that has not begun, and nothing behind it', async () => {
    const live = await openLive(role);
    const source = Readable.from(['never']);
    const sent = [live.socket.send(new Blob(['before'])), live.socket.send(source)];
    live.socket.send('behind');
    void live.socket.close(4000);
    expect((await live.message()).payload.toString()).toBe('before');
    expect((await live.answerClose()).payload).toEqual(closeBody(4000));
    expect([await Promise.all(sent), source.destroyed]).toEqual([[true, false], true]);
    expect(live.socket.dropped).toBe(1);
  });

  it('leaves one that began where another has just ended', async () => {
    const live = await openLive(role);
    const gate = new Gate();
    async function* pieces(): AsyncGenerator<string> {
      yield 'second';
      await gate.passed;
    }
    const sent = [live.socket.send(['first']), live.socket.send(pieces())];
    expect((await live.message()).payload.toString()).toBe('first');
    expect((await live.frame()).payload.toString()).toBe('second');
    void live.socket.close(4000);
    expect((await live.answerClose()).payload).toEqual(closeBody(4000));
    gate.open();
    expect(await Promise.all(sent)).toEqual([true, false]);
  });
});

describe.each(ROLES)('a %s that only ends its sending', (role) => {
  it('reads on until the peer closes, and tells how it ended', async () => {
    const live = await openLive(role);
    const got: unknown[] = [];
    live.socket.on('message', (message) => void got.push(message));
    expect(live.socket.send(new PreparedMessage('prepared'))).toBe(true);
    const ended = endpointOf(live.socket).endSending();
    expect(live.socket.readyState).toBe(2);
    expect(live.socket.send('late')).toBe(false);
    expect(await live.texts(1)).toEqual(['prepared']);
    expect((await live.frame()).payload).toEqual(closeBody(1000));
    await live.sendTexts('1', '2');
    await live.closeByPeer(1000);
    expect(await ended).toEqual({ code: 1000, reason: '', wasClean: true });
    await live.closed;
    expect(got).toEqual(['1', '2']);
  });

  it('waits for its peer for closeTimeout', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const live = await openLive(role, { options: { closeTimeout: 3000, pingInterval: 0 } });
    const ended = endpointOf(live.socket).endSending();
    vi.advanceTimersByTime(3000);
    expect(await ended).toEqual({ code: 1006, reason: '', wasClean: false });
    await live.closed;
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe.each(ROLES)('a %s that cannot go on', (role) => {
  it('ends alone where reading a chunk fails for want of memory', async () => {
    const told: Error[] = [];
    const live = await openLive(role);
    live.socket.on('error', (error) => void told.push(error));
    const failure = new RangeError('Invalid string length');
    vi.spyOn(endpointOf(live.socket).connection, 'receive').mockImplementationOnce(() => {
      throw failure;
    });
    await live.sendTexts('too long');
    expect((await live.frame()).payload).toEqual(closeBody(1011));
    expect(told).toEqual([failure]);
  });
});
