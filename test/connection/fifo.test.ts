import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fifo } from '../../src/connection/fifo.ts';

type Step = 'push' | 'shift' | 'unshift' | 'takeAll';

describe('a queue', () => {
  it('is empty at first', () => {
    const fifo = new Fifo<number>();
    expect([fifo.size, fifo.first, fifo.shift(), fifo.takeAll()]).toEqual([
      0,
      undefined,
      undefined,
      [],
    ]);
  });

  it('does what an array does, whatever is done with it', () => {
    const steps = fc.array(
      fc.constantFrom<Step>('push', 'push', 'push', 'shift', 'shift', 'unshift', 'takeAll'),
    );
    fc.assert(
      fc.property(steps, (all) => {
        const fifo = new Fifo<number>();
        const model: number[] = [];
        for (const [i, step] of all.entries()) {
          if (step === 'push') {
            fifo.push(i);
            model.push(i);
          } else if (step === 'unshift') {
            fifo.unshift(i);
            model.unshift(i);
          } else if (step === 'shift') {
            expect(fifo.shift()).toBe(model.shift());
          } else {
            expect(fifo.takeAll()).toEqual(model.splice(0));
          }
          expect([fifo.size, fifo.first]).toEqual([model.length, model[0]]);
        }
      }),
    );
  });

  it('keeps nothing of what was taken', () => {
    const fifo = new Fifo<object>();
    for (let i = 0; i < 1000; i++) fifo.push({ i });
    for (let i = 0; i < 999; i++) fifo.shift();
    expect([fifo.size, fifo.first, fifo.takeAll()]).toEqual([1, { i: 999 }, [{ i: 999 }]]);
  });
});
