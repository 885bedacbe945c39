import { describe, expect, it } from 'vitest';
import { Keepalive, type KeepaliveStep, type Progress } from '../../src/connection/keepalive.ts';
import { hex } from '../support/bytes.ts';
import { ManualClock } from '../support/manual-clock.ts';

const INTERVAL = 30_000;
const TIMEOUT = 10_000;

const QUIET: Progress = { taken: 0, deaf: false, waiting: 0, answering: false };

/** A keepalive that began at 1,000 ms, and its clock. */
class Watched {
  readonly clock = new ManualClock();
  readonly keepalive: Keepalive;

  constructor(pingInterval: number = INTERVAL, pingTimeout: number = TIMEOUT) {
    this.keepalive = new Keepalive({ pingInterval, pingTimeout }, this.clock.now());
  }

  /** Lets time pass, then looks at it. */
  after(milliseconds: number, situation: Partial<Progress> = {}): KeepaliveStep {
    this.clock.advance(milliseconds);
    const progress = { ...QUIET, ...situation };
    const step = this.keepalive.advance(this.clock.now(), progress);
    if (step === 'ping') this.keepalive.sent(progress);
    return step;
  }

  /** The peer answers with this payload, which does not lie at the beginning of its chunk. */
  hearPong(payload: Buffer): void {
    const source = Buffer.concat([hex('ff ff ff'), payload, hex('ff')]);
    this.keepalive.hearPong(source, 3, 3 + payload.length, this.clock);
  }

  /** The first Ping was just sent. */
  static pinged(): Watched {
    const watched = new Watched();
    watched.after(INTERVAL);
    return watched;
  }
}

describe('the next Ping', () => {
  it('never comes where the interval is 0', () => {
    const watched = new Watched(0);
    expect(watched.keepalive.deadline).toBe(Number.POSITIVE_INFINITY);
    expect(watched.after(1e12)).toBe('nothing');
  });

  it('is due when the interval is over, and not a moment before', () => {
    const watched = new Watched();
    expect(watched.keepalive.deadline).toBe(31_000);
    expect(watched.after(INTERVAL - 1)).toBe('nothing');
    expect(watched.after(1)).toBe('ping');
  });

  it('is due all the same when bytes came meanwhile', () => {
    const watched = new Watched();
    watched.keepalive.hear();
    expect(watched.after(INTERVAL)).toBe('ping');
  });

  it('carries its number', () => {
    const watched = Watched.pinged();
    expect(watched.keepalive.payload()).toEqual(hex('00 00 00 01'));
    watched.hearPong(hex('00 00 00 01'));
    expect(watched.after(INTERVAL)).toBe('ping');
    expect(watched.keepalive.payload()).toEqual(hex('00 00 00 02'));
  });

  it('comes one interval after the one before, however long the Pong took', () => {
    const watched = Watched.pinged();
    watched.clock.advance(4_000);
    watched.hearPong(watched.keepalive.payload());
    expect(watched.keepalive.deadline).toBe(61_000);
  });

  it('comes at once when the Pong took longer than the interval', () => {
    const watched = new Watched(1_000, 5_000);
    expect(watched.after(1_000)).toBe('ping');
    watched.clock.advance(3_000);
    watched.hearPong(watched.keepalive.payload());
    expect(watched.keepalive.deadline).toBe(5_000);
    expect(watched.after(0)).toBe('ping');
  });
});

describe('a Pong', () => {
  it('tells the latency, which is NaN before', () => {
    const watched = Watched.pinged();
    expect(watched.keepalive.latency).toBeNaN();
    watched.clock.advance(42);
    watched.hearPong(hex('00 00 00 01'));
    expect(watched.keepalive.latency).toBe(42);
  });

  it.each([
    ['another number', '00 00 00 02'],
    ['too few bytes', '00 00 01'],
    ['too many bytes', '00 00 00 01 00'],
    ['nothing', ''],
  ])('tells no latency when it carries %s', (_, payload) => {
    const watched = Watched.pinged();
    watched.clock.advance(42);
    watched.hearPong(hex(payload));
    expect(watched.keepalive.latency).toBeNaN();
  });

  it('counts for nothing when nobody asked for it', () => {
    const watched = new Watched();
    watched.hearPong(hex('00 00 00 00'));
    watched.hearPong(hex('00 00 00 01'));
    expect(watched.keepalive.latency).toBeNaN();
    expect(watched.keepalive.deadline).toBe(31_000);
  });

  it('counts once', () => {
    const watched = Watched.pinged();
    watched.hearPong(hex('00 00 00 01'));
    watched.clock.advance(5);
    watched.hearPong(hex('00 00 00 01'));
    expect(watched.keepalive.latency).toBe(0);
  });

  it('asks for the time only where it is ours', () => {
    const clock = {
      asked: 0,
      now(): number {
        this.asked++;
        return 35_000;
      },
    };
    Watched.pinged().keepalive.hearPong(hex('00 00 00 09'), 0, 4, clock);
    new Watched().keepalive.hearPong(hex('00 00 00 01'), 0, 4, clock);
    expect(clock.asked).toBe(0);
    const { keepalive } = Watched.pinged();
    keepalive.hearPong(hex('00 00 00 01'), 0, 4, clock);
    expect([clock.asked, keepalive.latency]).toEqual([1, 4_000]);
  });
});

describe('a peer', () => {
  it('is dead when it is silent for pingTimeout after a Ping', () => {
    const watched = Watched.pinged();
    expect(watched.keepalive.deadline).toBe(41_000);
    expect(watched.after(TIMEOUT - 1)).toBe('nothing');
    expect(watched.after(1)).toBe('dead');
  });

  it('is not alive because of what it sent before the Ping', () => {
    const watched = new Watched();
    watched.keepalive.hear();
    watched.after(INTERVAL, { taken: 5_000 });
    expect(watched.after(TIMEOUT, { taken: 5_000 })).toBe('dead');
  });

  it('is alive until the next Ping when any byte came, whether or not it was the Pong', () => {
    const watched = Watched.pinged();
    watched.keepalive.hear();
    expect(watched.after(TIMEOUT)).toBe('nothing');
    expect(watched.keepalive.deadline).toBe(61_000);
    expect(watched.after(INTERVAL - TIMEOUT)).toBe('ping');
    expect(watched.after(TIMEOUT)).toBe('dead');
  });

  it('is asked again at once when it was heard and the interval is over', () => {
    const watched = new Watched(1_000, 5_000);
    expect(watched.after(1_000)).toBe('ping');
    watched.keepalive.hear();
    expect(watched.after(5_000)).toBe('ping');
    expect(watched.keepalive.payload()).toEqual(hex('00 00 00 02'));
    expect(watched.after(5_000)).toBe('dead');
  });

  it('is judged by what the network takes when our Ping waits behind that', () => {
    const watched = new Watched();
    watched.after(INTERVAL, { taken: 1_000, waiting: 500 });
    expect(watched.after(TIMEOUT, { taken: 1_001, waiting: 499 })).toBe('nothing');
    expect(watched.after(TIMEOUT, { taken: 1_400, waiting: 100 })).toBe('nothing');
    expect(watched.after(TIMEOUT, { taken: 1_400, waiting: 100 })).toBe('dead');
  });

  it('is not alive because the network takes for it what did not have to wait', () => {
    const watched = new Watched();
    watched.after(INTERVAL, { taken: 1_000 });
    // The kernel has room for much, also for a peer that has vanished.
    expect(watched.after(TIMEOUT, { taken: 9_000 })).toBe('dead');
  });

  it('is not judged by its silence while we do not read', () => {
    const watched = Watched.pinged();
    for (let i = 0; i < 10; i++) expect(watched.after(TIMEOUT, { deaf: true })).not.toBe('dead');
    expect(watched.after(TIMEOUT)).toBe('dead');
  });

  it('is sent Pings all the same, so that its network tells where it is gone', () => {
    const watched = Watched.pinged();
    const steps = Array.from({ length: 7 }, () => watched.after(TIMEOUT, { deaf: true }));
    const [wait, ping] = ['nothing', 'ping'];
    expect(steps).toEqual([wait, wait, ping, wait, wait, ping, wait]);
    expect(watched.keepalive.payload()).toEqual(hex('00 00 00 03'));
    // What is read later may well be the Pong of one that came before.
    watched.keepalive.hear();
    watched.hearPong(hex('00 00 00 02'));
    expect(watched.keepalive.latency).toBeNaN();
    watched.hearPong(hex('00 00 00 03'));
    expect(watched.keepalive.latency).toBe(TIMEOUT);
  });

  it('is sent none while bytes wait that it does not take, or only those before', () => {
    const watched = Watched.pinged();
    expect(watched.after(TIMEOUT, { deaf: true, waiting: 10 })).toBe('nothing');
    expect(watched.after(TIMEOUT, { deaf: true, waiting: 9, taken: 1 })).toBe('nothing');
    expect(watched.after(TIMEOUT, { deaf: true, waiting: 8, taken: 2 })).toBe('nothing');
    expect(watched.after(TIMEOUT, { deaf: true, waiting: 8, taken: 2 })).toBe('dead');
  });

  it('is judged by what the network takes while we do not read and bytes wait', () => {
    const watched = new Watched();
    watched.after(INTERVAL, { deaf: true, waiting: 10 });
    expect(watched.after(TIMEOUT, { deaf: true, waiting: 9, taken: 1 })).toBe('nothing');
    expect(watched.after(TIMEOUT, { deaf: true, waiting: 9, taken: 1 })).toBe('dead');
  });

  it('has its full time again when we read again', () => {
    const watched = Watched.pinged();
    watched.clock.advance(9_999);
    watched.keepalive.hearAgain(watched.clock.now());
    expect(watched.keepalive.deadline).toBe(50_999);
    expect(watched.after(TIMEOUT - 1)).toBe('nothing');
    expect(watched.after(1)).toBe('dead');
  });

  it('is given the time back in which we did not read, and no more than its full time', () => {
    for (const [deafTime, deadline] of [
      [3_000, 44_000],
      [7_000, 48_000],
      [8_000, 49_000],
      // When we read again 11 s after the Ping, it has 10 s from then on.
      [9_000, 50_000],
    ] as const) {
      const watched = Watched.pinged();
      watched.clock.advance(1_000);
      watched.keepalive.hearNothing(watched.clock.now());
      watched.clock.advance(deafTime);
      watched.keepalive.hearAgain(watched.clock.now());
      expect(watched.keepalive.deadline).toBe(deadline);
    }
    const waiting = Watched.pinged();
    waiting.keepalive.hearNothing(waiting.clock.now());
    waiting.after(TIMEOUT, { deaf: true });
    waiting.clock.advance(1_000);
    waiting.keepalive.hearAgain(waiting.clock.now());
    expect(waiting.keepalive.deadline).toBe(waiting.clock.now() + TIMEOUT);
  });

  it('owes nothing when we read again and sent no Ping', () => {
    const watched = new Watched();
    watched.clock.advance(5_000);
    watched.keepalive.hearAgain(watched.clock.now());
    expect(watched.keepalive.deadline).toBe(31_000);
  });
});

describe('stop', () => {
  it('ends the Pings', () => {
    const watched = new Watched();
    watched.keepalive.stop();
    expect(watched.keepalive.deadline).toBe(Number.POSITIVE_INFINITY);
    expect(watched.after(1e9)).toBe('nothing');
  });

  it('ends the wait for a Pong', () => {
    const watched = Watched.pinged();
    watched.keepalive.stop();
    expect(watched.after(1e9)).toBe('nothing');
  });

  it('is for good: nothing that comes later brings a deadline back', () => {
    const watched = Watched.pinged();
    watched.keepalive.stop();
    watched.hearPong(hex('00 00 00 01'));
    watched.keepalive.hearAgain(watched.clock.now());
    expect(watched.keepalive.deadline).toBe(Number.POSITIVE_INFINITY);
  });
});
