import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { resolveSocketOptions } from '../../src/connection/socket-options.ts';
import { Topics } from '../../src/hub/topics.ts';
import { OpenSocket, OpenSockets } from '../../src/server/open-sockets.ts';
import { type AnyServerSocket, ServerSocket, routeOf } from '../../src/server/server-socket.ts';
import { memoryStream } from '../support/memory-stream.ts';

/** Sockets that speak to nobody: what they are asked is who they are. */
class Opened {
  readonly released: AnyServerSocket[] = [];
  readonly unheard: unknown[] = [];
  readonly sockets: OpenSockets = new OpenSockets({
    onReleased: (socket) => void this.released.push(socket),
    onUnheard: (error, socket) => void this.unheard.push(error, socket),
  });
  readonly #places = new Map<AnyServerSocket, OpenSocket>();

  open(): AnyServerSocket {
    const place = new OpenSocket(this.sockets, {});
    const socket = new ServerSocket({
      role: 'server',
      transport: memoryStream().stream,
      options: resolveSocketOptions({}),
      data: undefined,
      protocol: '',
      owner: place,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Nobody asks for it.
      request: {} as ServerSocket<unknown, unknown>['request'],
      route: place,
      hub: { topics: new Topics(), onTopicError: () => {} },
    });
    this.sockets.add(place, socket);
    this.#places.set(socket, place);
    return socket;
  }

  openAll(count: number): AnyServerSocket[] {
    return Array.from({ length: count }, () => this.open());
  }

  placeOf(socket: AnyServerSocket): OpenSocket {
    return this.#places.get(socket)!;
  }

  release(socket: AnyServerSocket): void {
    this.placeOf(socket).onReleased();
  }
}

describe('the sockets of a server', () => {
  it('are there in the order in which they came, until they end', () => {
    const opened = new Opened();
    const { sockets } = opened;
    expect([sockets.size, [...sockets]]).toEqual([0, []]);
    const [a, b, c, d] = opened.openAll(4);
    expect([...sockets]).toEqual([a, b, c, d]);
    opened.release(b!);
    expect([...sockets.keys()]).toEqual([a, c, d]);
    opened.release(d!);
    opened.release(a!);
    expect([sockets.size, [...sockets.values()]]).toEqual([1, [c]]);
    opened.release(c!);
    opened.release(c!);
    expect([sockets.size, [...sockets]]).toEqual([0, []]);
    expect(opened.released).toEqual([b, d, a, c]);
    const e = opened.open();
    expect([...sockets]).toEqual([e]);
  });

  it('are those of this server alone', () => {
    const [opened, others] = [new Opened(), new Opened()];
    const [mine, theirs] = [opened.open(), others.open()];
    expect([opened.sockets.has(mine), opened.sockets.has(theirs)]).toEqual([true, false]);
    opened.release(mine);
    expect(opened.sockets.has(mine)).toBe(false);
    for (const other of [null, {}, 'socket', memoryStream()]) {
      const all: ReadonlySet<unknown> = opened.sockets;
      expect(all.has(other)).toBe(false);
    }
    expect(routeOf(mine)).toBe(opened.placeOf(mine));
  });

  it('lead to nobody when they have left', () => {
    const opened = new Opened();
    const [a, b, c] = opened.openAll(3);
    opened.release(b!);
    const { previous, next, socket } = opened.placeOf(b!);
    expect([previous, next, socket]).toEqual([null, null, null]);
    expect([...opened.sockets]).toEqual([a, c]);
  });

  it('tell what nobody has heard', () => {
    const opened = new Opened();
    const socket = opened.open();
    const error = new Error('unheard');
    opened.placeOf(socket).onUnheard(error, socket);
    expect(opened.unheard).toEqual([error, socket]);
  });
});

describe('whoever visits them', () => {
  const WAYS: [string, (sockets: OpenSockets, visit: (one: AnyServerSocket) => void) => void][] = [
    ['a loop', (sockets, visit) => [...sockets].length && loop(sockets, visit)],
    ['forEach', (sockets, visit) => sockets.forEach((socket) => visit(socket))],
  ];
  function loop(sockets: OpenSockets, visit: (one: AnyServerSocket) => void): void {
    for (const socket of sockets) visit(socket);
  }

  it.each(WAYS)('meets each that is there by then, as in a Set: %s', (_name, visitAll) => {
    const opened = new Opened();
    const all = opened.openAll(6);
    const met: AnyServerSocket[] = [];
    visitAll(opened.sockets, (socket) => {
      met.push(socket);
      // Itself and its neighbours, the one before and the one behind.
      if (socket === all[2]) for (const i of [1, 2, 3]) opened.release(all[i]!);
      if (socket === all[5]) {
        for (const i of [0, 4, 5]) opened.release(all[i]!);
        if (all.length === 6) all.push(opened.open());
      }
    });
    expect(met.map((socket) => all.indexOf(socket))).toEqual([0, 1, 2, 4, 5, 6]);
    expect([...opened.sockets]).toEqual([all[6]]);
  });

  it('is given what a Set gives', () => {
    const opened = new Opened();
    const [a, b] = opened.openAll(2);
    const given: unknown[] = [];
    const receiver = {};
    opened.sockets.forEach(function visit(this: unknown, ...values) {
      given.push(this, ...values);
    }, receiver);
    expect(given).toEqual([receiver, a, a, opened.sockets, receiver, b, b, opened.sockets]);
    expect([...opened.sockets.entries()]).toEqual([
      [a, a],
      [b, b],
    ]);
    expect(inspect(opened.sockets, { depth: 0 })).toMatch(/^Set\(2\)/);
    // What sets have learned since, they have learned here too.
    const named = Object.getOwnPropertyNames(Set.prototype);
    const changing = new Set(['add', 'delete', 'clear']);
    for (const name of named) {
      if (!changing.has(name)) expect(name in opened.sockets, name).toBe(true);
    }
  });
});
