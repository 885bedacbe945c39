import { describe, expect, it } from 'vitest';
import { resolveSocketOptions } from '../../src/connection/socket-options.ts';
import { type AnyHooks, Route } from '../../src/server/route.ts';

const BASE = resolveSocketOptions({});
const upgrade = (): object => ({ data: 1 });

function make(hooks: AnyHooks, first?: AnyHooks['upgrade']): Route {
  return new Route('/', hooks, first, BASE, []);
}

describe('the hook upgrade', () => {
  it('stands among the others, or before them', () => {
    expect(make({}).upgrade).toBeUndefined();
    expect(make({}, upgrade).upgrade).toBe(upgrade);
    expect(Reflect.apply(make({ upgrade }).upgrade!, undefined, [])).toEqual({ data: 1 });
  });

  it('does not stand in both places', () => {
    expect(() => make({ upgrade }, upgrade)).toThrow(TypeError);
  });
});

describe('hooks', () => {
  it('may be an object of a class, with fields of its own', () => {
    class Counter {
      count = 0;
      upgrade(): object {
        return { data: ++this.count };
      }
    }
    const route = make(new Counter());
    expect(Reflect.apply(route.upgrade!, undefined, [])).toEqual({ data: 1 });
  });

  it('have no other names where they are written as an object', () => {
    for (const hooks of [{ count: 0 }, Object.assign(Object.create(null), { count: 0 })]) {
      expect(() => Reflect.apply(make, undefined, [hooks])).toThrow(/no option count/);
    }
  });
});
