import { EventEmitter, once } from 'node:events';
import { describe, expect, it } from 'vitest';
import type {
  EndpointOwner,
  SocketEvents,
  SocketHooks,
} from '../../src/connection/socket-events.ts';
import { Telling, tellError } from '../../src/connection/telling.ts';
import { turns } from '../support/live-socket.ts';

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

/** Calls what a test gives it, and remembers what that threw. */
class Teller extends Telling {
  readonly thrown: unknown[] = [];
  readonly unheard: unknown[] = [];

  constructor(socket: EventEmitter<SocketEvents>, hooks: SocketHooks<unknown> = {}) {
    const unheard: unknown[] = [];
    const owner: EndpointOwner = {
      onReleased() {},
      onUnheard: (error) => void unheard.push(error),
    };
    super(socket, hooks, owner);
    this.unheard = unheard;
  }

  onThrown(thrown: unknown): void {
    this.thrown.push(thrown);
  }

  override call(callback: () => unknown): PromiseLike<unknown> | null {
    return super.call(callback);
  }

  override callAside(callback: () => unknown): void {
    super.callAside(callback);
  }

  override tellControl(name: 'ping' | 'pong', source: Buffer, start: number, end: number): void {
    super.tellControl(name, source, start, end);
  }

  override tellError(error: Error, isOurs: boolean): void {
    super.tellError(error, isOurs);
  }
}

describe('who calls the application', () => {
  it('answers what may be waited for, and nothing else', () => {
    const teller = new Teller(makeSocket());
    const done = Promise.resolve();
    expect([teller.call(() => done), teller.call(() => 'done')]).toEqual([done, null]);
  });

  it('is told what the application throws, at once or later', async () => {
    const teller = new Teller(makeSocket());
    const fail = (): never => {
      throw ERROR;
    };
    expect(teller.call(fail)).toBe(null);
    teller.callAside(fail);
    expect(teller.thrown).toEqual([ERROR, ERROR]);
    teller.callAside(() => Promise.reject(ERROR));
    teller.callAside(() => Promise.resolve('done'));
    teller.callAside(() => 'done');
    await turns();
    expect(teller.thrown).toEqual([ERROR, ERROR, ERROR]);
  });

  it.each(['ping', 'pong'] as const)(
    'tells hooks and listeners of a %s, each its own bytes',
    (name) => {
      const socket = makeSocket();
      const told: unknown[] = [];
      const hooks = { [name]: (from: unknown, bytes: unknown) => void told.push(from, bytes) };
      const source = Buffer.from('..body.');
      new Teller(socket).tellControl(name, source, 2, 6);
      expect(told).toEqual([]);
      socket.on(name, (bytes) => void told.push(bytes));
      new Teller(socket, hooks).tellControl(name, source, 2, 6);
      expect(told).toEqual([socket, Buffer.from('body'), Buffer.from('body')]);
      expect(told[1]).not.toBe(told[2]);
      source.fill(0);
      expect(told[1]).toEqual(Buffer.from('body'));
    },
  );

  it('tells its owner of an error that is ours and that nobody else hears', () => {
    const socket = makeSocket();
    const teller = new Teller(socket);
    teller.tellError(ERROR, false);
    expect(teller.unheard).toEqual([]);
    teller.tellError(ERROR, true);
    expect(teller.unheard).toEqual([ERROR]);
    socket.on('error', () => {});
    teller.tellError(ERROR, true);
    expect(teller.unheard).toEqual([ERROR]);
  });
});
