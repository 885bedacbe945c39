import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SCENARIOS } from '../support/fault-scenarios.ts';
import { World, watchZlib, dialInMemory } from '../support/fault-world.ts';
import { FAULTS } from '../support/memory-socket.ts';
import { ROLES } from '../support/open-connection.ts';

vi.mock('../../src/client/dial.ts', () => ({ dial: () => dialInMemory() }));

beforeEach(() => {
  watchZlib();
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe.each(SCENARIOS)('$name', (scenario) => {
  it.each(ROLES)(
    'end as they should on a transport of the %s that does not break',
    async (role) => {
      const world = await World.create(scenario.options);
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
      const [near, far] = await world.play(scenario, role, Infinity, 'is reset');
      world.check(near, far);
      expect(near.got).toEqual(far.sent.slice(0, scenario.gets));
      expect(far.got).toEqual(near.sent);
    },
  );

  describe.each(FAULTS)('where a transport %s', (fault) => {
    it.each(ROLES)('end once, and leave nothing behind, at every call of the %s', async (role) => {
      const world = await World.create(scenario.options);
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
      const [unbroken] = await world.play(scenario, role, Infinity, fault);
      const count = unbroken.stream.calls.length;
      expect(count).toBeGreaterThan(1);
      const problems: string[] = [];
      for (let at = 1; at <= count; at++) {
        try {
          const [near, far] = await world.play(scenario, role, at, fault);
          world.check(near, far);
        } catch (error) {
          problems.push(`at call ${at} of ${count}: ${String(error)}`);
        }
      }
      expect(problems).toEqual([]);
    });
  });
});
