import { describe, expect, it } from 'vitest';
import type { MessageCoder } from '../../src/conform/extension.ts';
import { bytesOf, openPeer } from '../support/conform-peer.ts';

const MIB = 1024 * 1024;

/** Sends it again and again, for as long as somebody reads it. */
async function flood(other: ReturnType<typeof openPeer>['other'], bytes: Buffer): Promise<void> {
  const { stream } = other;
  while (!stream.destroyed && !other.hasEnded) {
    await new Promise<void>((resolve) => {
      stream.write(bytes, () => resolve());
      stream.once('close', resolve);
    });
  }
}

describe('a peer that sends without end', () => {
  it.each([
    ['fragments', { opcode: 0, fin: false, payload: Buffer.alloc(MIB) }, 1, 'A message of 65'],
    ['messages', { opcode: 2, payload: Buffer.alloc(MIB) }, 1, '129 messages and Pongs'],
    ['Pongs', { opcode: 10, payload: Buffer.alloc(100) }, 100, '1001 messages and Pongs'],
    ['Pings', { opcode: 9 }, 1000, 'More than 100000 Pings'],
  ] as const)('of %s is failed', async (_what, frame, times, sentence) => {
    const { peer, other } = openPeer('client', {}, 20);
    if (frame.opcode === 0) other.send({ ...frame, opcode: 2 });
    const frames = Array.from({ length: times }, () => frame);
    void flood(other, bytesOf(frames, false));
    expect((await peer.ended).breach).toContain(sentence);
  });

  it('waits while a message is decoded', async () => {
    let finish = (): void => {};
    const coder: MessageCoder = {
      encode: (payload) => Promise.resolve(payload),
      decode: (payload) =>
        new Promise((resolve) => {
          finish = () => resolve(payload);
        }),
      close: () => {},
    };
    const { peer, ours, other } = openPeer('client', { coder });
    other.send({ opcode: 2, rsv: 4 });
    const message = bytesOf([{ opcode: 2, payload: Buffer.alloc(32 * MIB) }], false);
    for (let count = 0; count < 3; count++) {
      await new Promise<void>((resolve) => {
        other.stream.write(message, () => resolve());
        setImmediate(resolve);
      });
    }
    expect(ours.isPaused()).toBe(true);
    expect(peer.events).toEqual([]);
    finish();
    await peer.until(() => peer.events.length === 4, 60);
    expect(ours.isPaused()).toBe(false);
    expect(peer.events).toHaveLength(4);
    expect(peer.compressedCount).toBe(1);
  });
});

describe('a peer that ends TCP and does not read', () => {
  it.each(['client', 'server'] as const)('is not waited for, as seen by a %s', async (role) => {
    const { peer, other } = openPeer(role, {}, 20);
    other.stream.pause();
    await peer.send({ opcode: 2, payload: Buffer.alloc(MIB) });
    other.stream.end();
    expect(await peer.ended).toMatchObject({ isDroppedByJudge: false, hasPeerClosed: false });
    expect(peer.log.entries.at(-1)?.meaning).toBe('drops TCP: The peer does not read any more');
  });
});

describe('a peer that does not end what it has begun', () => {
  it.each(['81', '817eff', '8101'])('breaks the protocol by %s after its Close', async (hex) => {
    const { peer, other } = openPeer('client');
    peer.sendClose();
    other.stream.write(Buffer.concat([bytesOf([{ opcode: 8 }], false), Buffer.from(hex, 'hex')]));
    other.stream.end();
    expect((await peer.ended).breach).toBe('Bytes came after the Close frame (section 5.5.1)');
  });

  it('may break off in a frame otherwise, and the case says what that is', async () => {
    const { peer, other } = openPeer('client');
    other.send({ opcode: 1, fin: false });
    other.stream.write(Buffer.from('81', 'hex'));
    other.stream.end();
    expect(await peer.ended).toMatchObject({ breach: undefined, isWithinMessage: true });
  });
});

describe('a bad Close', () => {
  it.each(['a', '\u0003\u00ed'])('of %j is answered with 1002', async (payload) => {
    const { peer, other } = openPeer('client');
    other.send({ opcode: 8, payload: Buffer.from(payload, 'latin1') });
    expect(await other.readFrames()).toMatchObject([{ opcode: 8, payload: Buffer.from([3, 234]) }]);
    other.stream.end();
    expect(await peer.ended).toMatchObject({ isByJudge: false, judgeCode: 1002 });
  });

  it('is not looked at any more behind a breach', async () => {
    const { peer, other } = openPeer('client', {}, 20);
    other.send({ opcode: 1, payload: Buffer.from([0xff]) });
    await peer.until(() => peer.events.length === 1, 60);
    other.send({ opcode: 1, payload: Buffer.from('late') });
    other.send({ opcode: 3 });
    expect((await peer.ended).breach).toContain('UTF-8');
    expect(peer.events).toHaveLength(1);
  });

  it('counts what came by its size, and no wait', async () => {
    const { peer, other } = openPeer('client', {}, 20);
    await peer.pause(0.01, 'a wait');
    other.send({ opcode: 1, payload: Buffer.from('message') });
    await peer.until(() => peer.events.length === 2, 60);
    expect(peer.events.map(({ kind }) => kind)).toEqual(['timeout', 'message']);
  });
});
