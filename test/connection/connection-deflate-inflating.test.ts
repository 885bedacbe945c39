import { describe, expect, it, vi } from 'vitest';
import { Connection } from '../../src/connection/connection.ts';
import { resolveLimits } from '../../src/connection/limits.ts';
import { READY_STATE } from '../../src/connection/state.ts';
import { type RawFrame, closeBody, hex, peerFrame } from '../support/bytes.ts';
import {
  DEFLATING_ROLES,
  ReferencePeer,
  createDeflate,
  followConnections,
  noise,
  short,
} from '../support/deflate-connection.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** More than is inflated at once, compressed. */
const LARGE = noise(60_000);
const [LARGE_ENTRY] = short([`text ${LARGE}`]);
/** So much that comes out of little is given out in several turns. */
const WIDE = 'x'.repeat(900_000);

const connections = followConnections();
const { jobs } = connections;

describe.each(DEFLATING_ROLES)(
  'a large message that a $role inflates in a thread with $engine',
  ({ role, keepContexts }) => {
    const open = connections.opener(role, keepContexts);

    const CLOSE_FRAME: RawFrame = { opcode: CLOSE, payload: closeBody(1000, 'bye') };

    it('holds back the transport, and what comes behind it', async () => {
      const one = open();
      one.receiveFrames(one.peer.frame(LARGE), { opcode: PING, payload: 'p' });
      one.receiveFrames({ payload: 'behind' }, one.peer.frame('and behind that'));
      expect([short(one.log), one.transport.paused, jobs.count]).toEqual([[], true, 1]);
      expect(one.sent()).toEqual([]);
      await one.worked();
      expect(short(one.log)).toEqual([
        LARGE_ENTRY,
        'ping p',
        'text behind',
        'text and behind that',
      ]);
      expect(one.sent().map(({ opcode }) => opcode)).toEqual([PONG]);
      expect(one.transport.paused).toBe(false);
    });

    it('holds back what stands behind it in its chunk', async () => {
      const one = open();
      one.receiveTogether(one.peer.frame(LARGE), { opcode: PING, payload: 'p' }, CLOSE_FRAME);
      expect(one.log).toEqual([]);
      await one.worked();
      expect(short(one.log)).toEqual([LARGE_ENTRY, 'ping p']);
      one.end();
      expect(one.log.at(-1)).toBe('close 1000 bye clean');
    });

    it('is read in fragments of which each is large', async () => {
      const one = open();
      const payload = one.peer.deflate(LARGE + LARGE);
      const third = Math.floor(payload.length / 3);
      one.receiveTogether(
        { fin: false, rsv: 4, payload: payload.subarray(0, third) },
        { opcode: PING, payload: 'between' },
        { fin: false, opcode: 0, payload: payload.subarray(third, 2 * third) },
        { opcode: 0, payload: payload.subarray(2 * third) },
        { payload: 'behind' },
      );
      await vi.waitFor(() => expect(one.log.at(-1)).toBe('text behind'));
      expect(short(one.log)).toEqual(
        short(['ping between', `text ${LARGE}${LARGE}`, 'text behind']),
      );
    });

    it('is followed by the end of the transport only when it was given out', async () => {
      const one = open();
      one.receiveFrames(one.peer.frame(LARGE));
      one.connection.receiveEnd();
      expect([short(one.log), one.transport.ended]).toEqual([[], false]);
      await one.worked();
      expect(short(one.log)).toEqual([LARGE_ENTRY]);
      expect(one.transport.ended).toBe(true);
      one.end();
      expect(one.log.at(-1)).toBe('close 1006  unclean');
    });

    it('is followed by the end of the transport also where more came behind it', async () => {
      const one = open();
      one.receiveFrames(one.peer.frame(LARGE), { payload: 'behind' }, CLOSE_FRAME);
      one.connection.receiveEnd();
      expect(one.transport.ended).toBe(false);
      await one.worked();
      one.end();
      expect(short(one.log)).toEqual([LARGE_ENTRY, 'text behind', 'close 1000 bye clean']);
    });

    it('waits for the end of a pause that began meanwhile', async () => {
      const one = open();
      one.receiveFrames(one.peer.frame(LARGE), { payload: 'behind' });
      one.connection.pause();
      await jobs.idle();
      expect([short(one.log), one.transport.paused]).toEqual([[], true]);
      one.connection.resume();
      await vi.waitFor(() => expect(one.log).toHaveLength(2));
      expect(short(one.log)).toEqual([LARGE_ENTRY, 'text behind']);
      expect(one.transport.paused).toBe(false);
    });

    it('does not come before it is inflated, whoever pauses and resumes meanwhile', async () => {
      const one = open();
      one.receiveFrames(one.peer.frame(LARGE), { payload: 'behind' });
      one.connection.pause();
      one.connection.resume();
      expect([short(one.log), one.transport.paused]).toEqual([[], true]);
      await one.worked();
      expect(short(one.log)).toEqual([LARGE_ENTRY, 'text behind']);
    });

    it('lets the handler pause, and what follows waits', async () => {
      const one = open();
      one.during = { onMessage: () => one.connection.pause() };
      one.receiveTogether(one.peer.frame(LARGE), one.peer.frame('behind'));
      await one.worked();
      expect([short(one.log), one.transport.paused]).toEqual([[LARGE_ENTRY], true]);
      one.connection.resume();
      expect(one.log.at(-1)).toBe('text behind');
    });

    it('is answered at once by a handler that sends', async () => {
      const one = open();
      one.flushes = false;
      one.during = { onMessage: () => void one.connection.send(TEXT, 'an answer') };
      one.receiveFrames(one.peer.frame(LARGE));
      await one.worked();
      expect(one.transport.writes).toHaveLength(1);
      expect(one.read()).toEqual(['deflated an answer']);
    });

    it('stops the reading where the network does not take what the handler answers', async () => {
      const one = open({ limits: { highWaterMark: 10 } });
      one.transport.stuck = true;
      one.transport.highWaterMark = 1;
      one.during = {
        onMessage: () => {
          one.during = {};
          one.connection.send(TEXT, 'an answer of more than ten bytes', false);
          one.connection.flush();
        },
      };
      one.receiveTogether(one.peer.frame(LARGE), { payload: 'behind' });
      await one.worked();
      expect([short(one.log), one.transport.paused]).toEqual([[LARGE_ENTRY], true]);
      one.transport.unstick();
      one.connection.receiveDrain();
      expect(short(one.log)).toEqual([LARGE_ENTRY, 'drain', 'text behind']);
    });

    it('is no reason to forget what onDrain sends, when its handler has paused', async () => {
      const one = open({ limits: { highWaterMark: 10 } });
      one.during = {
        onMessage: () => {
          one.connection.pause();
          expect(one.connection.send(TEXT, 'more than ten bytes', false)).toBe(false);
        },
        onDrain: () => {
          one.during = {};
          one.connection.send(TEXT, 'from onDrain', false);
        },
      };
      one.receiveFrames(one.peer.frame(LARGE));
      await one.worked();
      await Promise.resolve();
      expect(one.connection.bufferedAmount).toBe(0);
      expect(one.read()).toEqual(['plain more than ten bytes', 'plain from onDrain']);
    });

    it('fails with 1011 where the handler throws, who is told by onThrown', async () => {
      const one = open();
      one.during = {
        onMessage: () => {
          throw new Error('of the application');
        },
      };
      one.receiveTogether(one.peer.frame(LARGE), { payload: 'behind' });
      await one.worked();
      expect(short(one.log)).toEqual([LARGE_ENTRY, 'thrown Error: of the application']);
      expect(one.sent()[0]!.payload).toEqual(closeBody(1011));
      expect(one.transport.ended).toBe(true);
    });

    it('does the same where it throws at the message behind', async () => {
      const one = open();
      let count = 0;
      one.during = {
        onMessage: () => {
          count += 1;
          if (count === 2) throw new Error('of the second');
        },
      };
      one.receiveTogether(one.peer.frame(LARGE), { payload: 'behind' }, { payload: 'and behind' });
      await one.worked();
      expect(short(one.log)).toEqual([LARGE_ENTRY, 'text behind', 'thrown Error: of the second']);
      expect(one.sent()[0]!.payload).toEqual(closeBody(1011));
    });

    it('lets the handler close the connection, and what follows is dropped', async () => {
      const one = open();
      one.during = { onMessage: () => one.connection.close(4000, 'enough') };
      one.receiveTogether(one.peer.frame(LARGE), one.peer.frame('behind'), CLOSE_FRAME);
      await one.worked();
      one.end();
      expect(short(one.log)).toEqual([LARGE_ENTRY, 'close 1000 bye clean']);
    });

    it('lets the handler terminate the connection', async () => {
      const one = open();
      one.during = { onMessage: () => one.connection.terminate() };
      one.receiveTogether(one.peer.frame(LARGE), one.peer.frame('behind'));
      await one.worked();
      expect([short(one.log), one.transport.destroyed]).toEqual([[LARGE_ENTRY], true]);
    });

    it('is dropped where we close meanwhile, and the Close behind it is read', async () => {
      const one = open();
      one.receiveTogether(one.peer.frame(LARGE), { payload: 'behind' }, CLOSE_FRAME);
      one.connection.close(1000);
      await one.worked();
      one.end();
      expect(one.log).toEqual(['close 1000 bye clean']);
    });

    it('is given out where we close meanwhile and go on receiving', async () => {
      const one = open();
      one.receiveTogether(one.peer.frame(LARGE), CLOSE_FRAME);
      one.connection.close(1000, '', true);
      await one.worked();
      one.end();
      expect(short(one.log)).toEqual([LARGE_ENTRY, 'close 1000 bye clean']);
    });

    it.each(['terminate', 'receiveTransportClose', 'failInternally'] as const)(
      'is never given out after %s',
      async (end) => {
        const one = open();
        one.receiveTogether(one.peer.frame(LARGE), { payload: 'behind' });
        one.connection[end]();
        await jobs.idle();
        one.end();
        expect(one.log).toEqual(['close 1006  unclean']);
        expect(one.connection.readyState).toBe(READY_STATE.CLOSED);
      },
    );

    it('fails with 1007 where it is no compressed message', async () => {
      const one = open();
      const payload = Buffer.from(one.peer.deflate(LARGE));
      payload.fill(0xff, 20_000);
      one.receiveTogether({ rsv: 4, payload }, { payload: 'behind' });
      await one.worked();
      expect(one.log).toEqual(['error WS_ERR_INVALID_DEFLATE']);
      expect(one.sent()[0]!.payload.subarray(0, 2)).toEqual(closeBody(1007));
    });

    it('fails with 1007 where it was cut', async () => {
      const one = open();
      const payload = one.peer.deflate(LARGE);
      one.receiveFrames({ rsv: 4, payload: payload.subarray(0, -1_000) });
      await one.worked();
      expect(one.log).toEqual(['error WS_ERR_INVALID_DEFLATE']);
    });

    it('fails with 1007 where it is a text that is not UTF-8', async () => {
      const one = open();
      const data = Buffer.concat([Buffer.from(LARGE), hex('ff')]);
      one.receiveFrames(one.peer.frame(data));
      await one.worked();
      expect(one.log).toEqual(['error WS_ERR_INVALID_UTF8']);
    });

    it('fails with 1009 where it is larger than maxPayload when it is inflated', async () => {
      const one = open({ limits: { maxPayload: 59_999 } });
      one.receiveFrames(one.peer.frame(LARGE));
      await one.worked();
      expect(one.log).toEqual(['error WS_ERR_MESSAGE_TOO_BIG']);
      expect(one.sent()[0]!.payload.subarray(0, 2)).toEqual(closeBody(1009));
    });

    it('may have exactly maxPayload bytes', async () => {
      const one = open({ limits: { maxPayload: 60_000 } });
      one.receiveFrames(one.peer.frame(LARGE));
      await one.worked();
      expect(short(one.log)).toEqual([LARGE_ENTRY]);
    });

    it('is given in pieces where that was asked for', async () => {
      const one = open();
      one.connection.giveInPieces(true);
      one.receiveTogether(one.peer.frame(`€${LARGE}`), { payload: 'behind' });
      await one.worked();
      expect(one.log.at(-1)).toBe('last piece behind');
      const pieces = one.log.slice(0, -1);
      const lasts = pieces.map((entry) => entry.startsWith('last'));
      expect(lasts).toEqual(pieces.map((_, at) => at === pieces.length - 1));
      const text = pieces.map((entry) => entry.replace(/^(?:last )?piece /, '')).join('');
      expect(short([text])).toEqual(short([`€${LARGE}`]));
    });

    it('may be paused in the midst of its pieces, of which no more come until resume', async () => {
      const one = open();
      one.connection.giveInPieces(true);
      one.receiveTogether(one.peer.frame(WIDE), { payload: 'behind' });
      one.connection.pause();
      await jobs.idle();
      await new Promise(setImmediate);
      const count = one.log.length;
      await new Promise(setImmediate);
      await new Promise(setImmediate);
      expect(one.log).toHaveLength(count);
      one.connection.resume();
      await vi.waitFor(() => expect(one.log.at(-1)).toBe('last piece behind'));
      const texts = one.log.map((entry) => entry.replace(/^(?:last )?piece /, ''));
      expect(texts.join('').length).toBe(WIDE.length + 'behind'.length);
    });

    it('that is little when it comes takes several turns at the most, in order', async () => {
      const one = open({ limits: { maxPayload: 10_000_000 } });
      one.receiveTogether(one.peer.frame(WIDE), { opcode: PING, payload: 'p' });
      await vi.waitFor(() => expect(one.log.at(-1)).toBe('ping p'));
      expect(short(one.log)).toEqual(short([`text ${WIDE}`, 'ping p']));
      expect(one.connection.readyState).toBe(READY_STATE.OPEN);
    });

    it('leaves the window right for those that refer to it', async () => {
      const one = open();
      const tail = LARGE.slice(-2_000);
      one.receiveTogether(one.peer.frame(LARGE), one.peer.frame(tail), one.peer.frame(tail));
      await one.worked();
      expect(short(one.log)).toEqual(short([LARGE, tail, tail].map((text) => `text ${text}`)));
    });

    it('waits for others where many come at the same time, each in its own order', async () => {
      const many = Array.from({ length: 7 }, () => open());
      for (const one of many) {
        one.receiveTogether(one.peer.frame(LARGE), one.peer.frame('behind'));
      }
      // Those that leave meanwhile keep nobody waiting.
      many[0]!.connection.terminate();
      many[5]!.connection.terminate();
      await jobs.idle();
      for (const [at, one] of many.entries()) {
        const left = at === 0 || at === 5;
        expect(short(one.log)).toEqual(left ? [] : [LARGE_ENTRY, 'text behind']);
      }
    });
  },
);

describe('a handler without onThrown', () => {
  it('has what it throws about a large message thrown into the void', async () => {
    const jobError = new Error('of the application');
    const transport = new MemoryTransport();
    const nothing = (): void => {};
    const deflate = createDeflate();
    const connection = new Connection(
      'client',
      transport,
      {
        onMessage: () => {
          throw jobError;
        },
        onPing: nothing,
        onPong: nothing,
        onDrain: nothing,
        onPending: nothing,
        onError: nothing,
        onClose: nothing,
      },
      new ManualClock(),
      resolveLimits(),
      deflate,
    );
    const thrown = new Promise((resolve) => {
      vi.spyOn(deflate, 'inflater').mockImplementation((_sink, later) => ({
        push: () => {
          setImmediate(() => {
            try {
              later(() => {
                connection.onMessage(TEXT, Buffer.alloc(0), 0, 0, true);
                return true;
              });
            } catch (error) {
              resolve(error);
            }
          });
          return false;
        },
        close: nothing,
      }));
    });
    connection.receive(peerFrame('client', new ReferencePeer().frame('x')));
    expect(await thrown).toBe(jobError);
    expect(connection.readyState).toBe(READY_STATE.CLOSING);
    connection.receiveTransportClose();
  });
});
