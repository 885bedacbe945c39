import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type RateLimitOptions, resolveRateLimit } from '../../src/connection/rate-limit.ts';
import type { Role } from '../../src/connection/handler.ts';
import { ProtocolError } from '../../src/errors.ts';
import { type RawFrame, closeBody, peerFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

const CLOSE = 8;
const PING = 9;
const PONG = 10;

function open(role: Role, options: RateLimitOptions): OpenConnection {
  return new OpenConnection(role, { rateLimit: resolveRateLimit(options) });
}

function texts(...payloads: string[]): RawFrame[] {
  return payloads.map((payload) => ({ payload }));
}

describe.each(ROLES)('a %s with a rateLimit', (role) => {
  it('fails the connection with 1008 when more comes', () => {
    const limited = open(role, { messages: 2 });
    limited.receiveFrames(...texts('a', 'b', 'c', 'd'));
    expect(limited.events).toEqual(['text a', 'text b', 'error WS_ERR_SENDS_TOO_FAST']);
    const [frame] = limited.sent();
    expect(frame).toMatchObject({ opcode: CLOSE });
    expect(frame!.payload.readUInt16BE()).toBe(1008);
    expect(limited.transport.ended).toBe(true);
  });

  it('does so in the middle of a chunk, and before anything is kept', () => {
    const limited = open(role, { bytes: 100 });
    const frames = texts('x'.repeat(100), 'y'.repeat(500_000));
    const wire = Buffer.concat(frames.map((frame) => peerFrame(role, frame)));
    limited.receive(wire.subarray(0, 130));
    expect(limited.events.at(-1)).toBe('error WS_ERR_SENDS_TOO_FAST');
  });

  it('lets in what comes at its rate for ever', () => {
    const limited = open(role, { messages: 10 });
    for (let count = 0; count < 200; count++) {
      limited.receiveFrames({ payload: 'a' }, { opcode: PING });
      limited.clock.advance(100);
    }
    expect(limited.events.filter((event) => event === 'text a')).toHaveLength(200);
  });

  it('remembers it between messages, and counts what it drops', () => {
    const limited = open(role, { messages: 2, onExceeded: 'drop' });
    expect(limited.connection.ignored).toBe(0);
    limited.receiveFrames(...texts('a', 'b', 'c'), { opcode: PING });
    limited.clock.advance(1_000);
    limited.receiveFrames(...texts('d', 'e', 'f'));
    expect(limited.events).toEqual(['text a', 'text b', 'ping ', 'text d', 'text e']);
    expect(limited.connection.ignored).toBe(2);
  });

  it('fails a flood of Pings, and of Pongs that nobody asked for', () => {
    for (const opcode of [PING, PONG]) {
      const limited = open(role, { messages: 5 });
      for (let count = 0; count < 6; count++) limited.receiveFrames({ opcode });
      expect(limited.events).toHaveLength(6);
      expect(limited.events.at(-1)).toBe('error WS_ERR_SENDS_TOO_FAST');
    }
  });

  it('answers no Ping that it drops', () => {
    const limited = open(role, { messages: 1, onExceeded: 'drop' });
    limited.receiveFrames({ opcode: PING, payload: 'a' }, { opcode: PING, payload: 'b' });
    expect(limited.sent().map(({ payload }) => payload.toString())).toEqual(['a']);
  });

  it('counts no Pong that we asked for, by the heartbeat or by hand', () => {
    const limited = open(role, { messages: 0.001 });
    limited.receiveFrames({ opcode: PONG });
    for (let count = 0; count < 3; count++) {
      limited.clock.advance(30_000);
      limited.connection.tick();
      limited.receiveFrames({ opcode: PONG, payload: limited.sent().at(-1)!.payload });
      limited.connection.ping(Buffer.from('by hand'));
      limited.receiveFrames({ opcode: PONG, payload: 'by hand' });
    }
    expect(limited.events).toHaveLength(7);
    limited.receiveFrames({ opcode: PONG });
    expect(limited.events.at(-1)).toBe('error WS_ERR_SENDS_TOO_FAST');
  });

  it('does as its handler decides, for each message', () => {
    const limited = open(role, { messages: 1, onExceeded: 'drop' });
    const answers = ['take', undefined, 'drop', 'close'] as const;
    const rates: string[] = [];
    limited.during.onExcess = (rate) => answers[rates.push(rate) - 1];
    limited.receiveFrames(...texts('a', 'b', 'c', 'd', 'e', 'f'));
    expect(limited.events).toEqual(['text a', 'text b', 'error WS_ERR_SENDS_TOO_FAST']);
    expect(rates).toEqual(['messages', 'messages', 'messages', 'messages']);
  });

  it('may be closed or terminated by its handler', () => {
    const limited = open(role, { messages: 1 });
    limited.during.onExcess = () => {
      limited.connection.close(4000);
      return 'take';
    };
    limited.receiveFrames(...texts('a', 'b'));
    expect(limited.sent()).toMatchObject([{ payload: closeBody(4000) }]);
    const other = open(role, { messages: 1 });
    other.during.onExcess = () => {
      other.connection.terminate();
      return 'close';
    };
    other.receiveFrames(...texts('a', 'b'));
    expect([other.events, other.transport.destroyed]).toEqual([['text a'], true]);
  });

  it.each(['close', undefined] as const)(
    'is closed cleanly by a handler that closes it, and answers %s',
    (answer) => {
      const limited = open(role, { messages: 1 });
      let asked = 0;
      limited.during.onExcess = () => {
        asked++;
        limited.connection.close(4000);
        return answer;
      };
      limited.receiveFrames(...texts('a', 'b', 'c'), { opcode: CLOSE, payload: closeBody(4000) });
      limited.connection.receiveTransportClose();
      expect(limited.events).toEqual(['text a', 'close 4000  clean']);
      expect(limited.sent()).toMatchObject([{ payload: closeBody(4000) }]);
      expect([asked, limited.connection.ignored]).toEqual([1, 2]);
    },
  );

  it('reads no more of a peer that does not read what its handler answers', () => {
    const limited = open(role, { messages: 1 });
    limited.transport.stuck = true;
    let asked = 0;
    limited.during.onExcess = () => {
      asked++;
      limited.connection.send(1, 'slow down'.repeat(1_000));
      return 'drop';
    };
    limited.receive(Buffer.concat(Array.from({ length: 1_000 }, () => peerFrame(role, {}))));
    expect([asked < 20, limited.transport.paused]).toEqual([true, true]);
    limited.transport.unstick();
    limited.connection.receiveDrain();
    expect(asked).toBe(999);
    expect(limited.events).not.toContain('error WS_ERR_READS_TOO_SLOWLY');
  });

  it('lets others have their turn while it drops a flood', async () => {
    const limited = open(role, { messages: 1, onExceeded: 'drop' });
    limited.receive(Buffer.concat(Array.from({ length: 5_000 }, () => peerFrame(role, {}))));
    expect(limited.transport.paused).toBe(true);
    expect(limited.connection.ignored).toBeLessThan(4_999);
    do await nextTurn();
    while (limited.transport.paused);
    expect(limited.connection.ignored).toBe(4_999);
  });

  it('fails with 1011 when its handler throws, whatever that is', () => {
    for (const thrown of [new Error('mine'), new ProtocolError('WS_ERR_MINE', 1002, 'mine')]) {
      const limited = open(role, { messages: 1 });
      limited.during.onExcess = () => {
        throw thrown;
      };
      expect(() => limited.receiveFrames(...texts('a', 'b'))).toThrow(thrown);
      expect(limited.events).toEqual(['text a']);
      expect(limited.sent()[0]!.payload.readUInt16BE()).toBe(1011);
    }
  });
});
