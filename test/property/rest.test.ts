import { setImmediate as nextTurn } from 'node:timers/promises';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { peerFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

interface Entry {
  readonly kind: 'text' | 'ping' | 'torn';
  readonly size: number;
  readonly times: number;
}

const entry: fc.Arbitrary<Entry> = fc.record({
  kind: fc.constantFrom('text', 'ping', 'torn'),
  size: fc.oneof(fc.nat(5), fc.nat(125)),
  times: fc.oneof(fc.nat(10), fc.nat(600)),
});
/** What happens behind a chunk. */
const step = fc.record({
  size: fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 4_000, max: 70_000 })),
  behind: fc.constantFrom('nothing', 'nothing', 'turn', 'pause', 'resume'),
});

describe.each(ROLES)('what a %s is given', (role) => {
  it('is the same however it is cut, and however often it has to wait for others', async () => {
    const property = fc.asyncProperty(
      fc.array(entry, { minLength: 1, maxLength: 12 }),
      fc.array(step, { minLength: 1, maxLength: 30 }),
      fc.array(fc.nat(6), { minLength: 1, maxLength: 10 }),
      fc.boolean(),
      async (entries, steps, times, isGone) => {
        const open = new OpenConnection(role);
        const expected: string[] = [];
        const frames: Buffer[] = [];
        let number = 0;
        for (const { kind, size, times: count } of entries) {
          for (let i = 0; i < count; i++) {
            const payload = `${number++}`.padEnd(size, '.').slice(0, 125);
            const isTorn = kind === 'torn';
            if (kind === 'ping') {
              frames.push(peerFrame(role, { opcode: 9, payload }));
              expected.push(`ping ${Buffer.from(payload).toString('hex')}`);
              continue;
            }
            frames.push(peerFrame(role, { payload, fin: !isTorn }));
            if (isTorn) frames.push(peerFrame(role, { opcode: 0, payload: '' }));
            expected.push(`text ${payload}`);
          }
        }
        frames.push(peerFrame(role, { opcode: 8, payload: Buffer.from([3, 232]) }));
        expected.push('close 1000  clean');

        let calls = 0;
        const work = (): void => open.clock.advance(times[calls++ % times.length]! / 1_000);
        open.during = { onMessage: work, onPing: work };
        const wire = Buffer.concat(frames);
        for (let at = 0, i = 0; at < wire.length; i++) {
          const { size, behind } = steps[i % steps.length]!;
          open.receive(wire.subarray(at, at + size));
          at += size;
          if (behind === 'turn') await nextTurn();
          if (behind === 'pause' || behind === 'resume') open.connection[behind]();
        }
        open.connection.resume();
        if (!isGone) while (open.connection.readyState === 1) await nextTurn();
        open.connection.receiveTransportClose();
        expect(open.events).toEqual(expected);
      },
    );
    await fc.assert(property, { numRuns: 60 });
  });
});
