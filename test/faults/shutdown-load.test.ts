import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { type Socket as NetSocket, connect as connectNet } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { AnyServerSocket } from '../../src/server/server-socket.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { closeBody, maskedFrame, readFrames } from '../support/bytes.ts';
import { statusAt } from '../support/joined-peer.ts';
import { rawRequest } from '../support/raw-http.ts';
import { listenOn } from '../support/raw-peer.ts';

const CONNECTIONS = 2000;
/** Connections whose handshakes are under way at the same time. */
const AT_ONCE = 100;

/** A client that asks again as soon as it is answered, as long as it is. */
class Asker {
  readonly transport: NetSocket;
  readonly opened: Promise<void>;
  readonly closed: Promise<void>;
  readonly #chunks: Buffer[] = [];
  #isOpen = false;
  #asks = false;
  #rest: Buffer = Buffer.alloc(0);
  #sees1001 = false;

  /** @param answers - whether it answers a Close */
  constructor(port: number, answers: boolean) {
    const transport = connectNet({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    this.transport = transport;
    transport.write(rawRequest());
    onTestFinished(() => void transport.destroy());
    this.closed = new Promise((resolve) => {
      transport.once('close', () => resolve());
    });
    // What a reset says, `closed` says too.
    transport.on('error', () => transport.destroy());
    transport.on('end', () => transport.end());
    this.opened = new Promise((resolve) => {
      transport.on('data', (chunk: Buffer) => {
        if (this.#isOpen) this.take(chunk, answers);
        else this.readHead(chunk, resolve);
      });
    });
  }

  /** Whether the last that it was told was 1001. */
  get sees1001(): boolean {
    return this.#sees1001;
  }

  /** All texts that it got. */
  get texts(): string[] {
    return readFrames(Buffer.concat(this.#chunks))
      .filter(({ opcode }) => opcode === 1)
      .map(({ payload }) => payload.toString());
  }

  private readHead(chunk: Buffer, resolve: () => void): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const end = this.#rest.indexOf('\r\n\r\n');
    if (end < 0) return;
    this.#isOpen = true;
    resolve();
    if (this.#rest.length > end + 4) this.take(this.#rest.subarray(end + 4), true);
  }

  private take(chunk: Buffer, answers: boolean): void {
    this.#chunks.push(chunk);
    // The Close is the last of all, and its four bytes may come in two chunks.
    const tail = Buffer.concat(this.#chunks.slice(-2)).subarray(-4);
    this.#sees1001 = tail.equals(Buffer.concat([Buffer.of(0x88, 2), closeBody(1001)]));
    if (!this.#sees1001) {
      if (this.#asks) this.ask();
    } else if (answers) this.transport.end(maskedFrame({ opcode: 8, payload: closeBody(1001) }));
  }

  /** From here on it asks, and asks again for each answer. */
  start(): void {
    this.#asks = true;
    this.ask();
  }

  private ask(): void {
    this.transport.write(maskedFrame({ payload: 'again' }));
  }
}

/** What a socket has taken: `send` has answered true. */
const accepted = new WeakMap<AnyServerSocket, string[]>();

function sendAndCount(socket: AnyServerSocket, text: string): void {
  if (socket.send(text)) accepted.get(socket)!.push(text);
}

interface Load {
  readonly server: WebSocketServer;
  readonly port: number;
  readonly askers: readonly Asker[];
  /** In the order in which they came. */
  readonly sockets: readonly AnyServerSocket[];
  readonly told: AnyServerSocket[];
}

/** Connections that all ask and are answered, on an http server that goes on listening. */
async function load(count: number, answers: boolean): Promise<Load> {
  const told: AnyServerSocket[] = [];
  let number = 0;
  const server = new WebSocketServer({ highWaterMark: 1024 * 1024 });
  server.route('/', {
    open: (socket) => {
      accepted.set(socket, []);
      sendAndCount(socket, `socket ${number++}`);
    },
    message: (socket) => sendAndCount(socket, `answer ${accepted.get(socket)!.length}`),
    shutdown: (socket) => {
      told.push(socket);
      sendAndCount(socket, 'goodbye');
    },
  });
  const http = createServer();
  server.attach(http);
  const port = await listenOn(http);
  const askers: Asker[] = [];
  while (askers.length < count) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - askers.length) }, () => {
      return new Asker(port, answers);
    });
    askers.push(...some);
    await Promise.all(some.map(({ opened }) => opened));
  }
  for (const asker of askers) asker.start();
  return { server, port, askers, sockets: [...server.sockets], told };
}

/** Sockets and pipes of this process, as far as the system tells. */
function countDescriptors(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
}

describe('shutdown under load', () => {
  it('tells 2,000 busy connections, loses nothing that was accepted, and lets nobody in', async () => {
    const before = countDescriptors();
    const { server, port, askers, sockets, told } = await load(CONNECTIONS, true);
    const ending = server.shutdown({ batchSize: 200, batchInterval: 20, timeout: 15_000 });
    expect(await statusAt(port, '/')).toBe(503);
    expect(await ending).toEqual({ closed: CONNECTIONS, terminated: 0 });
    await Promise.all(askers.map(({ closed }) => closed));

    expect(new Set(told)).toEqual(new Set(sockets));
    expect(told.length).toBe(CONNECTIONS);
    expect(askers.filter(({ sees1001 }) => sees1001).length).toBe(CONNECTIONS);
    const got = askers.map(({ texts }) => texts).toSorted(byFirst);
    const sent = sockets.map((socket) => accepted.get(socket)!).toSorted(byFirst);
    expect(got).toEqual(sent);
    expect(sent.every((texts) => texts.at(-1) === 'goodbye')).toBe(true);
    // The http server listens still; nothing else is open.
    expect(countDescriptors()).toBeLessThanOrEqual(before + 8);
    // Thousands of connections of one process, which may share its processor with other tests.
  }, 60_000);

  it('is cut at once by a second signal, where clients do not answer', async () => {
    const { server, askers, told } = await load(300, false);
    const second = new AbortController();
    const ending = server.shutdown({ timeout: 600_000, signal: second.signal });
    // All of them have heard it, and none of them does anything.
    await Promise.all(askers.map((asker) => sawClose(asker)));
    expect(told.length).toBe(300);
    second.abort();
    expect(await ending).toEqual({ closed: 0, terminated: 300 });
    await Promise.all(askers.map(({ closed }) => closed));
  });
});

function byFirst([one = '']: string[], [other = '']: string[]): number {
  return one.localeCompare(other);
}

async function sawClose(asker: Asker): Promise<void> {
  while (!asker.sees1001) await new Promise(setImmediate);
}
