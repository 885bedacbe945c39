import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { Intake, type IntakeOwner } from '../../src/connection/intake.ts';
import { Share } from '../../src/connection/share.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

/** Decodes byte by byte; behind an `r` it is enough for this turn, and behind a `w` work is done elsewhere. */
class RestingOwner implements IntakeOwner {
  /** A letter for each byte, `|` for the end of a turn, `~` for a rest that ends, `$` for the end. */
  log = '';
  holding = false;
  readonly transport = new MemoryTransport();
  readonly clock = new ManualClock();
  readonly intake = new Intake(this, this.transport, new Share(this.clock));

  decode(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk.toString('latin1', at, at + 1);
      this.log += byte;
      if (byte === 'r') this.intake.rest();
      if (byte === 'w') this.intake.wait();
      if (byte === 't') this.clock.advance(1_000);
      if (this.holding) return at + 1;
    }
    return chunk.length;
  }

  onHold(holding: boolean): void {
    this.holding = holding;
  }

  onTurnEnd(): void {
    this.log += '|';
  }

  onIdle(): void {}

  onEnd(): void {
    this.log += '$';
  }

  onRested(): void {
    this.log += '~';
    this.intake.endRest();
  }
}

let owner: RestingOwner;
let intake: Intake;
let transport: MemoryTransport;

beforeEach(() => {
  owner = new RestingOwner();
  ({ intake, transport } = owner);
});

function take(bytes: string): void {
  intake.take(Buffer.from(bytes));
}

describe('a rest', () => {
  it('stops in the middle of a chunk until the next turn, and the transport with it', async () => {
    take('arbc');
    expect([owner.log, transport.paused, intake.isResting]).toEqual(['ar|', true, true]);
    await Promise.resolve();
    expect(owner.log).toBe('ar|');
    await nextTurn();
    expect([owner.log, transport.paused, intake.isResting]).toEqual(['ar|~bc|', false, false]);
  });

  it('comes again, once in each turn, and the transport waits for the last', async () => {
    take('arbrcrd');
    const seen: unknown[] = [];
    for (let i = 0; i < 3; i++) {
      await nextTurn();
      seen.push([owner.log, transport.paused]);
    }
    expect(seen).toEqual([
      ['ar|~br|', true],
      ['ar|~br|~cr|', true],
      ['ar|~br|~cr|~d|', false],
    ]);
    expect(transport.calls).toEqual(['pause', 'pause', 'pause', 'resume']);
  });

  it('holds what comes all the same, in its order', async () => {
    take('arb');
    for (const byte of 'cdef') take(byte);
    await nextTurn();
    expect(owner.log).toBe('ar|~bcdef|');
  });

  it('at the end of a chunk holds nothing, and what comes waits', async () => {
    take('ar');
    take('b');
    take('c');
    expect(owner.log).toBe('ar|');
    await nextTurn();
    expect(owner.log).toBe('ar|~bc|');
    take('dr');
    await nextTurn();
    expect([owner.log, transport.paused]).toEqual(['ar|~bc|dr|~', false]);
  });

  it('follows a large chunk that took long, and no small one', async () => {
    take('t');
    expect(intake.isResting).toBe(false);
    take(`t${'.'.repeat(5_000)}`);
    expect([intake.isResting, intake.isHolding, transport.paused]).toEqual([true, true, true]);
    await nextTurn();
    expect([intake.isResting, intake.isHolding, transport.paused]).toEqual([false, false, false]);
  });

  it('that is over does not end a pause, nor a pause the rest', async () => {
    take('arb');
    intake.pause(true);
    intake.congest(true);
    await nextTurn();
    expect([owner.log, transport.paused]).toEqual(['ar|~', true]);
    intake.congest(false);
    intake.pause(false);
    expect(owner.log).toBe('ar|~b|');
    take('rc');
    intake.pause(true);
    intake.pause(false);
    intake.release();
    expect([owner.log, transport.paused]).toEqual(['ar|~b|r|', true]);
    await nextTurn();
    expect([owner.log, transport.paused]).toEqual(['ar|~b|r|~c|', false]);
  });

  it('keeps what was worked at elsewhere waiting too', async () => {
    take('w');
    intake.rest();
    take('b');
    intake.goOn(() => {
      owner.log += 'W';
    });
    expect(owner.log).toBe('w|');
    await nextTurn();
    expect(owner.log).toBe('w|~W|b|');
  });

  it('does not wait for what is worked at elsewhere, and goes on with nothing before it', async () => {
    take('wb');
    intake.rest();
    await nextTurn();
    expect([owner.log, transport.paused]).toEqual(['w|~', true]);
    intake.goOn(() => {});
    expect([owner.log, transport.paused]).toEqual(['w|~|b|', false]);
  });

  it('keeps the end of the transport waiting only where it holds bytes before it', async () => {
    take('arb');
    intake.end();
    expect(owner.log).toBe('ar|');
    await nextTurn();
    expect(owner.log).toBe('ar|~b|$');
    const other = new RestingOwner();
    other.intake.take(Buffer.from('ar'));
    other.intake.end();
    expect(other.log).toBe('ar|$');
    await nextTurn();
  });

  it('ends with the stop, for good', async () => {
    take('arb');
    intake.stop();
    expect([intake.isResting, transport.paused]).toEqual([false, false]);
    intake.rest();
    const calls = transport.calls.length;
    await nextTurn();
    await nextTurn();
    expect(owner.log).toBe('ar|~');
    expect(transport.calls.slice(calls)).toEqual([]);
  });

  it('may bring about the stop when it goes on', async () => {
    owner.onTurnEnd = () => {
      if (owner.log.endsWith('b')) intake.stop();
    };
    take('arbc');
    take('d');
    await nextTurn();
    expect(owner.log).toBe('ar~bcd');
  });

  it('is over when the transport is gone: what is held is decoded, without another', async () => {
    take('arbrc');
    take('rd');
    intake.finish();
    expect(owner.log).toBe('ar|brcrd|');
    await nextTurn();
    expect(owner.log).toBe('ar|brcrd|~');
  });

  it('that is over as the transport is gone does not end a pause', () => {
    take('arb');
    intake.pause(true);
    intake.finish();
    expect(owner.log).toBe('ar|');
  });

  it('is no time to forget anything', async () => {
    take('ar');
    expect(intake.isForgettable).toBe(false);
    await nextTurn();
    expect(intake.isForgettable).toBe(true);
    intake.finish();
    expect(owner.log).toBe('ar|~');
  });
});
