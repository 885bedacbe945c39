import { describe, expect, it } from 'vitest';
import { openPeer } from '../support/conform-peer.ts';

describe('the closing handshake with a peer', () => {
  it('that is a server: it ends TCP', async () => {
    const { peer, other } = openPeer('client');
    peer.sendClose();
    expect(peer.isOpen).toBe(false);
    expect(await other.readFrames()).toMatchObject([{ opcode: 8, payload: Buffer.from([3, 232]) }]);
    other.send({ opcode: 8, payload: Buffer.from('\u0003\u00e9bye', 'latin1') });
    other.stream.end();
    expect(await peer.ended).toEqual({
      isByJudge: true,
      isDroppedByJudge: false,
      wasClean: true,
      hasPeerClosed: true,
      peerCode: 1001,
      peerReason: 'bye',
      judgeCode: 1000,
      breach: undefined,
      isWithinMessage: false,
    });
  });

  it('that is a client: the judge ends TCP', async () => {
    const { peer, other } = openPeer('server');
    peer.sendClose(1001);
    other.send({ opcode: 8 });
    await other.readFrames();
    expect(other.hasEnded).toBe(true);
    other.stream.end();
    expect(await peer.ended).toMatchObject({
      isByJudge: true,
      wasClean: true,
      peerCode: undefined,
      judgeCode: 1001,
    });
  });

  it('that begins it: its code comes back', async () => {
    const { peer, other } = openPeer('client');
    other.send({ opcode: 8, payload: Buffer.from('\u0003\u00eabecause', 'latin1') });
    expect(await other.readFrames()).toMatchObject([{ opcode: 8, payload: Buffer.from([3, 234]) }]);
    peer.sendClose();
    expect(await other.readFrames()).toEqual([]);
    other.stream.end();
    expect(await peer.ended).toMatchObject({
      isByJudge: false,
      wasClean: true,
      peerCode: 1002,
      peerReason: 'because',
      judgeCode: 1002,
    });
  });

  it('is not begun again by another Close frame', async () => {
    const { peer, other } = openPeer('client');
    peer.sendCloseFrame(Buffer.from('a'));
    peer.sendCloseFrame(Buffer.alloc(0));
    expect((await other.readFrames()).map(({ payload }) => payload.length)).toEqual([1, 0]);
    other.stream.end();
    expect(await peer.ended).toMatchObject({
      isByJudge: true,
      wasClean: false,
      hasPeerClosed: false,
      judgeCode: undefined,
    });
  });

  it.each(['client', 'server'] as const)(
    'has an end for a %s whose peer is silent',
    async (role) => {
      const { peer } = openPeer(role, {}, 2);
      peer.sendClose();
      expect(await peer.ended).toMatchObject({
        isByJudge: true,
        isDroppedByJudge: true,
        wasClean: false,
        hasPeerClosed: false,
      });
      expect(peer.log.entries.at(-1)?.meaning).toBe(
        'drops TCP: The peer did not answer the Close frame',
      );
    },
  );

  it('has an end where a server does not end TCP, which is not clean', async () => {
    const { peer, other } = openPeer('client', {}, 2);
    peer.sendClose();
    other.send({ opcode: 8 });
    expect(await peer.ended).toMatchObject({ isDroppedByJudge: true, wasClean: false });
    expect(peer.log.entries.at(-1)?.meaning).toBe('drops TCP: The peer did not end TCP');
  });

  it('has an end where a client does not end TCP, which need not', async () => {
    const { peer, other } = openPeer('server', {}, 2);
    peer.sendClose();
    other.send({ opcode: 8 });
    expect(await peer.ended).toMatchObject({ isDroppedByJudge: true, wasClean: true });
  });
});

describe('dropping a peer', () => {
  it('ends TCP at once', async () => {
    const { peer } = openPeer('client');
    peer.drop('enough');
    expect(await peer.ended).toMatchObject({ isDroppedByJudge: true, isByJudge: false });
    expect(peer.log.entries).toMatchObject([{ from: 'note', meaning: 'drops TCP: enough' }]);
  });

  it('does nothing when it is over', async () => {
    const { peer, other } = openPeer('client');
    other.stream.end();
    expect(await peer.ended).toMatchObject({ isDroppedByJudge: false });
    peer.drop('too late');
    expect(peer.log.entries.map(({ meaning }) => meaning)).toEqual(['The peer ended TCP']);
  });
});

describe('a peer that breaks the protocol', () => {
  it.each([
    [{ opcode: 3 }, 'Opcode 3 is reserved'],
    [{ opcode: 1, payload: Buffer.from([0xff]) }, 'A text message is not UTF-8'],
    [{ opcode: 8, payload: Buffer.from('a') }, 'half a code'],
    [{ opcode: 0 }, 'no message to continue'],
  ] as const)('by %j is failed, and not heard any more', async (frame, sentence) => {
    const { peer, other } = openPeer('client');
    other.send(frame, { opcode: 10 }, { opcode: 10 });
    expect(await other.readFrames()).toMatchObject([{ opcode: 8 }]);
    other.stream.end();
    const ending = await peer.ended;
    expect(ending.breach).toContain(sentence);
    expect(ending.isDroppedByJudge).toBe(true);
    expect(peer.events.filter(({ kind }) => kind === 'pong')).toEqual([]);
  });

  it('after its Close frame is seen as well', async () => {
    const { peer, other } = openPeer('client');
    peer.sendClose();
    other.send({ opcode: 8 }, { opcode: 8 });
    other.stream.end();
    expect((await peer.ended).breach).toContain('after the Close frame');
  });

  it('by a length that nobody could want is failed at once', async () => {
    const { peer, other } = openPeer('client');
    other.stream.write(Buffer.from('827f7fffffffffffffff', 'hex'));
    other.stream.end();
    expect((await peer.ended).breach).toContain('A frame that says it has');
  });

  it('does not live on if it does not end TCP', async () => {
    const { peer, other } = openPeer('client', {}, 2);
    other.send({ opcode: 3 });
    expect(await peer.ended).toMatchObject({ isDroppedByJudge: true });
  });
});
