import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { MessageStream } from '../../src/connection/message-stream.ts';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import type { Socket } from '../../src/connection/socket.ts';
import { Gate, turns, watchRejections } from '../support/live-socket.ts';
import { connectPair } from '../support/loopback.ts';
import { makeSocket } from '../support/open-socket.ts';

type Manner = 'sync' | 'async' | 'loop' | 'stream' | 'cold' | 'nobody';

/** Consumes the messages of one socket, in one manner at a time, and keeps what it was given. */
class Reader {
  readonly got: string[] = [];
  readonly #socket: Socket<undefined>;
  #stop: () => unknown = () => {};
  /** How many messages are being handled now: more than one would be a mistake. */
  #handling = 0;

  constructor(socket: Socket<undefined>) {
    this.#socket = socket;
  }

  async read(manner: Manner): Promise<void> {
    await Promise.resolve(this.#stop());
    this.#stop = () => {};
    if (manner === 'sync') this.listen((message) => this.take(message));
    if (manner === 'async') this.listen((message) => this.takeSlowly(message));
    if (manner === 'stream' || manner === 'cold') this.listenToStreams(manner === 'cold');
    if (manner === 'loop') this.loop();
  }

  private listen(listener: (message: string | Buffer) => unknown): void {
    this.#socket.on('message', listener);
    this.#stop = () => this.#socket.off('message', listener);
  }

  private listenToStreams(cold: boolean): void {
    const listener = async (stream: MessageStream): Promise<void> => {
      this.begin();
      if (cold) await turns(2);
      const pieces: string[] = [];
      for await (const piece of stream) pieces.push(piece.toString());
      this.got.push(pieces.join(''));
      this.#handling--;
    };
    const call = (stream: MessageStream): unknown => listener(stream);
    this.#socket.on('stream', call);
    this.#stop = () => this.#socket.off('stream', call);
  }

  private loop(): void {
    const iterator = this.#socket[Symbol.asyncIterator]();
    const run = async (): Promise<void> => {
      for (;;) {
        const { done, value } = await iterator.next();
        if (done === true) return;
        this.take(value);
      }
    };
    const done = run();
    // What was given to the loop already is handled before another one reads.
    this.#stop = async () => {
      await iterator.return?.();
      await done;
    };
  }

  private take(message: string | Buffer): void {
    this.begin();
    this.got.push(message.toString());
    this.#handling--;
  }

  private async takeSlowly(message: string | Buffer): Promise<void> {
    this.begin();
    await turns(this.got.length % 3);
    this.got.push(message.toString());
    this.#handling--;
  }

  private begin(): void {
    if (++this.#handling > 1) throw new Error('two messages at once');
  }
}

type Step =
  | { readonly send: 'text' | 'binary' | 'prepared' | 'blob' | 'pieces' | 'slowly'; size: number }
  | { readonly read: Manner }
  | { readonly do: 'pause' | 'resume' | 'ping' | 'flush' | 'wait' };

async function* slowly(text: string): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += 1 + Math.floor(text.length / 3)) {
    await turns(1);
    yield text.slice(at, at + 1 + Math.floor(text.length / 3));
  }
}

/** One end: a socket, what it has sent, and who reads it. */
class End {
  readonly socket: Socket<undefined>;
  readonly sent: string[] = [];
  readonly reader: Reader;
  readonly waiting: Promise<unknown>[] = [];

  constructor(socket: Socket<undefined>) {
    this.socket = socket;
    this.reader = new Reader(socket);
  }

  async take(step: Step): Promise<void> {
    if ('send' in step) this.send(step.send, step.size);
    else if ('read' in step) await this.reader.read(step.read);
    else if (step.do === 'wait') await turns(1);
    else if (step.do === 'ping') this.waiting.push(this.socket.ping());
    else if (step.do === 'flush') this.waiting.push(this.socket.flushed());
    else this.socket[step.do]();
  }

  private send(how: string, size: number): void {
    const { socket } = this;
    const text = `${this.sent.length} ${how} `.padEnd(size, '.');
    this.sent.push(text);
    if (how === 'text') socket.send(text);
    else if (how === 'binary') socket.send(Buffer.from(text));
    else if (how === 'prepared') socket.send(new PreparedMessage(text));
    else if (how === 'blob') this.waiting.push(socket.send(new Blob([text])));
    else if (how === 'pieces') this.waiting.push(socket.send([text.slice(0, 3), text.slice(3)]));
    else this.waiting.push(socket.send(slowly(text)));
  }
}

const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      send: fc.constantFrom('text', 'binary', 'prepared', 'blob', 'pieces', 'slowly'),
      size: fc.oneof(fc.nat({ max: 50 }), fc.nat({ max: 3000 }), fc.constant(100_000)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      read: fc.constantFrom<Manner>('sync', 'async', 'loop', 'stream', 'cold', 'nobody'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('pause', 'resume', 'ping', 'flush', 'wait', 'wait'),
    }),
  },
);

it('loses, doubles and swaps no message between two ends, whoever reads and however', async () => {
  const rejections = watchRejections();
  const limits = fc.record({
    maxQueue: fc.integer({ min: 1, max: 4 }),
    maxQueueSize: fc.integer({ min: 1, max: 2000 }),
    highWaterMark: fc.integer({ min: 0, max: 2000 }),
  });
  await fc.assert(
    fc.asyncProperty(
      limits,
      fc.array(fc.record({ at: fc.nat({ max: 1 }), step: STEP }), { maxLength: 60 }),
      fc.constantFrom<Manner>('sync', 'async', 'loop', 'stream', 'cold'),
      async (options, steps, last) => {
        const { near, far } = await connectPair();
        const ends = [
          new End(makeSocket('server', near, { ...options, maxBackpressure: Infinity })),
          new End(makeSocket('client', far, { ...options, maxBackpressure: Infinity })),
        ] as const;
        const errors: unknown[] = [];
        for (const { socket } of ends) socket.on('error', (error) => void errors.push(error));
        for (const { at, step } of steps) await ends[at === 0 ? 0 : 1].take(step);
        for (const end of ends) {
          await end.reader.read(last);
          end.socket.resume();
        }
        await Promise.all(ends.flatMap(({ waiting }) => waiting));
        // The Pong to this comes behind all that the other end has read.
        await Promise.all(ends.map(({ socket }) => socket.flushed()));
        const [server, client] = ends;
        while (client.reader.got.length < server.sent.length && errors.length === 0) await turns(1);
        while (server.reader.got.length < client.sent.length && errors.length === 0) await turns(1);
        expect(errors).toEqual([]);
        expect(client.reader.got).toEqual(server.sent);
        expect(server.reader.got).toEqual(client.sent);
        const gate = new Gate();
        server.socket.on('close', () => gate.open());
        expect(await client.socket.close(4000)).toEqual({ code: 4000, reason: '', wasClean: true });
        await gate.passed;
        await turns();
        expect(client.reader.got).toHaveLength(server.sent.length);
        expect([server.socket.bufferedAmount, client.socket.bufferedAmount]).toEqual([0, 0]);
      },
    ),
    { numRuns: 60 },
  );
  expect(rejections).toEqual([]);
});
