import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Delivery, type DeliveryOwner, type Message } from '../../src/connection/delivery.ts';
import { MessageStream, PieceQueue } from '../../src/connection/message-stream.ts';
import { Gate } from '../support/live-socket.ts';

/** Takes what it is given, as a test says, and remembers all that it was told. */
class RecordingOwner implements DeliveryOwner {
  readonly given: unknown[] = [];
  readonly rejected: unknown[] = [];
  readonly full: boolean[] = [];
  readonly dropped: MessageStream[] = [];
  idle = 0;
  pumped = 0;
  isReady = true;
  /** What happens while a message is given out. */
  during: (message: unknown) => PromiseLike<unknown> | null = () => null;

  consume(message: Message | MessageStream, binary: boolean): PromiseLike<unknown> | null {
    this.given.push(binary ? [message] : message);
    return this.during(message);
  }

  onRejected(error: unknown): void {
    this.rejected.push(error);
  }

  onFull(full: boolean): void {
    this.full.push(full);
  }

  onPumped(): void {
    this.pumped++;
  }

  onDropped(stream: MessageStream): void {
    this.dropped.push(stream);
  }

  onIdle(): void {
    this.idle++;
  }
}

const LIMITS = { maxQueue: 3, maxQueueSize: 100 };

function make(isReady: boolean = true): { owner: RecordingOwner; delivery: Delivery } {
  const owner = new RecordingOwner();
  owner.isReady = isReady;
  return { owner, delivery: new Delivery(owner, LIMITS) };
}

function makeStream(): MessageStream {
  return new MessageStream(new PieceQueue({ onSize() {}, onDone() {} }, false), true);
}

/** Lets everything go on that waits for a promise that has settled. */
async function settled(): Promise<void> {
  await new Promise(setImmediate);
}

describe('a delivery', () => {
  it('gives a message out at once, where somebody takes it', () => {
    const { owner, delivery } = make();
    delivery.deliver('text', false, 4);
    delivery.deliver(Buffer.from([1]), true, 1);
    expect(owner.given).toEqual(['text', [Buffer.from([1])]]);
    expect([delivery.isIdle, delivery.hasWaiting, delivery.isBusy]).toEqual([true, false, false]);
  });

  it('can be forgotten where nothing waits and nobody is busy', async () => {
    const { owner, delivery } = make();
    const during: boolean[] = [];
    const gate = new Gate();
    owner.during = (message) => {
      during.push(delivery.isForgettable);
      return message === 'slow' ? gate.passed : null;
    };
    delivery.deliver('text', false, 4);
    expect([during, delivery.isForgettable]).toEqual([[false], true]);
    delivery.deliver('slow', false, 4);
    expect(delivery.isForgettable).toBe(false);
    gate.open();
    await settled();
    expect(delivery.isForgettable).toBe(true);
    owner.isReady = false;
    for (const message of ['fills', 'the', 'queue']) delivery.deliver(message, false, 4);
    expect([delivery.isFull, delivery.isForgettable]).toEqual([true, false]);
    delivery.clear();
    expect(delivery.isForgettable).toBe(true);
    delivery.discard();
    expect(delivery.isForgettable).toBe(false);
  });

  it('keeps messages where nobody takes them, and gives them out in order', () => {
    const { owner, delivery } = make(false);
    for (const message of ['one', 'two']) delivery.deliver(message, false, 3);
    delivery.pump();
    expect(owner.given).toEqual([]);
    expect([delivery.isIdle, delivery.hasWaiting, owner.idle]).toEqual([false, true, 0]);
    owner.isReady = true;
    delivery.deliver('three', false, 5);
    expect(owner.given).toEqual([]);
    delivery.pump();
    expect(owner.given).toEqual(['one', 'two', 'three']);
    expect([delivery.isIdle, delivery.hasWaiting, owner.idle]).toEqual([true, false, 1]);
  });

  it('gives out the next message when the promise for the last one has settled', async () => {
    const { owner, delivery } = make();
    const gates = new Map(['one', 'two', 'three'].map((name) => [name, new Gate()]));
    owner.during = (message) => gates.get(String(message))?.passed ?? null;
    for (const name of gates.keys()) delivery.deliver(name, false, 3);
    await settled();
    expect(owner.given).toEqual(['one']);
    expect([delivery.isBusy, delivery.hasWaiting, owner.idle]).toEqual([true, true, 0]);
    gates.get('two')!.open();
    gates.get('one')!.open();
    await settled();
    expect(owner.given).toEqual(['one', 'two', 'three']);
    expect(owner.idle).toBe(0);
    gates.get('three')!.open();
    await settled();
    expect([delivery.isBusy, owner.idle]).toEqual([false, 1]);
  });

  it('tells what a consumer rejected with, and goes on', async () => {
    const { owner, delivery } = make();
    const mistake = new Error('a mistake');
    owner.during = (message) => (message === 'bad' ? Promise.reject(mistake) : null);
    delivery.deliver('bad', false, 3);
    delivery.deliver('good', false, 4);
    await settled();
    expect(owner.rejected).toEqual([mistake]);
    expect(owner.given).toEqual(['bad', 'good']);
    expect(delivery.isIdle).toBe(true);
  });

  it('waits for something other than a message', async () => {
    const { owner, delivery } = make();
    const first = new Gate();
    const second = new Gate();
    delivery.runUntil(first.passed);
    delivery.runUntil(second.passed);
    delivery.deliver('text', false, 4);
    first.open();
    await settled();
    expect(owner.given).toEqual([]);
    second.open();
    await settled();
    expect(owner.given).toEqual(['text']);
  });

  it('waits until a stream was read', () => {
    const { owner, delivery } = make();
    const stream = makeStream();
    owner.during = (message) => {
      if (message === stream) delivery.begin();
      return null;
    };
    delivery.deliver(stream, true, 0);
    delivery.deliver('behind', false, 6);
    expect(owner.given).toEqual([[stream]]);
    delivery.settle();
    expect(owner.given).toEqual([[stream], 'behind']);
  });

  it('gives out what comes while a consumer is called when that has returned', () => {
    const { owner, delivery } = make();
    const order: string[] = [];
    owner.during = (message) => {
      order.push(`begin ${String(message)}`);
      if (message === 'one') {
        delivery.deliver('two', false, 3);
        delivery.deliver('three', false, 5);
        delivery.pump();
      }
      order.push(`end ${String(message)}`);
      return null;
    };
    delivery.deliver('one', false, 3);
    expect(order).toEqual([
      'begin one',
      'end one',
      'begin two',
      'end two',
      'begin three',
      'end three',
    ]);
  });

  it('takes what is no promise, and settles more than once', async () => {
    const { owner, delivery } = make();
    owner.during = () => ({
      // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
      then(onFulfilled?: ((value: unknown) => unknown) | null): never {
        onFulfilled?.(undefined);
        onFulfilled?.(undefined);
        throw new Error('too late to reject');
      },
    });
    for (const message of ['one', 'two', 'three']) delivery.deliver(message, false, 3);
    expect(owner.given[0]).toBe('one');
    while (!delivery.isIdle) await settled();
    expect(owner.given).toEqual(['one', 'two', 'three']);
    expect(owner.rejected).toEqual([]);
  });
});

describe('a consumer', () => {
  it('is handling while it is called, and busy when that has returned', async () => {
    const { owner, delivery } = make();
    const gate = new Gate();
    const seen: boolean[][] = [];
    const look = (): void =>
      void seen.push([delivery.isHandling, delivery.isBusy, delivery.isIdle]);
    owner.during = () => {
      look();
      return gate.passed;
    };
    look();
    delivery.deliver('text', false, 4);
    look();
    gate.open();
    await settled();
    look();
    expect(seen).toEqual([
      [false, false, true],
      [true, false, false],
      [true, true, false],
      [false, false, true],
    ]);
  });
});

describe('a message that is put back', () => {
  it('is given out again before what waits, when that can be', async () => {
    const { owner, delivery } = make();
    const gate = new Gate();
    delivery.runUntil(gate.passed);
    delivery.deliver('two', false, 3);
    delivery.putBack('one', true);
    expect(owner.given).toEqual([]);
    gate.open();
    await settled();
    expect(owner.given).toEqual([['one'], 'two']);
    delivery.putBack('three', false);
    delivery.pump();
    expect(owner.given).toEqual([['one'], 'two', 'three']);
  });

  it('counts as one that waits', () => {
    const { owner, delivery } = make(false);
    delivery.putBack('x'.repeat(100), false);
    expect([delivery.isFull, owner.full]).toEqual([true, [true]]);
    owner.isReady = true;
    delivery.pump();
    expect([delivery.isFull, delivery.isIdle]).toEqual([false, true]);
  });

  it('is dropped where nothing is wanted any more', () => {
    const { owner, delivery } = make();
    delivery.discard();
    delivery.putBack('one', false);
    delivery.pump();
    expect(owner.given).toEqual([]);
  });
});

describe('the bounds of a delivery', () => {
  it('are reached by a number of messages', () => {
    const { owner, delivery } = make(false);
    for (let i = 0; i < 4; i++) {
      delivery.deliver('', false, 0);
      expect(delivery.isFull).toBe(i >= 2);
    }
    expect(owner.full).toEqual([true]);
    owner.isReady = true;
    delivery.pump();
    expect(owner.full).toEqual([true, false]);
    expect(delivery.isFull).toBe(false);
  });

  it('are reached by a number of bytes', () => {
    const { owner, delivery } = make(false);
    delivery.deliver('99 bytes', false, 99);
    expect(owner.full).toEqual([]);
    delivery.deliver('and one', false, 1);
    expect(owner.full).toEqual([true]);
    owner.isReady = true;
    delivery.pump();
    expect(owner.full).toEqual([true, false]);
  });

  it('count each message once, however often it is full', async () => {
    const { owner, delivery } = make();
    for (let round = 0; round < 3; round++) {
      const gate = new Gate();
      owner.during = () => gate.passed;
      delivery.deliver('busy', false, 90);
      // The one that is being handled takes no room.
      delivery.deliver('waits', false, 99);
      expect(delivery.isFull).toBe(false);
      delivery.deliver('waits', false, 1);
      expect(delivery.isFull).toBe(true);
      owner.during = () => null;
      gate.open();
      await settled();
      expect(delivery.isIdle).toBe(true);
    }
    expect(owner.full).toEqual([true, false, true, false, true, false]);
  });
});

describe('a delivery that discards', () => {
  it('drops what waits, and takes no more', () => {
    const { owner, delivery } = make(false);
    for (let i = 0; i < 3; i++) delivery.deliver('dropped', false, 7);
    delivery.discard();
    expect(owner.full).toEqual([true, false]);
    owner.isReady = true;
    delivery.deliver('late', false, 4);
    delivery.pump();
    expect(owner.given).toEqual([]);
    expect([delivery.isIdle, delivery.hasWaiting]).toEqual([true, false]);
  });

  it('tells which streams it drops, and drops what waits once where it is only cleared', () => {
    const { owner, delivery } = make(false);
    const streams = [makeStream(), makeStream(), makeStream()];
    delivery.deliver(streams[0]!, true, 0);
    delivery.deliver('text', false, 4);
    delivery.deliver(streams[1]!, true, 0);
    delivery.clear();
    expect(owner.dropped).toEqual(streams.slice(0, 2));
    expect([delivery.hasWaiting, delivery.isFull, owner.full]).toEqual([
      false,
      false,
      [true, false],
    ]);
    delivery.deliver(streams[2]!, true, 0);
    delivery.deliver('kept', false, 4);
    delivery.discard();
    expect(owner.dropped).toEqual(streams);
    delivery.clear();
    expect(owner.dropped).toHaveLength(3);
  });

  it('tells that it was looked through, each time', () => {
    const { owner, delivery } = make();
    delivery.pump();
    delivery.deliver('at once', false, 7);
    delivery.pump();
    expect(owner.pumped).toBe(2);
  });

  it('drops the rest in the middle of giving it out', () => {
    const { owner, delivery } = make(false);
    for (const message of ['one', 'two', 'three']) delivery.deliver(message, false, 3);
    owner.isReady = true;
    owner.during = (message) => {
      if (message === 'two') delivery.discard();
      return null;
    };
    delivery.pump();
    expect(owner.given).toEqual(['one', 'two']);
    expect(delivery.isIdle).toBe(true);
  });

  it('is idle when the consumer that is busy has done', async () => {
    const { owner, delivery } = make();
    const gate = new Gate();
    owner.during = () => gate.passed;
    delivery.deliver('one', false, 3);
    delivery.deliver('two', false, 3);
    delivery.discard();
    expect([delivery.isIdle, owner.idle]).toEqual([false, 0]);
    gate.open();
    await settled();
    expect([delivery.isIdle, owner.idle]).toEqual([true, 1]);
    expect(owner.given).toEqual(['one']);
  });
});

it('gives every message once, in order and one at a time, whatever happens meanwhile', async () => {
  const step = fc.oneof(
    fc.constantFrom('deliver', 'deliver', 'deliver', 'pump', 'ready', 'unready', 'wait'),
  );
  const manner = fc.constantFrom('sync', 'async', 'reject', 'deliver', 'pump');
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      fc.array(manner, { minLength: 1, maxLength: 10 }),
      async (steps, manners) => {
        const { owner, delivery } = make();
        let next = 0;
        let running = 0;
        let atOnce = 0;
        const deliver = (): void => delivery.deliver(String(next++), false, 10);
        owner.during = (message) => {
          atOnce = Math.max(atOnce, ++running);
          switch (manners[Number(message) % manners.length]) {
            case 'async':
              return settled().then(() => running--);
            case 'reject':
              return settled().then(() => {
                running--;
                throw new Error('a mistake');
              });
            case 'deliver':
              if (next < 60) deliver();
              break;
            case 'pump':
              delivery.pump();
              break;
            case 'sync':
            case undefined:
          }
          running--;
          return null;
        };
        for (const name of steps) {
          if (name === 'deliver') deliver();
          else if (name === 'pump') delivery.pump();
          else if (name === 'wait') await settled();
          else owner.isReady = name === 'ready';
        }
        owner.isReady = true;
        delivery.pump();
        while (!delivery.isIdle) await settled();
        expect(owner.given).toEqual(Array.from({ length: next }, (_, i) => String(i)));
        expect(atOnce).toBeLessThanOrEqual(1);
        expect(owner.full.every((full, i) => full === (i % 2 === 0))).toBe(true);
        expect(delivery.isFull).toBe(false);
      },
    ),
  );
});
