import { afterEach, describe, expect, it } from 'vitest';
import { ContextPool } from '../../src/extension/context-pool.ts';
import { ZlibContext } from '../../src/extension/zlib-context.ts';

const made: ZlibContext[] = [];

/** Contexts cost memory that the garbage collector does not see. */
afterEach(() => {
  for (const context of made.splice(0)) context.close();
});

function create(): ZlibContext {
  const context = ZlibContext.deflater(6, 1, 9);
  made.push(context);
  return context;
}

function never(): ZlibContext {
  throw new Error('one was kept');
}

describe('a pool of contexts', () => {
  it('has none at first, and makes what is taken', () => {
    const pool = new ContextPool();
    expect(pool.size).toBe(0);
    const context = pool.take('a', create);
    expect(made).toEqual([context]);
    expect(pool.size).toBe(0);
  });

  it('gives out again what was given back', () => {
    const pool = new ContextPool();
    const context = pool.take('a', create);
    pool.give('a', context);
    expect(pool.size).toBe(1);
    expect(pool.take('a', never)).toBe(context);
    expect(pool.size).toBe(0);
  });

  it('never gives out a context twice', () => {
    const pool = new ContextPool();
    const context = pool.take('a', create);
    pool.give('a', context);
    pool.take('a', never);
    expect(pool.take('a', create)).not.toBe(context);
  });

  it('keeps kinds apart', () => {
    const pool = new ContextPool();
    const context = pool.take('a', create);
    pool.give('a', context);
    const other = pool.take('b', create);
    expect(other).not.toBe(context);
    pool.give('b', other);
    expect(pool.size).toBe(2);
    expect(pool.take('a', never)).toBe(context);
    expect(pool.take('b', never)).toBe(other);
  });

  it('takes names of a prototype for kinds like others', () => {
    const pool = new ContextPool();
    const context = pool.take('__proto__', create);
    pool.give('__proto__', context);
    expect(pool.take('constructor', create)).not.toBe(context);
    expect(pool.take('__proto__', never)).toBe(context);
  });

  it('keeps four of a kind, and closes those behind them', () => {
    const pool = new ContextPool();
    const contexts = Array.from({ length: 6 }, () => pool.take('a', create));
    for (const context of contexts) pool.give('a', context);
    expect(pool.size).toBe(4);
    expect(contexts.map((context) => context.isFailed)).toEqual([
      ...Array.from({ length: 4 }, () => false),
      ...Array.from({ length: 2 }, () => true),
    ]);
    for (let i = 0; i < 4; i++) expect(contexts).toContain(pool.take('a', never));
    expect(contexts).not.toContain(pool.take('a', create));
  });

  it('keeps sixteen kinds, and closes those of another', () => {
    const pool = new ContextPool();
    for (let kind = 0; kind < 16; kind++) pool.give(`${kind}`, pool.take(`${kind}`, create));
    expect(pool.size).toBe(16);
    const context = pool.take('16', create);
    pool.give('16', context);
    expect(pool.size).toBe(16);
    expect(context.isFailed).toBe(true);
    // Those that are known still are.
    pool.give('0', create());
    expect(pool.size).toBe(17);
    const known = pool.take('15', never);
    pool.give('15', known);
    expect(known.isFailed).toBe(false);
  });

  it('does not keep a context that has failed', () => {
    const pool = new ContextPool();
    const context = pool.take('a', create);
    context.close();
    pool.give('a', context);
    expect(pool.size).toBe(0);
    expect(pool.take('a', create)).not.toBe(context);
  });

  it('is not that of another', () => {
    const pool = new ContextPool();
    pool.give('a', pool.take('a', create));
    expect(new ContextPool().size).toBe(0);
  });
});
