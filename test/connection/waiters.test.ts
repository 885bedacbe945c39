import { describe, expect, it } from 'vitest';
import { Waiters, isPromiseLike, quiet } from '../../src/connection/waiters.ts';
import { turns, watchRejections } from '../support/live-socket.ts';

const reason = new Error('the reason');

describe('waiters', () => {
  it('are resolved all at once, each with the value', async () => {
    const waiters = new Waiters<number>();
    const waiting = [waiters.wait(), waiters.wait(new AbortController().signal)];
    expect(waiters.size).toBe(2);
    waiters.resolve(7);
    expect(await Promise.all(waiting)).toEqual([7, 7]);
    expect(waiters.size).toBe(0);
  });

  it('are rejected all at once', async () => {
    const waiters = new Waiters();
    const waiting = [waiters.wait(), waiters.wait(new AbortController().signal)];
    waiters.reject(reason);
    for (const promise of waiting) await expect(promise).rejects.toBe(reason);
    expect(waiters.size).toBe(0);
  });

  it('are only those that wait already', async () => {
    const waiters = new Waiters<string>();
    const first = waiters.wait();
    waiters.resolve('one');
    const second = waiters.wait();
    expect(waiters.size).toBe(1);
    waiters.resolve('two');
    expect(await Promise.all([first, second])).toEqual(['one', 'two']);
  });

  it('are rejected with the reason of their signal, and of nobody else', async () => {
    const waiters = new Waiters<string>();
    const controller = new AbortController();
    const left = waiters.wait(controller.signal);
    const other = waiters.wait(new AbortController().signal);
    controller.abort(reason);
    await expect(left).rejects.toBe(reason);
    expect(waiters.size).toBe(1);
    waiters.resolve('there');
    expect(await other).toBe('there');
  });

  it('are not begun where the signal was there first', async () => {
    const waiters = new Waiters();
    let begun = false;
    const waiting = waiters.wait(AbortSignal.abort(reason), () => (begun = true));
    await expect(waiting).rejects.toBe(reason);
    expect([begun, waiters.size]).toEqual([false, 0]);
  });

  it('have the reason of a signal of Node, which is an Error', async () => {
    const waiters = new Waiters();
    await expect(waiters.wait(AbortSignal.abort())).rejects.toThrow('aborted');
    expect(waiters.size).toBe(0);
  });

  it.each([
    ['without a signal', undefined],
    ['with a signal', new AbortController().signal],
  ])('can be resolved alone, %s', async (_name, signal) => {
    const waiters = new Waiters<string>();
    let resolveOne: (value: string) => void = () => {};
    const one = waiters.wait(signal, (resolve) => (resolveOne = resolve));
    const other = waiters.wait(signal);
    resolveOne('one');
    expect(waiters.size).toBe(1);
    waiters.resolve('all');
    expect(await Promise.all([one, other])).toEqual(['one', 'all']);
  });

  it('can be resolved by what begins them, at once', async () => {
    const waiters = new Waiters<string>();
    for (const signal of [undefined, new AbortController().signal]) {
      expect(await waiters.wait(signal, (resolve) => resolve('at once'))).toBe('at once');
      expect(waiters.size).toBe(0);
    }
  });

  it('settle once, whatever comes later', async () => {
    const waiters = new Waiters<string>();
    const controller = new AbortController();
    let resolveOne: (value: string) => void = () => {};
    const waiting = waiters.wait(controller.signal, (resolve) => (resolveOne = resolve));
    waiters.resolve('first');
    resolveOne('second');
    waiters.reject(reason);
    controller.abort(reason);
    expect(await waiting).toBe('first');
  });

  it.each([
    ['resolved', (waiters: Waiters) => waiters.resolve()],
    ['rejected', (waiters: Waiters) => waiters.reject(reason)],
  ])('leave nothing on their signal when they were %s', (_name, settle) => {
    const waiters = new Waiters();
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    signal.addEventListener = (...values: Parameters<typeof add>): void => {
      listeners++;
      add(...values);
    };
    const remove = signal.removeEventListener.bind(signal);
    signal.removeEventListener = (...values: Parameters<typeof remove>): void => {
      listeners--;
      remove(...values);
    };
    void waiters.wait(signal);
    expect(listeners).toBe(1);
    settle(waiters);
    expect(listeners).toBe(0);
  });

  it('that nobody looks at end no process', async () => {
    const rejections = watchRejections();
    const waiters = new Waiters();
    void waiters.wait();
    void waiters.wait(AbortSignal.abort());
    waiters.reject(reason);
    void quiet(Promise.reject(reason));
    await turns();
    expect(rejections).toEqual([]);
  });

  it('may wait anew inside of what resolves them', async () => {
    const waiters = new Waiters<number>();
    let rounds = 0;
    const again = async (): Promise<void> => {
      rounds += await waiters.wait();
      if (rounds < 3) await again();
    };
    const done = again();
    // oxlint-disable-next-line no-unmodified-loop-condition -- `again` counts
    while (rounds < 3) {
      waiters.resolve(1);
      await turns(1);
    }
    await done;
    expect(waiters.size).toBe(0);
  });
});

it('hands on the promise that it keeps quiet', async () => {
  const promise = Promise.resolve('value');
  expect(quiet(promise)).toBe(promise);
  await expect(quiet(Promise.reject(reason))).rejects.toBe(reason);
});

it('knows what has to be waited for', () => {
  class Later {
    // oxlint-disable-next-line no-thenable -- what it is about
    then(): void {}
  }
  expect([Promise.resolve(), new Later()].map(isPromiseLike)).toEqual([true, true]);
  expect(
    [undefined, null, 1, 'then', () => {}, {}, { next: () => {} }].filter(isPromiseLike),
  ).toEqual([]);
});
