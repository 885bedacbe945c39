import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { binary, pong, text } from '../../src/conform/peer-event.ts';
import { OPCODE } from '../../src/conform/wire.ts';
import { bytesOf, openPeer } from '../support/conform-peer.ts';

const HELLO = { opcode: OPCODE.TEXT, payload: Buffer.from('Hello') };

describe('a peer under test', () => {
  it('is sent frames as they are, masked by a client', async () => {
    const { peer, other } = openPeer('client');
    await peer.send(HELLO);
    await peer.send([{ opcode: 3, rsv: 7 }, { opcode: 9 }]);
    const frames = await other.readFrames();
    expect(frames.map(({ opcode, rsv, isMasked }) => [opcode, rsv, isMasked])).toEqual([
      [1, 0, true],
      [3, 7, true],
      [9, 0, true],
    ]);
    expect(frames[0]?.payload.toString()).toBe('Hello');
    expect(other.writes).toHaveLength(2);
  });

  it('is sent frames unmasked by a server', async () => {
    const { peer, other } = openPeer('server');
    await peer.send(HELLO);
    expect(await other.readFrames()).toMatchObject([{ isMasked: false, payload: HELLO.payload }]);
  });

  it('is sent them frame by frame, or in writes of a size', async () => {
    const { peer, other } = openPeer('server');
    await peer.send([HELLO, HELLO], { isFrameWise: true });
    await peer.send([HELLO, HELLO], { size: 4 });
    await other.readFrames();
    expect(other.writes.map(({ length }) => length)).toEqual([7, 7, 4, 3, 4, 3]);
  });

  it('is sent bytes as single bytes, for which it has a little time', async () => {
    const { peer, other } = openPeer('server', {}, 1000);
    const sent = peer.send(HELLO, { size: 1 });
    other.stream.once('data', () => setImmediate(() => other.send({ opcode: 8 })));
    await sent;
    // It could close after the first of seven.
    expect(other.writes.filter(({ length }) => length === 1).length).toBeLessThan(7);
    const quick = openPeer('server', {}, 20);
    await quick.peer.send(HELLO, { size: 1 });
    await quick.other.readFrames();
    expect(quick.other.writes).toHaveLength(7);
  });

  it('is heard: messages, whole and in fragments, and Pongs', async () => {
    const { peer, other } = openPeer('client');
    other.send(
      HELLO,
      { opcode: 2, fin: false, payload: Buffer.from([1]) },
      { opcode: 10, payload: Buffer.from('pong') },
      { opcode: 0, payload: Buffer.from([2]) },
    );
    expect(await peer.until(() => peer.events.length === 3, 1)).toBe(true);
    expect(peer.events).toEqual([text('Hello'), pong('pong'), binary(Buffer.from([1, 2]))]);
  });

  it('is heard from the first byte on, which may have come with the handshake', () => {
    const { peer } = openPeer('client', { rest: bytesOf([HELLO], false) });
    expect(peer.events).toEqual([text('Hello')]);
  });

  it('gets a Pong for its Pings, until the connection is closing', async () => {
    const { peer, other } = openPeer('server');
    other.send({ opcode: 9, payload: Buffer.from('ping') });
    expect(await other.readFrames()).toMatchObject([{ opcode: 10, payload: Buffer.from('ping') }]);
    expect(peer.events).toEqual([]);
    peer.sendClose();
    other.send({ opcode: 9 });
    expect((await other.readFrames()).map(({ opcode }) => opcode)).toEqual([8]);
  });

  it('has its events taken one by one, in time', async () => {
    const { peer, other } = openPeer('client');
    const taken = peer.takeEvent(60);
    other.send(HELLO, { opcode: 10 });
    expect(await taken).toEqual(text('Hello'));
    expect(await peer.takeEvent(60)).toEqual(pong(''));
    expect(await peer.takeEvent(0.01)).toBeUndefined();
  });

  it('is waited for', async () => {
    const { peer, other } = openPeer('client');
    expect(await peer.pause(0.01, 'A')).toBe(true);
    expect(await peer.pause(0.01)).toBe(true);
    expect(peer.events).toEqual([{ kind: 'timeout', name: 'A' }]);
    const paused = peer.pause(60, 'B');
    other.send({ opcode: 8 });
    expect(await paused).toBe(false);
    expect(peer.events).toHaveLength(1);
    expect(peer.log.entries.map(({ meaning }) => meaning)).toContain('waits for 0.01 s (A)');
  });

  it('is not waited for when it is gone', async () => {
    const { peer, other } = openPeer('client');
    const waiting = peer.until(() => false, 60);
    const met = peer.until(() => !peer.isOpen, 60);
    other.stream.end();
    await peer.ended;
    expect(await waiting).toBe(false);
    expect(await met).toBe(true);
    expect(await peer.until(() => false, 60)).toBe(false);
  });

  it('has a log of all that', async () => {
    const { peer, other } = openPeer('server');
    await peer.send(HELLO);
    other.send({ opcode: 10 });
    other.stream.end();
    await once(other.stream, 'end');
    await peer.ended;
    expect(peer.log.entries.map(({ from, meaning }) => `${from}: ${meaning}`)).toEqual([
      'judge: text, 5 bytes: "Hello"',
      'peer: Pong, 0 bytes',
      'note: The peer ended TCP',
    ]);
    expect(peer.log.entries[0]?.header).toBe('8105');
  });

  it('may break TCP', async () => {
    const { peer, ours } = openPeer('client');
    ours.destroy(new Error('reset by peer'));
    expect(await peer.ended).toMatchObject({ wasClean: false, hasPeerClosed: false });
    expect(peer.log.entries.at(-1)?.meaning).toBe('TCP: reset by peer');
    await peer.send(HELLO);
  });
});

describe('a peer with an extension', () => {
  const coder = {
    encode: (payload: Buffer) => Promise.resolve(payload),
    decode: (payload: Buffer) =>
      payload.length > 0
        ? Promise.resolve(Buffer.from(payload.toString().toUpperCase()))
        : Promise.reject(new Error('Nothing to decode')),
    close: () => {
      closed++;
    },
  };
  let closed = 0;
  const coded = { ...HELLO, rsv: 4 };

  it('has its marked messages decoded, in order, and what is behind them waits', async () => {
    const { peer, other } = openPeer('client', { coder });
    other.send(coded, HELLO, coded, { opcode: 8 });
    await peer.until(() => !peer.isOpen, 1);
    expect(peer.events).toEqual([text('HELLO'), text('Hello'), text('HELLO')]);
    other.stream.end();
    expect(await peer.ended).toMatchObject({ wasClean: true, breach: undefined });
    expect(closed).toBe(1);
  });

  it('is heard to the end, also when TCP ends meanwhile', async () => {
    const { peer, other } = openPeer('server', { coder });
    other.send(coded, coded);
    other.stream.end();
    await peer.ended;
    expect(peer.events).toEqual([text('HELLO'), text('HELLO')]);
  });

  it('breaks the protocol by what cannot be decoded', async () => {
    const { peer, other } = openPeer('server', { coder });
    other.send({ opcode: 1, rsv: 4 }, HELLO);
    await peer.until(() => !peer.isOpen, 1);
    other.stream.end();
    expect((await peer.ended).breach).toBe('Nothing to decode');
    expect(peer.events).toEqual([]);
  });
});
