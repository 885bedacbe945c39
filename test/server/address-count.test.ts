import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressCount } from '../../src/server/address-count.ts';

describe('the connections of an address', () => {
  it('are counted until they leave', () => {
    const count = new AddressCount(2);
    const [first, second] = [{}, {}];
    expect(count.hasRoom('192.0.2.1')).toBe(true);
    count.enter(first, '192.0.2.1');
    expect(count.hasRoom('192.0.2.1')).toBe(true);
    count.enter(second, '192.0.2.1');
    expect([count.hasRoom('192.0.2.1'), count.hasRoom('192.0.2.2')]).toEqual([false, true]);
    count.leave(first);
    expect([count.hasRoom('192.0.2.1'), count.size]).toEqual([true, 1]);
    count.leave(second);
    expect(count.size).toBe(0);
  });

  it('leave once, whoever says so how often, and whether they had come', () => {
    const count = new AddressCount(1);
    const one = {};
    count.enter({}, '192.0.2.1');
    count.enter(one, '192.0.2.1');
    for (let i = 0; i < 3; i++) count.leave(one);
    count.leave({});
    expect([count.hasRoom('192.0.2.1'), count.size]).toEqual([false, 1]);
  });

  it('are those of the whole /64, and of IPv4 however it is written', () => {
    const count = new AddressCount(1);
    count.enter({}, '2001:db8:1:2::1');
    count.enter({}, '::ffff:192.0.2.1');
    expect(
      ['2001:db8:1:2:ffff::', '2001:db8:1:3::1', '192.0.2.1', '192.0.2.2'].map((address) =>
        count.hasRoom(address),
      ),
    ).toEqual([false, true, false, true]);
  });

  it('have no limit where there is no address', () => {
    const count = new AddressCount(1);
    const one = {};
    count.enter(one, undefined);
    expect([count.hasRoom(undefined), count.size]).toEqual([true, 0]);
    count.leave(one);
    expect(count.size).toBe(0);
  });

  it('may be of an address that is none', () => {
    const count = new AddressCount(1);
    count.enter({}, 'memory');
    expect([count.hasRoom('memory'), count.hasRoom('other')]).toEqual([false, true]);
  });

  it('leave nothing behind, in whatever order they come and go', () => {
    const addresses = ['192.0.2.1', '::ffff:192.0.2.1', '2001:db8::1', '2001:db8::2', undefined];
    const step = fc.tuple(fc.boolean(), fc.nat({ max: 9 }), fc.constantFrom(...addresses));
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const count = new AddressCount(1);
        const holders = Array.from({ length: 10 }, () => ({}));
        const inside = new Set<object>();
        for (const [comes, at, address] of steps) {
          const holder = holders[at]!;
          if (!comes) count.leave(holder);
          else if (!inside.has(holder)) count.enter(holder, address);
          if (comes) inside.add(holder);
          else inside.delete(holder);
        }
        for (const holder of inside) count.leave(holder);
        expect(count.size).toBe(0);
      }),
    );
  });
});
