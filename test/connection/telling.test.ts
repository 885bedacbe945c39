import { EventEmitter, once } from 'node:events';
import { describe, expect, it } from 'vitest';
import type { SocketEvents } from '../../src/connection/socket-events.ts';
import { tellError } from '../../src/connection/telling.ts';

const ERROR = new Error('what has happened');

function makeSocket(): EventEmitter<SocketEvents> {
  return new EventEmitter<SocketEvents>();
}

/** The next warning of the process. */
async function warning(): Promise<unknown> {
  const [given]: unknown[] = await once(process, 'warning');
  return given;
}

describe('an error', () => {
  it('that nobody listens for does not throw', () => {
    expect(tellError(makeSocket(), {}, ERROR)).toBe(false);
  });

  it('is told the hook and every listener', () => {
    const socket = makeSocket();
    const told: unknown[] = [];
    socket.on('error', (error) => void told.push(['first', error]));
    socket.on('error', (error) => void told.push(['second', error]));
    const hooks = {
      error: (from: unknown, error: Error): void => void told.push([from, error]),
    };
    expect(tellError(socket, hooks, ERROR)).toBe(true);
    expect(told).toEqual([
      [socket, ERROR],
      ['first', ERROR],
      ['second', ERROR],
    ]);
    expect(tellError(makeSocket(), hooks, ERROR)).toBe(true);
    socket.removeAllListeners();
    expect(tellError(socket, {}, ERROR)).toBe(false);
  });

  it('reaches the listeners also where the hook throws, which is warned of', async () => {
    const socket = makeSocket();
    const told: unknown[] = [];
    socket.on('error', (error) => void told.push(error));
    const ours = new Error('of the hook');
    const warned = warning();
    tellError(
      socket,
      {
        error() {
          throw ours;
        },
      },
      ERROR,
    );
    expect(told).toEqual([ERROR]);
    expect(await warned).toBe(ours);
  });

  it('does not come back where a hook rejects, or a listener throws: that is warned of', async () => {
    const ours = new Error('of the hook');
    const rejected = warning();
    tellError(makeSocket(), { error: () => Promise.reject(ours) }, ERROR);
    expect(await rejected).toBe(ours);
    const socket = makeSocket();
    const theirs = new Error('of the listener');
    socket.on('error', () => {
      throw theirs;
    });
    const warned = warning();
    expect(tellError(socket, {}, ERROR)).toBe(true);
    expect(await warned).toBe(theirs);
  });
});
