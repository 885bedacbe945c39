import { beforeEach, describe, expect, it } from 'vitest';
import { Intake, type IntakeOwner } from '../../src/connection/intake.ts';
import { Share } from '../../src/connection/share.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

/** Decodes byte by byte, and stops where it is told to, as a decoder does. */
class ScriptedOwner implements IntakeOwner {
  /** A letter for each byte, `|` for the end of a turn, `$` for the end of the transport. */
  log = '';
  holding = false;
  /** Where `decode` was called, to see that nothing is decoded twice. */
  readonly decodes: string[] = [];
  during: (byte: string) => void = () => {};
  atTurnEnd: () => void = () => {};
  atRested: () => void = () => {};
  atEnd: () => void = () => {};
  /** How often it was told that all is decoded for now. */
  idle = 0;

  decode(chunk: Buffer, from: number): number {
    this.decodes.push(`${chunk.toString()}@${from}`);
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk.toString('latin1', at, at + 1);
      this.log += byte;
      this.during(byte);
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
  }

  onRested(): void {
    this.atRested();
    intake.endRest();
  }

  onEnd(): void {
    this.log += '$';
    this.atEnd();
  }
}

let owner: ScriptedOwner;
let transport: MemoryTransport;
let intake: Intake;

beforeEach(() => {
  owner = new ScriptedOwner();
  transport = new MemoryTransport();
  intake = new Intake(owner, transport, new Share(new ManualClock()));
});

function take(bytes: string): void {
  intake.take(Buffer.from(bytes));
}

/** When this byte is decoded, does that. */
function when(byte: string, step: () => void): void {
  const before = owner.during;
  owner.during = (decoded) => {
    before(decoded);
    if (decoded === byte) step();
  };
}

describe('bytes that come', () => {
  it('are decoded at once, and each chunk ends a turn', () => {
    take('abc');
    take('de');
    expect(owner.log).toBe('abc|de|');
    expect(transport.calls).toEqual([]);
  });

  it('may be none, which is no turn', () => {
    take('');
    expect(owner.log).toBe('');
    expect(owner.decodes).toEqual([]);
  });

  it('wait their turn when they come while others are decoded', () => {
    when('b', () => take('xy'));
    when('x', () => take('z'));
    take('abc');
    expect(owner.log).toBe('abc|xy|z|');
  });

  it('are in a turn while they are decoded, and at its end', () => {
    const seen: boolean[] = [];
    when('a', () => seen.push(intake.isInTurn));
    owner.atTurnEnd = () => seen.push(intake.isInTurn);
    owner.atEnd = () => seen.push(intake.isInTurn);
    seen.push(intake.isInTurn);
    take('a');
    seen.push(intake.isInTurn);
    intake.end();
    expect(seen).toEqual([false, true, true, false, false]);
  });

  it('leave the turn when decoding throws', () => {
    when('b', () => {
      throw new Error('from a handler');
    });
    expect(() => take('abc')).toThrow('from a handler');
    expect(intake.isInTurn).toBe(false);
    take('d');
    expect(owner.log).toBe('abd|');
  });

  it('leave the turn when its end throws', () => {
    owner.atTurnEnd = () => {
      throw new Error('from a handler');
    };
    expect(() => take('a')).toThrow('from a handler');
    expect(intake.isInTurn).toBe(false);
  });
});

describe('being idle', () => {
  it('is told when all turns are over, and what is done then is in no turn', () => {
    intake.take(Buffer.from('ab'));
    expect(owner.idle).toBe(1);
    intake.pause(true);
    intake.take(Buffer.from('cd'));
    intake.take(Buffer.from('ef'));
    intake.pause(false);
    expect(owner.log).toBe('ab|cdef|');
    expect(intake.isInTurn).toBe(false);
  });

  it('is not told inside a turn', () => {
    owner.during = (byte) => {
      if (byte === 'a') intake.take(Buffer.from('b'));
      expect(owner.idle).toBe(0);
    };
    intake.take(Buffer.from('a'));
    expect(owner.idle).toBe(1);
  });
});

describe('a pause', () => {
  it('stops in the middle of a chunk, and goes on there', () => {
    when('b', () => intake.pause(true));
    take('abcd');
    expect(owner.log).toBe('ab|');
    expect(transport.paused).toBe(true);
    intake.pause(false);
    expect(owner.log).toBe('ab|cd|');
    expect(owner.decodes).toEqual(['abcd@0', 'abcd@2']);
    expect(transport.paused).toBe(false);
  });

  it('holds what comes all the same, in its order', () => {
    when('a', () => intake.pause(true));
    take('abc');
    take('de');
    take('f');
    expect(owner.log).toBe('a|');
    intake.pause(false);
    expect(owner.log).toBe('a|bcdef|');
  });

  it('holds a first chunk as it is', () => {
    intake.pause(true);
    take('ab');
    expect(owner.log).toBe('');
    intake.pause(false);
    expect(owner.log).toBe('ab|');
  });

  it('can come again before all that was held is decoded', () => {
    when('a', () => intake.pause(true));
    when('c', () => intake.pause(true));
    take('abcd');
    intake.pause(false);
    expect(owner.log).toBe('a|bc|');
    intake.pause(false);
    expect(owner.log).toBe('a|bc|d|');
  });

  it('at the last byte of a chunk holds nothing', () => {
    when('b', () => intake.pause(true));
    take('ab');
    intake.pause(false);
    expect(owner.log).toBe('ab|');
  });

  it('holds what came inside the turn, behind the rest of its chunk', () => {
    when('b', () => {
      take('xy');
      intake.pause(true);
    });
    take('abcd');
    expect(owner.log).toBe('ab|');
    take('z');
    intake.pause(false);
    expect(owner.log).toBe('ab|cdxyz|');
  });

  it('holds what came inside the turn where nothing was left of its chunk', () => {
    when('b', () => {
      take('xy');
      intake.pause(true);
    });
    take('ab');
    expect(owner.log).toBe('ab|');
    intake.pause(false);
    expect(owner.log).toBe('ab|xy|');
  });

  it('that ends inside the same call changes nothing', () => {
    when('b', () => {
      intake.pause(true);
      intake.pause(false);
    });
    take('abc');
    expect(owner.log).toBe('abc|');
    expect(transport.calls).toEqual(['pause', 'resume']);
  });

  it('that ends at the end of the turn goes on at once', () => {
    when('a', () => intake.pause(true));
    owner.atTurnEnd = () => intake.pause(false);
    take('abc');
    expect(owner.log).toBe('a|bc|');
  });

  it('is told apart from congestion', () => {
    expect([intake.isHolding, intake.isPaused, intake.isCongested]).toEqual([false, false, false]);
    intake.pause(true);
    expect([intake.isHolding, intake.isPaused, intake.isCongested]).toEqual([true, true, false]);
    intake.congest(true);
    intake.pause(false);
    expect([intake.isHolding, intake.isPaused, intake.isCongested]).toEqual([true, false, true]);
    intake.congest(false);
    expect([intake.isHolding, intake.isPaused, intake.isCongested]).toEqual([false, false, false]);
  });
});

describe('congestion', () => {
  it('stops in the middle of a chunk, and goes on there', () => {
    when('b', () => intake.congest(true));
    take('abcd');
    take('e');
    expect(owner.log).toBe('ab|');
    expect(transport.paused).toBe(true);
    intake.congest(false);
    expect(owner.log).toBe('ab|cde|');
    expect(transport.paused).toBe(false);
  });

  it('is not ended by the end of a pause, nor the other way round', () => {
    intake.pause(true);
    intake.congest(true);
    take('ab');
    intake.pause(false);
    expect([owner.log, transport.paused]).toEqual(['', true]);
    intake.pause(true);
    intake.congest(false);
    expect([owner.log, transport.paused]).toEqual(['', true]);
    intake.pause(false);
    expect([owner.log, transport.paused]).toEqual(['ab|', false]);
  });

  it('and a pause are both ended by release', () => {
    intake.pause(true);
    intake.congest(true);
    take('ab');
    intake.release();
    expect(owner.log).toBe('ab|');
    expect(transport.paused).toBe(false);
    expect([intake.isPaused, intake.isCongested]).toEqual([false, false]);
  });
});

describe('the end of the transport', () => {
  it('is told at once when nothing is held', () => {
    take('a');
    intake.end();
    expect(owner.log).toBe('a|$');
  });

  it('is told during a pause when nothing is held', () => {
    intake.pause(true);
    intake.end();
    expect(owner.log).toBe('$');
  });

  it('waits behind the bytes that are held', () => {
    when('a', () => intake.pause(true));
    take('abc');
    take('d');
    intake.end();
    expect(owner.log).toBe('a|');
    intake.pause(false);
    expect(owner.log).toBe('a|bcd|$');
  });

  it('waits for every pause before it', () => {
    when('a', () => intake.pause(true));
    when('b', () => intake.congest(true));
    take('abc');
    intake.end();
    intake.pause(false);
    expect(owner.log).toBe('a|b|');
    intake.congest(false);
    expect(owner.log).toBe('a|b|c|$');
  });

  it('waits for the end of the turn that it came in', () => {
    when('a', () => intake.end());
    take('ab');
    expect(owner.log).toBe('ab|$');
  });

  it('is told once', () => {
    intake.end();
    intake.pause(true);
    intake.pause(false);
    intake.release();
    expect(owner.log).toBe('$');
  });

  it('is told after stop, which dropped what was before it', () => {
    intake.pause(true);
    take('ab');
    intake.end();
    intake.stop();
    intake.end();
    expect(owner.log).toBe('$');
  });
});

describe('stop', () => {
  it('drops the rest of the chunk, and all that comes', () => {
    when('b', () => intake.stop());
    take('abcd');
    take('ef');
    expect(owner.log).toBe('ab|');
    expect(owner.holding).toBe(true);
  });

  it('drops what came inside the turn', () => {
    when('a', () => {
      take('xy');
      intake.stop();
      take('z');
    });
    take('ab');
    expect(owner.log).toBe('a|');
  });

  it('drops what is held', () => {
    intake.pause(true);
    take('ab');
    intake.stop();
    intake.release();
    expect(owner.log).toBe('');
  });

  it('reads on, since unread bytes would turn the end of the transport into a reset', () => {
    intake.pause(true);
    expect(transport.paused).toBe(true);
    intake.stop();
    expect(transport.paused).toBe(false);
    expect([intake.isHolding, intake.isPaused, intake.isCongested]).toEqual([false, false, false]);
  });

  it('is for good', () => {
    intake.stop();
    const calls = transport.calls.length;
    intake.pause(true);
    intake.congest(true);
    intake.release();
    take('a');
    expect(owner.log).toBe('');
    expect(owner.holding).toBe(true);
    expect(transport.calls.slice(calls)).toEqual([]);
  });
});

describe('an intake', () => {
  it('can be forgotten when it has nothing to do', () => {
    expect(intake.isForgettable).toBe(true);
    const during: boolean[] = [];
    when('b', () => during.push(intake.isForgettable));
    take('abc');
    expect([during, intake.isForgettable]).toEqual([[false], true]);
  });

  it.each<[string, () => void, () => void]>([
    ['is paused', () => intake.pause(true), () => intake.pause(false)],
    ['is congested', () => intake.congest(true), () => intake.congest(false)],
    ['waits for what is worked at', () => intake.wait(), () => intake.goOn(() => {})],
  ])('must be kept while it %s, and while it holds bytes for that', (_, hold, goOn) => {
    hold();
    expect(intake.isForgettable).toBe(false);
    goOn();
    expect(intake.isForgettable).toBe(true);
    when('a', hold);
    take('abc');
    expect([owner.log.at(-2), intake.isForgettable]).toEqual(['a', false]);
    goOn();
    expect(intake.isForgettable).toBe(true);
  });

  it('must be kept where the transport ended behind what it holds, and when it was stopped', () => {
    intake.pause(true);
    take('abc');
    intake.end();
    expect(intake.isForgettable).toBe(false);
    intake.pause(false);
    expect(owner.log).toBe('abc|$');
    intake.stop();
    expect(intake.isForgettable).toBe(false);
  });
});
