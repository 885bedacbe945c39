import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JOBS, Jobs } from '../../src/extension/jobs.ts';

function never(error: unknown): never {
  throw error;
}

/** Jobs that write down when they begin, and end when they are told. */
function recorder(jobs: Jobs) {
  const begun: number[] = [];
  const ends = new Map<number, () => void>();
  return {
    begun,
    run: (name: number): void => {
      jobs.run((done) => {
        begun.push(name);
        ends.set(name, done);
      }, never);
    },
    end: (name: number): void => {
      ends.get(name)!();
    },
  };
}

function fail(): never {
  throw new Error('zlib has no memory');
}

describe('Jobs', () => {
  it('begins a job at once where few are running', () => {
    const { begun, run } = recorder(new Jobs(2));
    run(1);
    expect(begun).toEqual([1]);
    run(2);
    expect(begun).toEqual([1, 2]);
  });

  it('lets those wait that are too many, and begins them in their order', () => {
    const { begun, run, end } = recorder(new Jobs(2));
    for (const name of [1, 2, 3, 4, 5]) run(name);
    expect(begun).toEqual([1, 2]);
    end(2);
    expect(begun).toEqual([1, 2, 3]);
    end(3);
    expect(begun).toEqual([1, 2, 3, 4]);
    end(1);
    expect(begun).toEqual([1, 2, 3, 4, 5]);
  });

  it('works at three at once unless it is told otherwise', () => {
    const { begun, run } = recorder(new Jobs());
    for (const name of [1, 2, 3, 4, 5, 6]) run(name);
    expect(begun).toEqual([1, 2, 3]);
  });

  it('has room again after all have ended', () => {
    const { begun, run, end } = recorder(new Jobs(1));
    for (const name of [1, 2, 3]) {
      run(name);
      end(name);
    }
    expect(begun).toEqual([1, 2, 3]);
  });

  it('counts a job that ends twice once', () => {
    const { begun, run, end } = recorder(new Jobs(1));
    for (const name of [1, 2, 3]) run(name);
    end(1);
    end(1);
    end(1);
    expect(begun).toEqual([1, 2]);
  });

  it('begins the next where one ends before it has begun to work', () => {
    const jobs = new Jobs(1);
    const begun: number[] = [];
    for (const name of [1, 2, 3]) {
      jobs.run((done) => {
        begun.push(name);
        done();
      }, never);
    }
    expect(begun).toEqual([1, 2, 3]);
  });

  it('begins a job that another one asks for', () => {
    const jobs = new Jobs(1);
    const log: string[] = [];
    jobs.run((done) => {
      jobs.run((doneToo) => {
        log.push('inner');
        doneToo();
      }, never);
      log.push('outer');
      done();
    }, never);
    expect(log).toEqual(['outer', 'inner']);
  });

  it('begins all that wait however many end at once, as those of closed connections do', () => {
    const jobs = new Jobs(1);
    const { begun, run, end } = recorder(jobs);
    run(1);
    let ended = 0;
    for (let i = 0; i < 20_000; i++) {
      jobs.run((done) => {
        ended++;
        done();
      }, never);
    }
    run(2);
    end(1);
    expect(ended).toBe(20_000);
    expect(begun).toEqual([1, 2]);
  });

  it('gives the place of a job that throws to the next, and tells it alone, later', async () => {
    const jobs = new Jobs(1);
    const { begun, run } = recorder(jobs);
    const told: unknown[] = [];
    jobs.run(fail, (error) => told.push(error));
    run(1);
    expect([begun, told]).toEqual([[1], []]);
    await Promise.resolve();
    expect(told).toEqual([new Error('zlib has no memory')]);
  });

  it('goes on behind a job that throws when its turn has come, unheard by the one before', async () => {
    const jobs = new Jobs(1);
    const { begun, run, end } = recorder(jobs);
    const told: unknown[] = [];
    run(1);
    jobs.run(fail, (error) => told.push(error));
    run(2);
    end(1);
    expect([begun, told]).toEqual([[1, 2], []]);
    await Promise.resolve();
    expect(told.length).toBe(1);
  });

  it('zlib memory: never has more at work than it may, and begins each once in its order', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.oneof(fc.constant(null), fc.nat()), { maxLength: 60 }),
        (maxRunning, steps) => {
          const { begun, run, end } = recorder(new Jobs(maxRunning));
          const running: number[] = [];
          let asked = 0;
          let seen = 0;
          for (const step of steps) {
            if (step === null) run(asked++);
            else if (running.length > 0) end(running.splice(step % running.length, 1)[0]!);
            running.push(...begun.slice(seen));
            seen = begun.length;
            expect(running.length).toBeLessThanOrEqual(maxRunning);
            // No place is left empty while somebody waits.
            if (begun.length < asked) expect(running.length).toBe(maxRunning);
          }
          expect(begun).toEqual(Array.from(begun, (_, at) => at));
        },
      ),
    );
  });
});

describe('the jobs of this process', () => {
  it('are one queue for all', () => {
    expect(JOBS).toBeInstanceOf(Jobs);
    const begun: number[] = [];
    JOBS.run((done) => {
      begun.push(1);
      done();
    }, never);
    expect(begun).toEqual([1]);
  });
});
