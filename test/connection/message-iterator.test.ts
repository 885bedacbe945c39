import { describe, expect, it } from 'vitest';
import { MessageIterator } from '../../src/connection/message-iterator.ts';
import { closeBody } from '../support/bytes.ts';
import { Gate, openLive, turns, watchRejections } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

const DONE = { done: true, value: undefined };

function value(message: unknown): { done: boolean; value: unknown } {
  return { done: false, value: message };
}

describe('an iterator of messages', () => {
  const owner = { onWant() {}, onLeave() {} };

  it('is its own iterator', () => {
    const iterator = new MessageIterator(owner);
    expect(iterator[Symbol.asyncIterator]()).toBe(iterator);
  });

  it('gives each message to the reader that has waited longest', async () => {
    const iterator = new MessageIterator(owner);
    const reads = [iterator.next(), iterator.next()];
    expect(iterator.isWaiting).toBe(true);
    iterator.give('one');
    iterator.give('two');
    expect(iterator.isWaiting).toBe(false);
    expect(await Promise.all(reads)).toEqual([value('one'), value('two')]);
  });

  it('ends all that wait, and all that come later', async () => {
    const iterator = new MessageIterator(owner);
    const reads = [iterator.next(), iterator.next()];
    iterator.end();
    expect(await Promise.all([...reads, iterator.next()])).toEqual([DONE, DONE, DONE]);
    expect(iterator.isWaiting).toBe(false);
  });

  it('tells its owner when somebody waits, and when it is left', async () => {
    const told: unknown[] = [];
    const iterator = new MessageIterator({
      onWant: (wanting) => void told.push('want', wanting),
      onLeave: (leaving) => void told.push('leave', leaving),
    });
    const read = iterator.next();
    expect(await iterator.return()).toEqual(DONE);
    expect(await read).toEqual(DONE);
    expect(told).toEqual(['want', iterator, 'leave', iterator]);
    expect(await iterator.next()).toEqual(DONE);
    expect(told).toHaveLength(4);
  });
});

describe.each(ROLES)('for await over a %s socket', (role) => {
  it('gives the messages from the first on, and ends with a clean close', async () => {
    const live = await openLive(role);
    await live.send({ payload: 'early' }, { opcode: 2, payload: 'bytes' });
    await live.readAll();
    const got: unknown[] = [];
    const loop = (async () => {
      for await (const message of live.socket) got.push(message);
    })();
    await live.sendTexts('late');
    await live.closeByPeer(4001, 'over');
    await loop;
    expect(got).toEqual(['early', Buffer.from('bytes'), 'late']);
    expect(await live.socket.closed).toEqual({ code: 4001, reason: 'over', wasClean: true });
  });

  it('ends without an error where the connection is lost', async () => {
    const rejections = watchRejections();
    const live = await openLive(role);
    const got: unknown[] = [];
    const loop = (async () => {
      for await (const message of live.socket) got.push(message);
    })();
    await live.sendTexts('one');
    await live.readAll();
    live.peer.reset();
    await loop;
    expect(got).toEqual(['one']);
    expect(await live.socket.closed).toEqual({ code: 1006, reason: '', wasClean: false });
    expect(rejections).toEqual([]);
  });

  it('ends without an error where the peer breaks the protocol', async () => {
    const live = await openLive(role);
    const errors: unknown[] = [];
    live.socket.on('error', (error) => void errors.push(error));
    await live.send({ payload: 'good' }, { opcode: 3 });
    const got: unknown[] = [];
    const loop = (async () => {
      for await (const message of live.socket) got.push(message);
    })();
    await live.answerClose();
    await loop;
    expect(got).toEqual(['good']);
    expect(errors).toHaveLength(1);
  });

  it.each(['close', 'terminate'] as const)(
    'ends with our own %s, inside and outside',
    async (how) => {
      const live = await openLive(role);
      const got: unknown[] = [];
      const inside = (async () => {
        for await (const message of live.socket) {
          got.push(message);
          void live.socket[how]();
        }
      })();
      const waiting = live.socket[Symbol.asyncIterator]().next();
      await live.sendTexts('one', 'two', 'three');
      // The second loop has not asked for another message; it holds up none that are dropped.
      expect(await waiting).toEqual(value('one'));
      await inside;
      expect(got).toEqual(['one']);
      if (how === 'close') await live.answerClose();
      await live.closed;
      for await (const message of live.socket) got.push(message);
      expect(got).toEqual(['one']);
    },
  );

  it('gives what came before the Close of the peer, though the loop begins after it', async () => {
    const live = await openLive(role);
    await live.sendTexts('one', 'two', 'three');
    await live.closeByPeer();
    await live.closed;
    const got: unknown[] = [];
    for await (const message of live.socket) {
      got.push(message);
      await turns(1);
    }
    expect(got).toEqual(['one', 'two', 'three']);
    for await (const message of live.socket) got.push(message);
    expect(got).toHaveLength(3);
  });

  it('gives what came before the end, though the body takes its time', async () => {
    const live = await openLive(role);
    const got: unknown[] = [];
    const loop = (async () => {
      for await (const message of live.socket) {
        got.push(message);
        await turns(3);
      }
      got.push('end');
    })();
    await live.sendTexts('one', 'two', 'three');
    await live.readAll();
    live.peer.reset();
    await live.closed;
    await loop;
    expect(got).toEqual(['one', 'two', 'three', 'end']);
  });

  it('leaves the socket open at a break, and a new loop goes on', async () => {
    const live = await openLive(role);
    const got: unknown[] = [];
    await live.sendTexts('1', '2', '3', '4', '5');
    for (let round = 0; round < 5; round++) {
      for await (const message of live.socket) {
        got.push(message);
        break;
      }
    }
    expect(got).toEqual(['1', '2', '3', '4', '5']);
    expect(live.socket.readyState).toBe(1);
  });

  it('loses nothing that comes between two loops', async () => {
    const live = await openLive(role);
    const got: unknown[] = [];
    const take = async (): Promise<void> => {
      for await (const message of live.socket) {
        got.push(message);
        return;
      }
    };
    const first = take();
    await live.sendTexts('1');
    await first;
    await live.sendTexts('2', '3');
    await live.readAll();
    expect(got).toEqual(['1']);
    await take();
    await take();
    expect(got).toEqual(['1', '2', '3']);
  });

  it('rejects nowhere where its body throws, and leaves the socket open', async () => {
    const live = await openLive(role);
    await live.sendTexts('1', '2');
    const mistake = new Error('a mistake');
    const loop = (async () => {
      for await (const message of live.socket) {
        if (message === '1') throw mistake;
      }
    })();
    await expect(loop).rejects.toBe(mistake);
    expect(live.socket.readyState).toBe(1);
    expect(await live.socket[Symbol.asyncIterator]().next()).toEqual(value('2'));
  });

  it('answers many calls of next() in the order of the messages', async () => {
    const live = await openLive(role);
    const iterator = live.socket[Symbol.asyncIterator]();
    const reads = Array.from({ length: 6 }, () => iterator.next());
    await live.sendTexts('1', '2', '3');
    await live.sendTexts('4');
    await live.closeByPeer();
    expect(await Promise.all(reads)).toEqual([
      ...['1', '2', '3', '4'].map((message) => value(message)),
      DONE,
      DONE,
    ]);
  });

  it('gives each of two loops every message, the slow one first', async () => {
    const live = await openLive(role);
    const events: string[] = [];
    const gate = new Gate();
    const slow = (async () => {
      for await (const message of live.socket) {
        events.push(`slow ${message.toString()}`);
        await gate.passed;
      }
    })();
    const fast = (async () => {
      for await (const message of live.socket) events.push(`fast ${message.toString()}`);
    })();
    await live.sendTexts('1', '2');
    await live.readAll();
    expect(events.toSorted()).toEqual(['fast 1', 'slow 1']);
    gate.open();
    await live.closeByPeer();
    await Promise.all([slow, fast]);
    expect(events.toSorted()).toEqual(['fast 1', 'fast 2', 'slow 1', 'slow 2']);
  });

  it('holds back listeners while its body runs, as they hold back the loop', async () => {
    const live = await openLive(role);
    const gates = { loop: new Gate(), listener: new Gate() };
    const events: string[] = [];
    live.onMessage(async (message) => {
      events.push(`listener ${message.toString()}`);
      if (message === '2') await gates.listener.passed;
    });
    void (async () => {
      for await (const message of live.socket) {
        events.push(`loop ${message.toString()}`);
        if (message === '1') await gates.loop.passed;
      }
    })();
    await live.sendTexts('1', '2', '3');
    await live.readAll();
    expect(events).toEqual(['listener 1', 'loop 1']);
    gates.loop.open();
    await turns();
    expect(events.slice(2)).toEqual(['listener 2', 'loop 2']);
    gates.listener.open();
    await turns();
    expect(events.slice(4)).toEqual(['listener 3', 'loop 3']);
  });

  it('holds nothing back once the iterator was made and never asked', async () => {
    const live = await openLive(role);
    const got: unknown[] = [];
    live.socket[Symbol.asyncIterator]();
    live.socket.on('message', (message) => void got.push(message));
    await live.sendTexts('1', '2');
    await live.readAll();
    expect(got).toEqual(['1', '2']);
  });

  it('takes back a read that nobody waits for any more when it is left', async () => {
    const live = await openLive(role);
    const iterator = live.socket[Symbol.asyncIterator]();
    const read = iterator.next();
    await iterator.return?.();
    expect(await read).toEqual(DONE);
    await live.sendTexts('1');
    expect(await live.socket[Symbol.asyncIterator]().next()).toEqual(value('1'));
  });

  it('goes on after a pause, and ends though the socket is paused', async () => {
    const live = await openLive(role);
    const iterator = live.socket[Symbol.asyncIterator]();
    await live.sendTexts('1');
    await live.readAll();
    live.socket.pause();
    const read = iterator.next();
    await turns();
    live.socket.resume();
    expect(await read).toEqual(value('1'));
    live.socket.pause();
    const last = iterator.next();
    live.socket.terminate();
    expect(await last).toEqual(DONE);
  });

  it('ends behind the messages, though a listener is busy when the peer closes', async () => {
    const live = await openLive(role);
    const gate = new Gate();
    live.onMessage(() => gate.passed);
    const iterator = live.socket[Symbol.asyncIterator]();
    const reads = [iterator.next(), iterator.next(), iterator.next()];
    await live.send({ payload: '1' }, { payload: '2' }, { opcode: 8, payload: closeBody(1000) });
    live.peer.end();
    await live.peer.closed();
    await turns();
    gate.open();
    expect(await Promise.all(reads)).toEqual([value('1'), value('2'), DONE]);
    expect(await live.closed).toEqual([1000, '', true]);
  });
});
