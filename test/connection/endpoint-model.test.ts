import type { Socket as NetSocket } from 'node:net';
import * as fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { MessageStream } from '../../src/connection/message-stream.ts';
import type { Socket } from '../../src/connection/socket.ts';
import { turns, watchRejections } from '../support/live-socket.ts';
import { connectPair } from '../support/loopback.ts';
import { makeSocket } from '../support/open-socket.ts';

const mistake = new Error('a mistake of the application');

const ACTIONS = [
  'send',
  'send much',
  'send Blob',
  'send pieces',
  'send nothing more',
  'send mistake',
  'ping',
  'flushed',
  'drained',
  'pause',
  'resume',
  'listen',
  'listen slowly',
  'listen and throw',
  'listen and reject',
  'listen and close',
  'listen and wait',
  'stream',
  'stream and forget',
  'stream and cancel',
  'loop',
  'loop once',
  'listen to nothing',
  'duplex',
  'end duplex',
  'destroy duplex',
  'close',
  'close with 4000',
  'terminate',
  'dispose',
  'end TCP',
  'reset TCP',
  'wait',
  'wait long',
] as const;

type Action = (typeof ACTIONS)[number];

async function* forever(): AsyncGenerator<string> {
  yield 'first';
  await new Promise(() => {});
}

async function* wrong(): AsyncGenerator<string> {
  yield 'first';
  await turns(1);
  throw mistake;
}

/** One end, to which a test does what it likes; and all that it was told. */
class End {
  readonly socket: Socket<undefined>;
  readonly told: string[] = [];
  /** Promises that must settle some time, whatever happens. */
  readonly waiting: Promise<unknown>[] = [];
  readonly #destroy: (how: 'end' | 'reset') => void;

  constructor(socket: Socket<undefined>, destroy: (how: 'end' | 'reset') => void) {
    this.socket = socket;
    this.#destroy = destroy;
    socket.on('close', () => void this.told.push('close'));
    socket.on('error', () => void this.told.push('error'));
    this.waiting.push(socket.closed);
  }

  async take(action: Action): Promise<void> {
    if (action === 'wait') await turns(1);
    else if (action === 'wait long') await turns(10);
    else if (action === 'end TCP') this.#destroy('end');
    else if (action === 'reset TCP') this.#destroy('reset');
    else if (action.startsWith('send')) this.send(action);
    else if (action.includes('duplex')) this.duplex(action);
    else if (action.startsWith('listen')) this.listen(action);
    else if (action.startsWith('stream')) this.stream(action);
    else if (action.startsWith('loop')) this.waiting.push(this.loop(action === 'loop once'));
    else this.call(action);
  }

  private call(action: string): void {
    const { socket, waiting } = this;
    if (action === 'ping') waiting.push(socket.ping());
    if (action === 'flushed') waiting.push(socket.flushed());
    if (action === 'drained') waiting.push(socket.drained());
    if (action === 'pause') socket.pause();
    if (action === 'resume') socket.resume();
    if (action === 'close') waiting.push(socket.close());
    if (action === 'close with 4000') waiting.push(socket.close(4000, 'reason'));
    if (action === 'terminate') socket.terminate();
    if (action === 'dispose') waiting.push(socket[Symbol.asyncDispose]());
  }

  private send(action: string): void {
    const { socket, waiting } = this;
    if (action === 'send') socket.send('text');
    if (action === 'send much') socket.send(Buffer.alloc(300_000));
    if (action === 'send Blob') waiting.push(socket.send(new Blob(['x'.repeat(200_000)])));
    if (action === 'send pieces') waiting.push(socket.send(['a', 'b', 'c']));
    if (action === 'send nothing more') waiting.push(socket.send(forever()));
    if (action === 'send mistake') waiting.push(socket.send(wrong()));
  }

  private listen(action: string): void {
    const { socket } = this;
    const handle = async (): Promise<void> => {
      if (action === 'listen slowly') await turns(2);
      if (action === 'listen and reject') throw mistake;
      if (action === 'listen and close') await socket.close(4001);
      if (action === 'listen and wait') await socket.closed;
    };
    const listener = (): unknown => {
      if (action === 'listen and throw') throw mistake;
      return handle();
    };
    if (action === 'listen to nothing') socket.removeAllListeners('message');
    else socket.on('message', listener);
  }

  private stream(action: string): void {
    const read = async (stream: MessageStream): Promise<void> => {
      if (action === 'stream and forget') return;
      if (action === 'stream and cancel') stream.cancel();
      for await (const piece of stream) void piece;
    };
    this.socket.removeAllListeners('stream');
    this.socket.on('stream', (stream): unknown => read(stream));
  }

  private async loop(isOnce: boolean): Promise<void> {
    for await (const message of this.socket) {
      void message;
      if (isOnce) break;
      await turns(1);
    }
  }

  private duplex(action: string): void {
    const duplex = this.socket.duplex();
    duplex.on('error', () => {});
    duplex.resume();
    duplex.write('of the duplex');
    if (action === 'end duplex') duplex.end();
    if (action === 'destroy duplex') duplex.destroy();
    this.waiting.push(new Promise((resolve) => duplex.once('close', resolve)));
  }
}

beforeEach(() => {
  // Not those of the network, which the runtime keeps apart.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => void vi.useRealTimers());

it('ends once, settles all promises and leaves nothing behind, whatever happens', async () => {
  const rejections = watchRejections();
  const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
  const steps = fc.array(
    fc.record({ at: fc.nat({ max: 1 }), action: fc.constantFrom(...ACTIONS) }),
    {
      maxLength: 40,
    },
  );
  const limits = fc.record({
    maxQueue: fc.constantFrom(1, 3, 64),
    highWaterMark: fc.constantFrom(0, 1000, 64 * 1024),
    backpressurePolicy: fc.constantFrom('close', 'drop', 'latest'),
    closeTimeout: fc.constantFrom(1000, 10_000),
  });
  await fc.assert(
    fc.asyncProperty(steps, limits, async (all, options) => {
      const { near, far } = await connectPair();
      const ends = [
        new End(makeSocket('server', near, options), (how) => leave(near, how)),
        new End(makeSocket('client', far, options), (how) => leave(far, how)),
      ] as const;
      for (const { at, action } of all) await ends[at === 0 ? 0 : 1].take(action);
      await turns(2);
      // One end leaves; the other one has to see that, though it may be paused or full.
      ends[0].socket.terminate();
      ends[1].socket.resume();
      for (let i = 0; i < 60 && !isOver(ends); i++) {
        vi.advanceTimersByTime(5000);
        await turns(3);
      }
      expect(ends.map(({ told }) => told.filter((event) => event === 'close'))).toEqual([
        ['close'],
        ['close'],
      ]);
      expect(ends.map(({ socket }) => [socket.readyState, socket.bufferedAmount])).toEqual([
        [3, 0],
        [3, 0],
      ]);
      await Promise.allSettled(ends.flatMap(({ waiting }) => waiting));
      expect(vi.getTimerCount()).toBe(0);
    }),
    { numRuns: 150 },
  );
  await turns(20);
  warn.mockRestore();
  expect(rejections).toEqual([]);
});

function leave(transport: NetSocket, how: 'end' | 'reset'): void {
  if (how === 'end') transport.end();
  // The runtime forgets to tell `close` of a reset behind a FIN.
  else if (transport.writableEnded) transport.destroy();
  else transport.resetAndDestroy();
}

function isOver(ends: readonly End[]): boolean {
  return ends.every(({ told }) => told.includes('close'));
}
