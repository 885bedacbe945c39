import { describe, expect, it } from 'vitest';
import { CASES } from '../../src/conform/cases/all.ts';
import { selectCases } from '../../src/conform/select.ts';
import { CALM, judge } from '../support/conform-judge.ts';
import { openPeer } from '../support/conform-peer.ts';

const HELLO = { opcode: 1, payload: Buffer.from('Hello') };
const PING = { opcode: 9, payload: Buffer.from('ping') };

describe('a frame in pieces', () => {
  it('has its end before a Ping is answered', async () => {
    const { peer, other } = openPeer('server');
    const sent = peer.send([HELLO, HELLO], { size: 1 });
    other.send(PING);
    other.stream.once('data', () => setImmediate(() => other.send(PING)));
    await sent;
    const frames = await other.readFrames();
    expect(frames.map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual([
      [1, 'Hello'],
      [10, 'ping'],
      [10, 'ping'],
      [1, 'Hello'],
    ]);
  });

  it('has its end before a Close is answered, and nothing comes after that', async () => {
    const { peer, other } = openPeer('server');
    const sent = peer.send([HELLO, HELLO], { size: 1 });
    other.send(PING, { opcode: 8 });
    await sent;
    const frames = await other.readFrames();
    expect(frames.map(({ opcode }) => opcode)).toEqual([1, 8]);
    expect(other.writes.filter(({ length }) => length === 1).length).toBeLessThan(7);
    expect(peer.log.entries.map(({ meaning }) => meaning)).toContainEqual(
      expect.stringMatching(/^sends the other \d bytes of the frame, to send a Close$/),
    );
  });

  it('has its end before the connection is failed', async () => {
    const { peer, other } = openPeer('client');
    const sent = peer.send(HELLO, { size: 1 });
    other.send({ opcode: 3 });
    await sent;
    expect(await other.readFrames()).toMatchObject([
      { opcode: 1, payload: HELLO.payload },
      { opcode: 8, payload: Buffer.from([3, 234]) },
    ]);
  });

  it('is not continued when the peer has ended TCP', async () => {
    const { peer, other } = openPeer('server');
    const sent = peer.send([HELLO, HELLO], { size: 1 });
    other.stream.end();
    await sent;
    expect(await other.readFrames()).toEqual([]);
    await peer.ended;
    expect(peer.log.entries.filter(({ from }) => from === 'judge')).toHaveLength(1);
  });

  it('is sent as a case wants it, and the log says when', async () => {
    const { peer, other } = openPeer('server');
    expect(peer.beginFrame(HELLO)).toBe(2);
    peer.sendPiece(3);
    other.send(PING);
    await other.readFrames();
    expect(other.writes.map(({ length }) => length)).toEqual([3]);
    peer.sendPiece(4);
    peer.sendPiece(4);
    expect((await other.readFrames()).map(({ opcode }) => opcode)).toEqual([1, 10]);
    expect(peer.log.entries.map(({ meaning }) => meaning)).toEqual([
      'text, 5 bytes: "Hello"',
      'sends 3 bytes of the frame',
      'Ping, 4 bytes: "ping"',
      'sends 4 bytes of the frame',
      'Pong, 4 bytes: "ping"',
    ]);
  });
});

describe.each(['server', 'client'] as const)('a %s that cuts what it sends', (tested) => {
  it.each(['1.1.2', '1.2.5', '2.4', '5.6', '7.3.4', '9.8.3', '10.1.1'])('passes %s', async (id) => {
    const [conformCase] = selectCases(CASES, id);
    const habit = 'writes seven bytes at a time';
    const result = await judge(conformCase!, tested, habit, CALM);
    expect([result.behavior, result.behaviorClose]).toEqual(['OK', 'OK']);
  });
});

/** Those that cut frames, but for what differs from them in nothing but its length. */
const CUT = '1.1.8,1.2.8,2.6,2.11,3.4,4.1.5,4.2.5,5.5,5.8,5.11,5.14,6.4.3,6.4.4,9.5.6,9.6.5';

describe.each(['server', 'client'] as const)('a %s that Pings at the worst time', (tested) => {
  it.each(selectCases(CASES, CUT).map((one) => [one.id, one] as const))(
    'passes %s',
    async (id, conformCase) => {
      const habit = 'Pings at the opening, and whenever a frame is not whole';
      const result = await judge(conformCase, tested, habit, CALM);
      // It looks at text when the frame is whole.
      const behavior = id.startsWith('6.4') ? 'NON-STRICT' : 'OK';
      expect([result.behavior, result.behaviorClose]).toEqual([behavior, 'OK']);
      // Whom the judge answers with a Close gets no Pong any more; in group 9 the log is paused.
      if (!conformCase.closing.isByJudge || id.startsWith('9')) return;
      expect(result.log.entries.some(({ meaning }) => meaning.startsWith('Pong, 12'))).toBe(true);
    },
  );
});
