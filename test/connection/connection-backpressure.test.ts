import { describe, expect, it } from 'vitest';
import type { ConnectionOptions } from '../../src/connection/handler.ts';
import { READY_STATE } from '../../src/connection/state.ts';
import { peerFrame, readFrames } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

function drain(one: OpenConnection): void {
  one.transport.unstick();
  one.connection.receiveDrain();
}

function messages(one: OpenConnection): string[] {
  return one
    .sent()
    .filter((frame) => frame.opcode === TEXT)
    .map((frame) => frame.payload.toString());
}

describe.each(ROLES)('a connection as %s', (role) => {
  /** The network takes nothing, and the transport asks for a pause at 500 bytes. */
  function stuck(options: Partial<ConnectionOptions> = {}): OpenConnection {
    const one = new OpenConnection(role, options);
    one.transport.stuck = true;
    one.transport.highWaterMark = 500;
    return one;
  }

  function chunk(...payloads: string[]): Buffer {
    return Buffer.concat(payloads.map((payload) => peerFrame(role, { payload })));
  }

  describe('send', () => {
    it('answers false past the high-water mark, and onDrain follows when the network took it', () => {
      const one = stuck({ highWaterMark: 1_000 });
      expect(one.connection.send(TEXT, 'x'.repeat(900))).toBe(true);
      expect(one.connection.send(TEXT, 'y'.repeat(900))).toBe(false);
      one.connection.flush();
      expect(one.log).toEqual(['pending']);
      drain(one);
      expect(one.log).toEqual(['pending', 'drain']);
      drain(one);
      expect(one.log).toEqual(['pending', 'drain']);
      expect(messages(one)).toHaveLength(2);
    });

    it('answers false, and onDrain follows at once where the network takes all', () => {
      const one = new OpenConnection(role, { highWaterMark: 100 });
      expect(one.connection.send(TEXT, 'x'.repeat(200))).toBe(false);
      one.connection.flush();
      expect(one.log).toEqual(['pending', 'drain']);
      expect(one.connection.send(TEXT, 'a')).toBe(true);
    });

    it('lets one message out that is larger than maxBackpressure, when nothing waits', () => {
      const one = new OpenConnection(role, { maxBackpressure: 100 });
      // It is also above the high-water mark, which is never above maxBackpressure.
      expect(one.connection.send(TEXT, 'x'.repeat(5_000))).toBe(false);
      expect(messages(one)).toEqual(['x'.repeat(5_000)]);
      expect(one.events).toEqual(['drain']);
      expect(one.connection.readyState).toBe(READY_STATE.OPEN);
    });

    it('says nothing of room to somebody who was never refused', () => {
      const one = stuck();
      one.connection.send(TEXT, 'x'.repeat(900));
      one.connection.flush();
      drain(one);
      expect(one.events).toEqual([]);
    });

    it('answers false to a ping past the mark, and refuses it past maxBackpressure', () => {
      const one = stuck({ highWaterMark: 500, maxBackpressure: 1_000 });
      one.connection.send(BINARY, Buffer.alloc(900));
      expect(one.connection.ping(Buffer.alloc(120))).toBe(false);
      expect(one.connection.ping(Buffer.from('too much'))).toBe(false);
      expect(one.connection.pong(Buffer.from('too much'))).toBe(false);
      expect(one.sent().map((frame) => frame.opcode)).toEqual([BINARY, PING]);
      drain(one);
      expect(one.events).toEqual(['drain']);
    });
  });

  describe('the policy close', () => {
    it('fails with 1013 when a message finds no room', () => {
      const one = stuck({ maxBackpressure: 1_000 });
      one.connection.send(TEXT, 'x'.repeat(900));
      expect(one.connection.send(TEXT, 'y'.repeat(900))).toBe(false);
      expect(one.events).toEqual(['error WS_ERR_READS_TOO_SLOWLY']);
      expect(one.connection.readyState).toBe(READY_STATE.CLOSING);
      expect(one.connection.send(TEXT, 'z')).toBe(false);
      expect(one.transport.ended).toBe(true);
      const frames = one.sent();
      expect(frames.map((frame) => frame.opcode)).toEqual([TEXT, CLOSE]);
      expect(frames[1]?.payload.readUInt16BE()).toBe(1013);
      one.connection.receiveTransportClose();
      expect(one.events.at(-1)).toBe('close 1006  unclean');
    });

    it('reads nothing more after that, in the middle of a chunk', () => {
      const one = stuck({ maxBackpressure: 1_000 });
      one.during = { onMessage: () => void one.connection.send(TEXT, 'x'.repeat(900)) };
      const frames = ['a', 'b', 'c'].map((payload) => peerFrame(role, { payload }));
      one.receive(Buffer.concat(frames));
      expect(one.events).toEqual(['text a', 'text b', 'error WS_ERR_READS_TOO_SLOWLY']);
    });

    it('waits no longer than closeTimeout for a peer that reads nothing', () => {
      const one = stuck({ maxBackpressure: 1_000 });
      one.connection.send(TEXT, 'x'.repeat(900));
      one.connection.send(TEXT, 'y'.repeat(900));
      one.clock.advance(10_000);
      one.connection.tick();
      expect(one.transport.destroyed).toBe(true);
    });
  });

  describe.each(['close', 'drop', 'latest'] as const)('the policy %s', (backpressurePolicy) => {
    it('fails with 1013 when a fragment finds no room', () => {
      const one = stuck({ backpressurePolicy, maxBackpressure: 1_000 });
      one.connection.sendFragment(TEXT, 'x'.repeat(900), false);
      expect(one.connection.sendFragment(TEXT, 'y'.repeat(900), true)).toBe(false);
      expect(one.events).toEqual(['error WS_ERR_READS_TOO_SLOWLY']);
      expect(one.sent().map((frame) => frame.opcode)).toEqual([TEXT, CLOSE]);
    });
  });

  describe('the policy drop', () => {
    it('drops what finds no room, counts it, and answers false until there is', () => {
      const one = stuck({ backpressurePolicy: 'drop', maxBackpressure: 1_000 });
      expect(one.connection.send(TEXT, 'x'.repeat(900))).toBe(true);
      expect(one.connection.send(TEXT, 'y'.repeat(900))).toBe(false);
      expect(one.connection.send(TEXT, 'z'.repeat(900))).toBe(false);
      expect(one.connection.dropped).toBe(2);
      expect(one.connection.readyState).toBe(READY_STATE.OPEN);
      one.connection.flush();
      expect(one.events).toEqual([]);
      drain(one);
      expect(one.events).toEqual(['drain']);
      expect(one.connection.send(TEXT, 'a')).toBe(true);
      expect(messages(one)).toEqual(['x'.repeat(900), 'a']);
      expect(one.connection.dropped).toBe(2);
    });
  });

  describe('the policy latest', () => {
    it('sends the newest of those that found no room, when there is', () => {
      const one = stuck({ backpressurePolicy: 'latest', maxBackpressure: 1_000 });
      one.connection.send(TEXT, 'x'.repeat(900));
      one.connection.send(TEXT, 'y'.repeat(900));
      one.connection.send(TEXT, 'z'.repeat(900));
      expect(one.connection.dropped).toBe(1);
      one.connection.flush();
      drain(one);
      expect(messages(one)).toEqual(['x'.repeat(900), 'z'.repeat(900)]);
      expect(one.events).toEqual(['drain']);
      expect(one.connection.bufferedAmount).toBe(0);
    });

    it('sends nothing of that after a Close', () => {
      const one = stuck({ backpressurePolicy: 'latest', maxBackpressure: 1_000 });
      one.connection.send(TEXT, 'x'.repeat(900));
      one.connection.send(TEXT, 'y'.repeat(900));
      one.connection.close(1000);
      drain(one);
      expect(one.sent().map((frame) => frame.opcode)).toEqual([TEXT, CLOSE]);
    });
  });

  describe.each(['drop', 'latest'] as const)('the policy %s', (backpressurePolicy) => {
    it('leaves nobody waiting for a transport that asked for no pause', () => {
      const one = stuck({ backpressurePolicy, maxBackpressure: 400 });
      one.connection.send(TEXT, 'x'.repeat(300));
      one.connection.flush();
      const flushed = one.log.length;
      const answer = one.connection.send(TEXT, 'y'.repeat(300));
      // No drain: a transport says that only after its `write` had returned false.
      one.transport.unstick();
      if (one.log.includes('pending', flushed)) one.connection.flush();
      const wire = readFrames(one.transport.wire).length;
      expect(wire + one.connection.dropped).toBe(2);
      expect(answer || one.events.includes('drain')).toBe(true);
    });
  });

  describe('Pongs for a peer that never reads', () => {
    it('are 16, and then only the newest, when it reads again', () => {
      const one = stuck();
      one.connection.send(BINARY, Buffer.alloc(600));
      one.connection.flush();
      const before = one.connection.bufferedAmount;
      for (let i = 0; i < 500; i++) one.receiveFrames({ opcode: PING, payload: `${i}` });
      expect(one.connection.bufferedAmount - before).toBeLessThan(16 * 16);
      expect(one.transport.paused).toBe(false);
      drain(one);
      const pongs = one.sent().filter((frame) => frame.opcode === PONG);
      expect(pongs.map((frame) => frame.payload.toString())).toEqual([
        ...Array.from({ length: 16 }, (_, i) => `${i}`),
        '499',
      ]);
    });
  });

  describe('replies to a peer that never reads', () => {
    const reply = 'r'.repeat(600);

    function repliesTo(one: OpenConnection): void {
      one.during = { onMessage: () => void one.connection.send(TEXT, reply) };
    }

    it('stop the reading inside a chunk, and it goes on there when the network drains', () => {
      const one = stuck({ highWaterMark: 1_000 });
      repliesTo(one);
      one.receive(chunk('1', '2', '3'));
      expect(one.events).toEqual(['text 1', 'text 2', 'text 3']);
      expect(one.transport.paused).toBe(false);
      one.receive(chunk('4', '5', '6'));
      expect(one.events.slice(3)).toEqual(['text 4']);
      expect(one.transport.paused).toBe(true);
      // A chunk that was already on its way.
      one.receive(chunk('7'));
      expect(one.events.slice(4)).toEqual([]);

      drain(one);
      expect(one.events.slice(4).filter((event) => event !== 'drain')).toEqual([
        'text 5',
        'text 6',
        'text 7',
      ]);
      expect(one.events.filter((event) => event === 'drain').length).toBeGreaterThan(0);
      expect(one.transport.paused).toBe(false);
      expect(messages(one)).toEqual(Array(7).fill(reply));
    });

    it('stop the reading again when it gets stuck again', () => {
      const one = stuck({ highWaterMark: 1_000 });
      repliesTo(one);
      const all = Array.from({ length: 30 }, (_, i) => `${i}`);
      one.receive(chunk('0', '1'));
      one.receive(chunk(...all.slice(2)));
      let drains = 0;
      while (one.transport.paused) {
        const waiting = one.connection.bufferedAmount;
        expect(waiting).toBeLessThan(70 * 1024);
        one.transport.unstick();
        one.transport.stuck = true;
        one.connection.receiveDrain();
        one.receive(chunk(`more ${drains}`));
        drains++;
        if (drains > 100) break;
      }
      expect(drains).toBeLessThan(100);
      drain(one);
      const texts = one.events.filter((event) => event.startsWith('text '));
      expect(texts.slice(0, 30)).toEqual(all.map((payload) => `text ${payload}`));
      expect(texts).toHaveLength(30 + drains);
      expect(messages(one)).toHaveLength(30 + drains);
    });

    it('stop the reading while one chunk is processed, when 64 KiB are reached in it', () => {
      const one = stuck();
      one.during = { onMessage: () => void one.connection.send(TEXT, 'r'.repeat(10_000)) };
      one.receive(chunk(...Array.from({ length: 100 }, (_, i) => `${i}`)));
      expect(one.events.length).toBeLessThan(10);
      expect(one.connection.bufferedAmount).toBeLessThan(80_000);
      expect(one.transport.paused).toBe(true);
    });

    it('let the end of the transport wait behind what was not read', () => {
      const one = stuck({ highWaterMark: 1_000 });
      repliesTo(one);
      one.receive(chunk('1', '2'));
      one.receive(chunk('3', '4'));
      one.connection.receiveEnd();
      expect(one.connection.readyState).toBe(READY_STATE.OPEN);
      drain(one);
      expect(one.events).toContain('text 4');
      expect(one.connection.readyState).toBe(READY_STATE.CLOSING);
      expect(one.transport.ended).toBe(true);
    });

    it('stop the reading no longer when we close: the Close of the peer has to be read', () => {
      const one = stuck({ highWaterMark: 1_000 });
      repliesTo(one);
      one.receive(chunk('1', '2'));
      const close = peerFrame(role, { opcode: CLOSE });
      one.receive(Buffer.concat([chunk('3', '4'), close]));
      expect(one.transport.paused).toBe(true);
      one.connection.close(1000);
      one.connection.receiveTransportClose();
      expect(one.events).toEqual(['text 1', 'text 2', 'text 3', 'close 1005  clean']);
    });

    it('and a pause are two reasons not to read', () => {
      const one = stuck({ highWaterMark: 1_000 });
      repliesTo(one);
      one.receive(chunk('1', '2'));
      one.receive(chunk('3', '4'));
      one.connection.pause();
      drain(one);
      expect(one.events).not.toContain('text 4');
      expect(one.transport.paused).toBe(true);
      one.connection.resume();
      expect(one.events).toContain('text 4');
    });

    it('may be fragments', () => {
      const one = stuck({ highWaterMark: 1_000 });
      one.during = { onMessage: () => void one.connection.sendFragment(TEXT, reply, true) };
      one.receive(chunk('1', '2'));
      one.receive(chunk('3', '4'));
      expect(one.events).toEqual(['text 1', 'text 2', 'text 3']);
      expect(one.transport.paused).toBe(true);
    });

    it('stop nothing where they are few', () => {
      const one = stuck();
      one.during = { onMessage: () => void one.connection.send(TEXT, 'small') };
      for (let i = 0; i < 50; i++) one.receive(chunk('a', 'b'));
      expect(one.events).toHaveLength(100);
      expect(one.transport.paused).toBe(false);
    });

    it('go on to stop the reading when what was kept for them blocks the network again', () => {
      const one = stuck({
        highWaterMark: 1_000,
        maxBackpressure: 3_000,
        backpressurePolicy: 'latest',
      });
      repliesTo(one);
      one.receive(chunk('1', '2'));
      one.during = { onMessage: () => void one.connection.send(TEXT, 'r'.repeat(5_000)) };
      one.receive(chunk('3', '4'));
      one.transport.unstick();
      one.transport.stuck = true;
      one.connection.receiveDrain();
      expect(one.transport.writableLength).toBeGreaterThan(5_000);
      expect(one.events).toEqual(['text 1', 'text 2', 'text 3']);
      expect(one.transport.paused).toBe(true);
      drain(one);
      expect(one.events).toContain('text 4');
    });

    it('stop nothing when they are sent outside a turn', () => {
      const one = stuck({ highWaterMark: 1_000 });
      // A reply that was small, in a turn that is over.
      one.during = { onMessage: () => void one.connection.send(TEXT, 'small') };
      one.receive(chunk('first'));
      one.during = {};
      one.connection.send(BINARY, Buffer.alloc(50_000));
      one.connection.flush();
      for (let i = 0; i < 5; i++) {
        one.receive(chunk('a', 'b'));
        one.connection.send(TEXT, reply);
        one.connection.flush();
      }
      expect(one.events).toHaveLength(11);
      expect(one.transport.paused).toBe(false);
    });
  });

  it('announces what onDrain sends while the network drains and held bytes are read', () => {
    const one = stuck({ highWaterMark: 1_000 });
    one.during = { onMessage: () => void one.connection.send(TEXT, 'r'.repeat(600)) };
    const wire = ['1', '2', '3'].map((payload) => peerFrame(role, { payload }));
    one.receive(Buffer.concat(wire.slice(0, 2)));
    one.receive(Buffer.concat([...wire, ...wire]));
    expect(one.transport.paused).toBe(true);
    let drains = 0;
    one.during.onDrain = () => {
      if (drains++ === 0) one.connection.send(TEXT, 'from onDrain');
    };
    const before = one.log.length;
    drain(one);
    expect(drains).toBeGreaterThan(0);
    // Either it is on its way, or somebody was told that it waits.
    const left = one.transport.wire.length;
    const announced = one.log.slice(before).includes('pending');
    one.connection.flush();
    expect(announced || one.transport.wire.length === left).toBe(true);
    expect(messages(one)).toContain('from onDrain');
  });
});
