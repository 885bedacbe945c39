import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/connection/delivery.ts';
import type { Socket } from '../../src/connection/socket.ts';
import type { SocketHooks } from '../../src/connection/socket-events.ts';
import { Gate, type LiveSetup, type LiveSocket, openLive, turns } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

/** More than any kernel takes for a peer that does not read. */
const COUNT = 40;
const ANSWER = Buffer.alloc(256 * 1024, 'a');
const OPTIONS = { highWaterMark: 64 * 1024, maxBackpressure: 512 * 1024 };

type Handler = (socket: Socket<undefined>, message: Message) => unknown;

/** Every manner in which an application answers. */
const MANNERS: readonly [name: string, handler: Handler][] = [
  ['at once', (socket) => void socket.send(ANSWER)],
  [
    'at once, in an async function',
    async (socket) => {
      socket.send(ANSWER);
    },
  ],
  [
    'after it has waited',
    async (socket) => {
      await turns(1);
      socket.send(ANSWER);
    },
  ],
  [
    'before it waits',
    async (socket) => {
      socket.send(ANSWER);
      await turns(1);
    },
  ],
  ['as a Blob', (socket) => void socket.send(new Blob([ANSWER]))],
  [
    'as a Blob, after it has waited',
    async (socket) => {
      await turns(1);
      void socket.send(new Blob([ANSWER]));
    },
  ],
  [
    'after a microtask',
    async (socket) => {
      await Promise.resolve();
      socket.send(ANSWER);
    },
  ],
];

const REQUESTS = Array.from({ length: COUNT }, (_, i) => String(i));

/** A peer that asks for more than it reads, and what becomes of it. */
class Hoarder {
  readonly live: LiveSocket;
  readonly errors: Error[] = [];
  /** How many requests were handled. */
  handled = 0;

  constructor(live: LiveSocket) {
    this.live = live;
    live.socket.on('error', (error) => void this.errors.push(error));
  }

  static async open(role: 'client' | 'server', setup: LiveSetup = {}): Promise<Hoarder> {
    return new Hoarder(
      await openLive(role, { ...setup, options: { ...OPTIONS, ...setup.options } }),
    );
  }

  /** Expects that handlers have stopped, and that what waits is bounded. */
  async expectStopped(): Promise<void> {
    let before: number;
    do {
      before = this.handled;
      await turns(50);
    } while (this.handled > before);
    expect(this.errors).toEqual([]);
    expect(this.live.socket.readyState).toBe(1);
    expect(this.handled).toBeGreaterThan(0);
    expect(this.handled).toBeLessThan(COUNT);
    expect(this.live.socket.bufferedAmount).toBeGreaterThan(OPTIONS.highWaterMark);
    expect(this.live.socket.bufferedAmount).toBeLessThan(OPTIONS.maxBackpressure + ANSWER.length);
  }

  /** Expects that all is answered when the peer reads. */
  async expectAnswers(): Promise<void> {
    this.live.readOn();
    while (this.handled < COUNT || this.live.socket.bufferedAmount > 0) await turns(1);
    for (let i = 0; i < COUNT; i++) {
      const { payload } = await this.live.message();
      expect(payload.length).toBe(ANSWER.length);
    }
    expect(this.handled).toBe(COUNT);
    expect(this.errors).toEqual([]);
    expect(this.live.socket.readyState).toBe(1);
  }
}

describe.each(ROLES)('a peer that does not read what a %s answers', (role) => {
  describe.each(MANNERS)('%s', (_name, handler) => {
    it('gets no more answers than are bounded, from a hook', async () => {
      let hoarder: Hoarder | null = null;
      const hooks: SocketHooks<Socket<undefined>> = {
        message(socket, message) {
          hoarder!.handled++;
          return handler(socket, message);
        },
      };
      hoarder = await Hoarder.open(role, { hooks });
      hoarder.live.stall();
      await hoarder.live.sendTexts(...REQUESTS);
      await hoarder.expectStopped();
      await hoarder.expectAnswers();
    });

    it('gets no more answers than are bounded, from a listener', async () => {
      const hoarder = await Hoarder.open(role);
      hoarder.live.socket.on('message', (message) => {
        hoarder.handled++;
        return handler(hoarder.live.socket, message);
      });
      hoarder.live.stall();
      for (const request of REQUESTS) await hoarder.live.sendTexts(request);
      await hoarder.expectStopped();
      await hoarder.expectAnswers();
    });

    it('gets no more answers than are bounded, from a loop', async () => {
      const hoarder = await Hoarder.open(role);
      const loop = async (): Promise<void> => {
        for await (const message of hoarder.live.socket) {
          hoarder.handled++;
          await handler(hoarder.live.socket, message);
        }
      };
      void loop();
      hoarder.live.stall();
      await hoarder.live.sendTexts(...REQUESTS);
      await hoarder.expectStopped();
      await hoarder.expectAnswers();
    });

    it('gets no more answers than are bounded to requests that had to wait', async () => {
      const hoarder = await Hoarder.open(role);
      hoarder.live.stall();
      await hoarder.live.sendTexts(...REQUESTS);
      await turns(20);
      hoarder.live.socket.on('message', (message) => {
        hoarder.handled++;
        return handler(hoarder.live.socket, message);
      });
      await hoarder.expectStopped();
      await hoarder.expectAnswers();
    });

    it('gets no more answers than are bounded to requests during a pause', async () => {
      const hoarder = await Hoarder.open(role);
      hoarder.live.socket.on('message', (message) => {
        hoarder.handled++;
        return handler(hoarder.live.socket, message);
      });
      const gate = new Gate();
      const wait = (): unknown => gate.passed;
      hoarder.live.socket.once('message', wait);
      hoarder.live.stall();
      await hoarder.live.sendTexts(...REQUESTS);
      await turns(20);
      hoarder.live.socket.pause();
      gate.open();
      await turns();
      expect(hoarder.handled).toBe(1);
      hoarder.live.socket.resume();
      await hoarder.expectStopped();
      await hoarder.expectAnswers();
    });
  });

  it('has its answers handled that wait for `drained`', async () => {
    const hoarder = await Hoarder.open(role);
    hoarder.live.onMessage(async () => {
      hoarder.handled++;
      if (!hoarder.live.socket.send(ANSWER)) await hoarder.live.socket.drained();
    });
    hoarder.live.stall();
    await hoarder.live.sendTexts(...REQUESTS);
    await hoarder.expectStopped();
    await hoarder.expectAnswers();
  });

  it('is still answered where the answers are sent as a message of parts', async () => {
    const hoarder = await Hoarder.open(role);
    hoarder.live.onMessage(async () => {
      hoarder.handled++;
      await hoarder.live.socket.send([ANSWER.subarray(1), ANSWER.subarray(0, 1)]);
    });
    hoarder.live.stall();
    await hoarder.live.sendTexts(...REQUESTS);
    await hoarder.expectStopped();
    await hoarder.expectAnswers();
  });

  it.each(['reset', 'end'] as const)(
    'is gone at once when it leaves by %s, and what it had asked is no error',
    async (how) => {
      const hoarder = await Hoarder.open(role, { options: { closeTimeout: 0x7fffffff } });
      hoarder.live.onMessage(async () => {
        hoarder.handled++;
        await turns(1);
        hoarder.live.socket.send(ANSWER);
      });
      hoarder.live.stall();
      await hoarder.live.sendTexts(...REQUESTS);
      await hoarder.expectStopped();
      if (how === 'reset') hoarder.live.peer.reset();
      else hoarder.live.peer.transport.destroy();
      expect(await hoarder.live.closed).toEqual([1006, '', false]);
      expect(hoarder.errors).toEqual([]);
    },
  );

  it('is judged by what it is sent unasked: that is not an answer', async () => {
    const live = await openLive(role);
    const got: unknown[] = [];
    live.socket.on('message', (message) => void got.push(message));
    await live.fill();
    await live.sendTexts('1', '2', '3');
    await turns(20);
    expect(got).toEqual(['1', '2', '3']);
  });

  it('is heard by a loop that waits for it, while a Blob is sent unasked', async () => {
    const live = await openLive(role);
    const got: unknown[] = [];
    const loop = async (): Promise<void> => {
      for await (const message of live.socket) got.push(message);
    };
    void loop();
    live.stall();
    void live.socket.send(new Blob([Buffer.alloc(4 * COUNT * ANSWER.length)]));
    await live.sendTexts('1', '2', '3');
    // It reads, though slowly.
    for (let i = 0; i < 200 && got.length < 3; i++) {
      live.readOn();
      await turns(1);
      live.stall();
      await turns(1);
    }
    expect(got).toEqual(['1', '2', '3']);
    expect(live.socket.bufferedAmount).toBeGreaterThan(OPTIONS.highWaterMark);
  });
});
