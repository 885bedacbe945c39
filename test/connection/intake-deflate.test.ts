import { beforeEach, describe, expect, it } from 'vitest';
import { Intake, type IntakeOwner } from '../../src/connection/intake.ts';
import { Share } from '../../src/connection/share.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

/** Decodes byte by byte; a capital letter is worked at elsewhere, and what follows it waits. */
class WorkingOwner implements IntakeOwner {
  /** A letter for each byte, `|` for the end of a turn, `$` for the end of the transport. */
  log = '';
  holding = false;
  idle = 0;
  readonly intake: Intake;
  readonly transport = new MemoryTransport();
  atTurnEnd: () => void = () => {};
  atIdle: () => void = () => {};

  constructor() {
    this.intake = new Intake(this, this.transport, new Share(new ManualClock()));
  }

  decode(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk.toString('latin1', at, at + 1);
      if (byte === byte.toUpperCase()) this.intake.wait();
      else this.log += byte;
      if (this.holding) return at + 1;
    }
    return chunk.length;
  }

  onHold(holding: boolean): void {
    this.holding = holding;
  }

  onTurnEnd(): void {
    this.log += '|';
    this.atTurnEnd();
  }

  onIdle(): void {
    this.idle++;
    this.atIdle();
  }

  onRested(): void {
    this.intake.endRest();
  }

  onEnd(): void {
    this.log += '$';
  }

  take(bytes: string): void {
    this.intake.take(Buffer.from(bytes));
  }

  /** The work is done: gives out `letter`, and does `also` in the same turn. */
  finish(letter: string, also: () => void = () => {}): void {
    this.intake.goOn(() => {
      expect(this.intake.isInTurn).toBe(true);
      this.log += letter;
      also();
    });
  }
}

let owner: WorkingOwner;
let intake: Intake;

beforeEach(() => {
  owner = new WorkingOwner();
  ({ intake } = owner);
});

describe('bytes behind what is worked at elsewhere', () => {
  it('wait for it, those of its chunk and those that still come', () => {
    owner.take('aBc');
    owner.take('d');
    owner.take('e');
    expect([owner.log, intake.isHolding, owner.transport.paused]).toEqual(['a|', true, true]);
    owner.finish('B');
    expect([owner.log, intake.isHolding, owner.transport.paused]).toEqual([
      'a|B|cde|',
      false,
      false,
    ]);
  });

  it('wait again for the next', () => {
    owner.take('aBCd');
    owner.finish('B');
    expect([owner.log, owner.transport.paused]).toEqual(['a|B||', true]);
    owner.finish('C');
    expect(owner.log).toBe('a|B||C|d|');
  });

  it('wait on where it is not done after all', () => {
    owner.take('Ab');
    owner.finish('1', () => intake.wait());
    owner.take('c');
    expect([owner.log, owner.transport.paused]).toEqual(['|1|', true]);
    owner.finish('2');
    expect(owner.log).toBe('|1|2|bc|');
  });

  it('are followed by the end of the transport, which waits too', () => {
    owner.take('aB');
    intake.end();
    expect(owner.log).toBe('a|');
    owner.finish('B');
    expect(owner.log).toBe('a|B|$');
  });

  it('are decoded before the end of the transport', () => {
    owner.take('aBc');
    intake.end();
    owner.finish('B');
    expect(owner.log).toBe('a|B|c|$');
  });

  it.each(['pause', 'congest'] as const)('wait as long as it is held back: %s', (hold) => {
    owner.take('Ab');
    intake[hold](true);
    owner.finish('A');
    intake.end();
    expect([owner.log, intake.isInTurn, owner.transport.paused]).toEqual(['|', false, true]);
    intake[hold](false);
    expect([owner.log, owner.transport.paused]).toEqual(['|A|b|$', false]);
  });

  it('wait until nothing at all holds it back', () => {
    owner.take('Ab');
    intake.pause(true);
    intake.congest(true);
    owner.finish('A');
    intake.pause(false);
    expect(owner.log).toBe('|');
    intake.congest(false);
    expect(owner.log).toBe('|A|b|');
  });

  it('wait for it although a pause is over before', () => {
    owner.take('Ab');
    intake.pause(true);
    intake.pause(false);
    expect([owner.log, owner.transport.paused]).toEqual(['|', true]);
    owner.finish('A');
    expect(owner.log).toBe('|A|b|');
  });

  it.each(['pause', 'congest'] as const)(
    'wait where it is held back by whom it is given to: %s',
    (hold) => {
      owner.take('Ab');
      owner.finish('A', () => intake[hold](true));
      expect([owner.log, owner.transport.paused]).toEqual(['|A|', true]);
      intake[hold](false);
      expect(owner.log).toBe('|A|b|');
    },
  );

  it('wait for the work, but for nothing else, after release', () => {
    owner.take('Ab');
    intake.pause(true);
    intake.congest(true);
    intake.release();
    expect([owner.log, owner.transport.paused]).toEqual(['|', true]);
    owner.finish('A');
    expect(owner.log).toBe('|A|b|');
  });

  it('come when release ends what held the work back', () => {
    owner.take('Ab');
    intake.pause(true);
    owner.finish('A');
    intake.release();
    expect(owner.log).toBe('|A|b|');
  });

  it('that come while it is given out stand behind the others', () => {
    owner.take('Ab');
    owner.finish('A', () => owner.take('c'));
    expect(owner.log).toBe('|A|bc|');
  });
});

describe('what was worked at elsewhere', () => {
  it('is not given out after the stop, and holds nothing any more', () => {
    owner.take('Ab');
    intake.stop();
    owner.finish('A');
    intake.release();
    owner.take('c');
    expect([owner.log, intake.isHolding, owner.transport.paused]).toEqual(['|', false, false]);
  });

  it('is not given out after a stop that came while it was held back', () => {
    owner.take('Ab');
    intake.pause(true);
    owner.finish('A');
    intake.stop();
    intake.pause(false);
    expect(owner.log).toBe('|');
  });

  it('may bring about the stop', () => {
    owner.take('Ab');
    owner.finish('A', () => intake.stop());
    owner.take('c');
    expect([owner.log, owner.transport.paused]).toEqual(['|A|', false]);
  });

  it('leaves the turn also where giving it out throws', () => {
    owner.take('Ab');
    const step = (): void => owner.finish('A', () => JSON.parse('no JSON'));
    expect(step).toThrow(SyntaxError);
    expect([owner.log, intake.isInTurn]).toEqual(['|A', false]);
  });

  it('is followed by a look at what has been sent, though the bytes behind it still wait', () => {
    owner.take('A');
    const { idle } = owner;
    const seen: boolean[] = [];
    owner.atIdle = () => seen.push(intake.isInTurn);
    owner.finish('A', () => intake.pause(true));
    expect(owner.idle).toBeGreaterThan(idle);
    expect(seen).not.toContain(true);
  });
});
