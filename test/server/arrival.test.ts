import { once } from 'node:events';
import type { Socket as NetSocket } from 'node:net';
import type { Duplex } from 'node:stream';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { bind } from '../../src/connection/binding.ts';
import type { HandshakeError } from '../../src/errors.ts';
import {
  DEFAULT_HEAD_LIMITS,
  type HeadLimits,
  type RequestHead,
  RequestHeadParser,
} from '../../src/handshake/http1.ts';
import { refusal } from '../../src/handshake/refusal.ts';
import { Arrival, type ArrivalOwner } from '../../src/server/arrival.ts';
import { Arrivals } from '../../src/server/arrivals.ts';
import { connectPair } from '../support/loopback.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { rawRequest } from '../support/raw-http.ts';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const REQUEST = Buffer.from(rawRequest({}, 'GET /chat HTTP/1.1'));

/** An owner that only writes down what it is told. */
class Listening implements ArrivalOwner {
  readonly told: string[] = [];
  readonly heads: RequestHead[] = [];
  readonly arrivals = new Arrivals<Arrival>();
  /** Of the request that was refused last. */
  method: string | undefined = undefined;

  onHead(_arrival: Arrival, head: RequestHead): void {
    this.heads.push(head);
    this.told.push(`head ${head.target}`);
  }

  onRefused(arrival: Arrival, error: HandshakeError, method?: string): void {
    this.arrivals.delete(arrival);
    this.told.push(`refused ${error.code}`);
    this.method = method;
  }

  onLeft(): void {
    this.told.push('left');
  }
}

interface Arriving {
  readonly arrival: Arrival;
  readonly owner: Listening;
}

function arrive(
  transport: Duplex,
  limits: HeadLimits | null = DEFAULT_HEAD_LIMITS,
  rest?: Buffer,
): Arriving {
  const owner = new Listening();
  const arrival = new Arrival(transport, owner, limits, rest);
  owner.arrivals.add(arrival, 1_000);
  onTestFinished(() => {
    owner.arrivals.delete(arrival);
    arrival.finish();
  });
  return { arrival, owner };
}

/** How many listeners an arrival has left on its transport, beside those that were there. */
function listenersOf(transport: Duplex): Record<string, number> {
  const names = ['data', 'end', 'error', 'close', 'drain'];
  return Object.fromEntries(names.map((name) => [name, transport.listenerCount(name)]));
}

/** Both ends of a connection, until the test is over. */
async function pair(): Promise<{ near: NetSocket; far: NetSocket }> {
  const { near, far } = await connectPair();
  onTestFinished(() => {
    near.destroy();
    far.destroy();
  });
  return { near, far };
}

/** The same as `once`, which would reject for a reset. */
async function gone(transport: Duplex): Promise<void> {
  await new Promise<void>((resolve) => {
    transport.once('close', () => resolve());
  });
}

describe('the head of a request', () => {
  it('is given once, however it is cut, and what is behind it is kept byte for byte', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.nat({ max: 450 }), { maxLength: 6 }),
        async (behind, cuts) => {
          const { stream } = memoryStream();
          const { arrival, owner } = arrive(stream);
          const wire = Buffer.concat([REQUEST, behind]);
          const ends = [...cuts.map((cut) => cut % wire.length), wire.length].toSorted(
            (a, b) => a - b,
          );
          let at = 0;
          for (const end of ends) {
            if (end > at) stream.push(wire.subarray(at, end));
            at = Math.max(at, end);
            await new Promise(setImmediate);
          }
          expect(owner.told).toEqual(['head /chat']);
          expect(owner.heads[0]!.fields.get('host')).toBe('localhost');
          expect(arrival.finish()).toEqual(Buffer.from(behind));
          stream.destroy();
        },
      ),
    );
  });

  it('may be there already, with what came behind it', async () => {
    const { near, far } = await pair();
    const { arrival, owner } = arrive(near, null, Buffer.from('abc'));
    far.write('def');
    await once(near, 'data');
    expect(owner.told).toEqual([]);
    expect(arrival.finish().toString()).toBe('abcdef');
  });

  it('that is malformed is refused at its first wrong byte, and then nothing more is read', async () => {
    const { near, far } = await pair();
    const { arrival, owner } = arrive(near);
    far.write('GET /chat HTTP/1.1\n');
    await once(near, 'data');
    expect(owner.told).toEqual(['refused WS_ERR_LINE_END']);
    expect(arrival.isOver).toBe(true);
    expect(near.listenerCount('data')).toBe(0);
  });

  it.each([
    ['', 'GIT'],
    ['HEAD', 'HEAD / HTTP/1.1\r\nno colon\r\n'],
  ])('that is refused tells its method, as far as it was read: %j', async (method, bytes) => {
    const { near, far } = await pair();
    const { arrival, owner } = arrive(near);
    far.write(bytes);
    await once(near, 'data');
    if (owner.told.length === 0) far.write('\n');
    await expect.poll(() => owner.told).toHaveLength(1);
    expect([arrival.isOver, owner.method]).toEqual([true, method]);
  });

  it('is held to the limits that are given', async () => {
    const { near, far } = await pair();
    const { owner } = arrive(near, { ...DEFAULT_HEAD_LIMITS, maxTargetSize: 4 });
    far.write(REQUEST);
    await once(near, 'data');
    expect(owner.told).toEqual(['refused WS_ERR_TARGET_TOO_LONG']);
  });

  it('lets through what is no fault of the peer', () => {
    const { stream } = memoryStream();
    const owner = new Listening();
    const mistake = new Error('a mistake of ours');
    vi.spyOn(owner, 'onHead').mockImplementation(() => {
      throw mistake;
    });
    const arrival = new Arrival(stream, owner, DEFAULT_HEAD_LIMITS);
    expect(() => stream.emit('data', REQUEST)).toThrow(mistake);
    arrival.finish();
    stream.destroy();
  });

  it('is no refusal where a transport gives something else than bytes', () => {
    const { stream } = memoryStream();
    const { owner } = arrive(stream);
    expect(() => stream.emit('data', null)).toThrow(TypeError);
    expect(owner.told).toEqual([]);
    stream.destroy();
  });
});

describe('what comes behind the head before the answer', () => {
  it('holds the transport back from 64 KiB on, and is whole when it goes on', async () => {
    const { near, far } = await pair();
    const { arrival } = arrive(near);
    const sent = Buffer.alloc(1024 * 1024, 'first frames');
    far.write(REQUEST);
    far.write(sent);
    await vi.waitFor(() => expect(near.isPaused()).toBe(true));
    const first = arrival.finish();
    expect(first.length).toBeGreaterThanOrEqual(64 * 1024);
    // What one read of a socket brings at the most, beyond that.
    expect(first.length).toBeLessThan(128 * 1024);
    const chunks = [first];
    near.on('data', (chunk: Buffer) => chunks.push(chunk));
    await vi.waitFor(() => expect(Buffer.concat(chunks).equals(sent)).toBe(true));
  });

  it('holds the transport back at once where it all came with the head', async () => {
    const { stream } = memoryStream();
    const { arrival } = arrive(stream, null, Buffer.alloc(64 * 1024));
    stream.push('x');
    await new Promise(setImmediate);
    expect(stream.isPaused()).toBe(true);
    const chunks = [arrival.finish()];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    await new Promise(setImmediate);
    expect(chunks.map(({ length }) => length)).toEqual([64 * 1024, 1]);
    stream.destroy();
  });

  it('is not copied anew for each byte that comes alone', async () => {
    const { stream } = memoryStream();
    const { arrival } = arrive(stream, null);
    const size = 4096;
    const concat = vi.spyOn(Buffer, 'concat');
    for (let i = 0; i < size; i++) stream.emit('data', Buffer.of(i));
    const rest = arrival.finish();
    let copied = 0;
    for (const { value } of concat.mock.results)
      copied += Buffer.isBuffer(value) ? value.length : 0;
    expect(copied).toBeLessThanOrEqual(8 * size);
    expect(rest).toEqual(Buffer.from(Array.from({ length: size }, (_, i) => i)));
    stream.destroy();
  });

  it('holds nothing back below that', async () => {
    const { stream } = memoryStream();
    const { arrival } = arrive(stream, null, Buffer.alloc(64 * 1024 - 2));
    stream.push('x');
    await new Promise(setImmediate);
    expect(stream.isPaused()).toBe(false);
    expect(arrival.finish().length).toBe(64 * 1024 - 1);
    stream.destroy();
  });
});

describe('a client that leaves', () => {
  it.each([
    ['by FIN', (far: NetSocket) => void far.end()],
    ['by a reset', (far: NetSocket) => void far.resetAndDestroy()],
  ])('before its head, %s, is told once, and its transport is gone', async (_how, leave) => {
    const { near, far } = await pair();
    const { arrival, owner } = arrive(near);
    leave(far);
    await gone(near);
    expect(owner.told).toEqual(['left']);
    expect(arrival.isOver).toBe(true);
  });

  it.each([
    ['by FIN', (far: NetSocket) => void far.end()],
    ['by a reset', (far: NetSocket) => void far.resetAndDestroy()],
  ])('behind its head, %s, aborts the signal with the reason', async (_how, leave) => {
    const { near, far } = await pair();
    const { arrival, owner } = arrive(near);
    far.write(REQUEST);
    await once(near, 'data');
    const { signal } = arrival;
    expect(signal.aborted).toBe(false);
    leave(far);
    await once(signal, 'abort');
    expect(signal.reason).toEqual(refusal('LEFT'));
    expect(owner.told).toEqual(['head /chat', 'left']);
    expect(near.destroyed).toBe(true);
    expect(arrival.signal).toBe(signal);
  });

  it('has its signal aborted for those too who ask for it only later', async () => {
    const { near, far } = await pair();
    const { arrival } = arrive(near, null);
    far.end();
    await gone(near);
    expect(arrival.signal.aborted).toBe(true);
    expect(arrival.signal.reason).toEqual(refusal('LEFT'));
  });

  it('is told where the application destroys the transport', async () => {
    const { near } = await pair();
    const { owner } = arrive(near);
    near.destroy();
    await gone(near);
    expect(owner.told).toEqual(['left']);
  });
});

describe('the deadline', () => {
  it('is one for the whole head, whatever comes meanwhile', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { near, far } = await pair();
    const { owner } = arrive(near);
    for (let i = 0; i < 9; i++) {
      const came = once(near, 'data');
      far.write(REQUEST.subarray(i, i + 1));
      await came;
      vi.advanceTimersByTime(100);
    }
    vi.advanceTimersByTime(99);
    expect(owner.told).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(owner.told).toEqual(['refused WS_ERR_TIMEOUT']);
  });

  it('is the same for what is decided behind the head, and aborts the signal', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { near, far } = await pair();
    const { arrival, owner } = arrive(near);
    vi.advanceTimersByTime(600);
    far.write(REQUEST);
    await once(near, 'data');
    const { signal } = arrival;
    vi.advanceTimersByTime(399);
    expect(signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(owner.told).toEqual(['head /chat', 'refused WS_ERR_UNDECIDED']);
    expect(signal.reason).toEqual(refusal('UNDECIDED'));
    expect(near.destroyed).toBe(false);
  });

  it('aborts the signal for those too who ask for it only later', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { near } = await pair();
    const { arrival } = arrive(near, null);
    vi.advanceTimersByTime(1_000);
    expect(arrival.signal.aborted).toBe(true);
    expect(arrival.signal.reason).toEqual(refusal('UNDECIDED'));
  });
});

describe('an arrival that is over', () => {
  it('was not refused where the fault is ours', async () => {
    const { near } = await pair();
    const { arrival, owner } = arrive(near);
    vi.spyOn(RequestHeadParser.prototype, 'push').mockImplementation(() => {
      throw new Error('our fault');
    });
    expect(() => arrival.receive(REQUEST.subarray(0, 9))).toThrow('our fault');
    expect(owner.told).toEqual([]);
  });

  it('has no listener but the one that makes a reset harmless', async () => {
    const { near, far } = await pair();
    const before = listenersOf(near);
    const { arrival, owner } = arrive(near);
    expect(arrival.isOver).toBe(false);
    arrival.finish();
    expect(arrival.isOver).toBe(true);
    expect(listenersOf(near)).toEqual({ ...before, error: before['error']! + 1 });
    far.resetAndDestroy();
    near.resume();
    await gone(near);
    expect(owner.told).toEqual([]);
  });

  it('has a signal that is not aborted, also when its connection ends long after', async () => {
    const { near, far } = await pair();
    const { arrival } = arrive(near, null);
    const { signal } = arrival;
    arrival.finish();
    near.resume();
    far.resetAndDestroy();
    await gone(near);
    expect(signal.aborted).toBe(false);
    expect(arrival.signal.aborted).toBe(false);
  });

  it('that is handed over leaves its listeners to whoever is bound next', async () => {
    const { near, far } = await pair();
    const { arrival, owner } = arrive(near, null, Buffer.from('abc'));
    const before = listenersOf(near);
    expect(arrival.handOver().toString()).toBe('abc');
    const told: string[] = [];
    const tell = (what: string) => () => void told.push(what);
    bind(near, {
      receive: (chunk) => void told.push(chunk.toString()),
      receiveEnd: tell('end'),
      receiveDrain: tell('drain'),
      receiveClose: tell('close'),
      receiveError: tell('error'),
    });
    expect(listenersOf(near)).toEqual(before);
    far.end('def');
    near.end();
    await gone(near);
    expect([told, owner.told]).toEqual([['def', 'end', 'close'], []]);
  });

  it('minds no drain, since it has written nothing', () => {
    const { stream } = memoryStream();
    const { owner } = arrive(stream);
    stream.emit('drain');
    expect(owner.told).toEqual([]);
    stream.destroy();
  });

  it('gives what came behind the head once', async () => {
    const { near } = await pair();
    const { arrival } = arrive(near, null, Buffer.from('abc'));
    expect(arrival.finish().toString()).toBe('abc');
    expect(arrival.finish().length).toBe(0);
  });
});
