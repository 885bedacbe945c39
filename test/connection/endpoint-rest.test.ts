import { describe, expect, it, vi } from 'vitest';
import type { EndpointOwner } from '../../src/connection/socket-events.ts';
import { peerFrame } from '../support/bytes.ts';
import { turns } from '../support/live-socket.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { ROLES } from '../support/open-connection.ts';
import { makeSocket } from '../support/open-socket.ts';

/** More than one connection may have in a turn. */
const MANY = 5_000;

describe.each(ROLES)('a %s whose peer floods it, and goes', (role) => {
  const flood = Buffer.concat(
    Array.from({ length: MANY }, (_, i) => peerFrame(role, { payload: String(i) })),
  );

  it.each([
    ['resets', 'error'],
    ['is cut off', 'close'],
  ] as const)(
    'gives out all that came before the peer %s, and is then released',
    async (_, end) => {
      const told: unknown[] = [];
      const { stream } = memoryStream();
      const owner: EndpointOwner = { onReleased: () => void told.push('released'), onUnheard() {} };
      const message = (__: unknown, text: unknown): void => void told.push(text);
      const socket = makeSocket(role, stream, {}, Buffer.alloc(0), { message }, owner);
      socket.on('close', (code) => void told.push(code));
      stream.emit('data', Buffer.from(flood));
      expect(told.length).toBeLessThan(MANY);
      if (end === 'error') stream.destroy(new Error('ECONNRESET'));
      else stream.emit('close');
      await turns();
      const texts = Array.from({ length: MANY }, (__, i) => String(i));
      expect(told).toEqual([...texts, 'released', 1006]);
    },
  );

  it('tells of memory that there is not, though the transport is gone', async () => {
    const { stream } = memoryStream();
    const thrown: unknown[] = [];
    const refused = new RangeError('Array buffer allocation failed');
    const error = (__: unknown, value: unknown): void => void thrown.push(value);
    const message = (): void => {};
    const socket = makeSocket(role, stream, {}, Buffer.alloc(0), { message, error });
    stream.emit('data', Buffer.from(flood));
    stream.emit('data', Buffer.from(flood));
    const concat = vi.spyOn(Buffer, 'concat').mockImplementation(() => {
      throw refused;
    });
    stream.emit('close');
    concat.mockRestore();
    await turns();
    expect(thrown).toContain(refused);
    expect(socket.readyState).toBe(3);
  });
});
