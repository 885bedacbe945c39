import { afterEach, describe, expect, it, vi } from 'vitest';
import { Keepalive, type KeepaliveStep, type Progress } from '../../src/connection/keepalive.ts';
import { Tenure, type TenureOptions, createKeepalive } from '../../src/connection/tenure.ts';
import { ManualClock } from '../support/manual-clock.ts';

const QUIET: Progress = { taken: 0, deaf: false, waiting: 0, answering: false };
const NEVER = Number.POSITIVE_INFINITY;

/** A tenure that began at 1,000 ms, and its clock. */
class Watched {
  readonly clock = new ManualClock();
  readonly tenure: Tenure;

  constructor(options: Partial<TenureOptions>, chance: number = 0) {
    const none = { pingInterval: 0, pingTimeout: 10_000, idleTimeout: 0, maxLifetime: 0 };
    this.tenure = new Tenure({ ...none, ...options }, this.clock.now(), chance);
  }

  /** Lets time pass, then looks at it. */
  after(milliseconds: number, situation: Partial<Progress> = {}): KeepaliveStep {
    this.clock.advance(milliseconds);
    return this.tenure.advance(this.clock.now(), { ...QUIET, ...situation });
  }

  hearMessage(): void {
    this.tenure.hearMessage(this.clock.now());
  }
}

afterEach(() => void vi.restoreAllMocks());

describe('a peer', () => {
  it('is idle when no message came for idleTimeout, and not a moment before', () => {
    const watched = new Watched({ idleTimeout: 60_000 });
    expect(watched.tenure.deadline).toBe(61_000);
    expect(watched.after(59_999)).toBe('nothing');
    expect(watched.after(1)).toBe('idle');
  });

  it('is idle for as long since its last message', () => {
    const watched = new Watched({ idleTimeout: 60_000 });
    expect(watched.after(50_000)).toBe('nothing');
    watched.hearMessage();
    expect(watched.tenure.deadline).toBe(111_000);
    expect(watched.after(59_999)).toBe('nothing');
    expect(watched.after(1)).toBe('idle');
  });

  it('is called idle once', () => {
    const watched = new Watched({ idleTimeout: 60_000 });
    expect(watched.after(60_000)).toBe('idle');
    watched.hearMessage();
    expect(watched.tenure.deadline).toBe(NEVER);
    expect(watched.after(1e9)).toBe('nothing');
  });

  it('is not idle for bytes, for Pongs or for what we send', () => {
    const watched = new Watched({ idleTimeout: 60_000, pingInterval: 30_000 });
    expect(watched.after(30_000)).toBe('ping');
    const payload = watched.tenure.payload();
    watched.tenure.hear();
    watched.tenure.hearPong(payload, 0, payload.length, watched.clock);
    expect(watched.after(30_000, { taken: 1_000 })).toBe('idle');
  });

  it('is not idle while it waits for our answer, and for idleTimeout after that', () => {
    const watched = new Watched({ idleTimeout: 60_000 });
    expect(watched.after(60_000, { answering: true })).toBe('nothing');
    expect(watched.after(60_000, { answering: true })).toBe('nothing');
    expect(watched.tenure.deadline).toBe(181_000);
    expect(watched.after(60_000)).toBe('idle');
  });

  it('is not idle while it takes what waits for it', () => {
    const watched = new Watched({ idleTimeout: 60_000 });
    expect(watched.after(60_000, { waiting: 100, taken: 10 })).toBe('nothing');
    expect(watched.after(60_000, { waiting: 90, taken: 20 })).toBe('nothing');
    expect(watched.after(60_000, { waiting: 0, taken: 110 })).toBe('idle');
  });

  it('is idle where it takes nothing of what waits for it', () => {
    const watched = new Watched({ idleTimeout: 60_000 });
    expect(watched.after(60_000, { waiting: 100, taken: 10 })).toBe('nothing');
    expect(watched.after(60_000, { waiting: 100, taken: 10 })).toBe('idle');
  });

  it('is given idleTimeout when we read again', () => {
    const watched = new Watched({ idleTimeout: 60_000 });
    watched.tenure.hearNothing(watched.clock.now());
    expect(watched.after(59_000)).toBe('nothing');
    watched.tenure.hearAgain(watched.clock.now());
    expect(watched.tenure.deadline).toBe(120_000);
  });
});

describe('a connection', () => {
  it('is old after maxLifetime, whatever happens on it', () => {
    const watched = new Watched({ maxLifetime: 60_000 });
    expect(watched.tenure.deadline).toBe(61_000);
    watched.hearMessage();
    expect(watched.after(59_999, { answering: true })).toBe('nothing');
    expect(watched.after(1, { answering: true, waiting: 1, taken: 1 })).toBe('old');
  });

  it('is called old once', () => {
    const watched = new Watched({ maxLifetime: 60_000 });
    expect(watched.after(60_000)).toBe('old');
    expect(watched.tenure.deadline).toBe(NEVER);
    expect(watched.after(1)).toBe('nothing');
  });

  it('leaves up to a tenth earlier, by chance', () => {
    expect(new Watched({ maxLifetime: 60_000 }, 1).tenure.deadline).toBe(55_000);
    expect(new Watched({ maxLifetime: 60_000 }, 0.5).tenure.deadline).toBe(58_000);
    vi.spyOn(Math, 'random').mockReturnValueOnce(0.25);
    const options = { pingInterval: 0, pingTimeout: 1, idleTimeout: 0, maxLifetime: 1_000 };
    expect(new Tenure(options, 0).deadline).toBe(975);
  });

  it('has the nearest of all deadlines', () => {
    const all = { pingInterval: 30_000, idleTimeout: 40_000, maxLifetime: 50_000 };
    expect(new Watched(all).tenure.deadline).toBe(31_000);
    expect(new Watched({ ...all, pingInterval: 60_000 }).tenure.deadline).toBe(41_000);
    expect(new Watched({ ...all, idleTimeout: 0, pingInterval: 0 }).tenure.deadline).toBe(51_000);
  });

  it('has none when it is closing', () => {
    const watched = new Watched({ pingInterval: 1, idleTimeout: 2, maxLifetime: 3 });
    watched.tenure.stop();
    watched.hearMessage();
    expect(watched.tenure.deadline).toBe(NEVER);
    expect(watched.after(1e9)).toBe('nothing');
  });

  it('has a tenure where it may not stay for ever, and does without it otherwise', () => {
    const clock = new ManualClock();
    const none = { pingInterval: 0, pingTimeout: 1, idleTimeout: 0, maxLifetime: 0 };
    const now = vi.spyOn(clock, 'now');
    expect(createKeepalive(none, clock)).not.toBeInstanceOf(Tenure);
    expect(now).not.toHaveBeenCalled();
    const beating = createKeepalive({ ...none, pingInterval: 10 }, clock);
    expect([beating instanceof Tenure, beating.deadline]).toEqual([false, 1_010]);
    expect(createKeepalive({ ...none, idleTimeout: 10 }, clock).deadline).toBe(1_010);
    expect(createKeepalive({ ...none, maxLifetime: 10 }, clock)).toBeInstanceOf(Tenure);
    expect(createKeepalive(none, clock)).toBeInstanceOf(Keepalive);
  });
});
