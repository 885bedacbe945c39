/** The other end of a real connection, in bytes: it keeps rules only where the test does. */
import { type Server, Socket as NetSocket, connect, createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { onTestFinished } from 'vitest';
import { type ReadFrame, readFrames } from './bytes.ts';
import { RawHead } from './raw-http.ts';

/** Where the first frame in `bytes` ends; null while it is not complete. */
function frameEnd(bytes: Buffer, at: number): number | null {
  if (bytes.length < at + 2) return null;
  const length = bytes[at + 1]! & 0x7f;
  const maskSize = bytes[at + 1]! >= 0x80 ? 4 : 0;
  const extendedSize = length === 126 ? 2 : length === 127 ? 8 : 0;
  if (bytes.length < at + 2 + extendedSize) return null;
  let size = length;
  if (length === 126) size = bytes.readUInt16BE(at + 2);
  if (length === 127) size = Number(bytes.readBigUInt64BE(at + 2));
  const end = at + 2 + extendedSize + maskSize + size;
  return end <= bytes.length ? end : null;
}

/** Both directions end on their own (`allowHalfOpen`), so that FIN and RST can be told apart. */
export class RawPeer {
  readonly transport: Duplex;
  #chunks: Buffer[] = [];
  #ended = false;
  #closed = false;
  #error: Error | null = null;
  readonly #waiting = new Set<() => void>();

  constructor(transport: Duplex) {
    this.transport = transport;
    transport.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.wake();
    });
    transport.on('end', () => {
      this.#ended = true;
      this.wake();
    });
    transport.on('error', (error) => {
      this.#error = error;
      this.wake();
    });
    transport.on('close', () => {
      this.#closed = true;
      this.wake();
    });
  }

  /** Connects to a port of this machine, until the test is over. */
  static async connect(port: number): Promise<RawPeer> {
    const transport = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    onTestFinished(() => void transport.destroy());
    const peer = new RawPeer(transport);
    await new Promise<void>((resolve, reject) => {
      transport.once('connect', resolve).once('error', reject);
    });
    return peer;
  }

  /** What has come and was not read yet. */
  get unread(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] ?? Buffer.alloc(0);
  }

  /** Whether the other end has sent its FIN. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Resolves when the kernel has taken the bytes, and with them all that were written before. */
  write(bytes: Uint8Array | string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.transport.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Sends our FIN, behind `bytes`. */
  end(bytes: Uint8Array | string = ''): void {
    this.transport.end(bytes);
  }

  /** Sends a reset: the connection is gone, and no FIN says so. */
  reset(): void {
    if (this.transport instanceof NetSocket) this.transport.resetAndDestroy();
  }

  /** Reads the head of an HTTP message. */
  async readHead(): Promise<RawHead> {
    await this.until('head', () => this.unread.includes('\r\n\r\n'));
    const end = this.unread.indexOf('\r\n\r\n') + 4;
    return new RawHead(this.take(end).toString('latin1'));
  }

  /** Reads exactly `size` bytes. */
  async readBytes(size: number): Promise<Buffer> {
    await this.until(`${size} bytes`, () => this.unread.length >= size);
    return this.take(size);
  }

  /** Reads `count` whole frames. */
  async readFrames(count: number): Promise<ReadFrame[]> {
    let end = 0;
    await this.until(`${count} frames`, () => {
      end = 0;
      for (let i = 0; i < count; i++) {
        const next = frameEnd(this.unread, end);
        if (next === null) return false;
        end = next;
      }
      return true;
    });
    return readFrames(this.take(end));
  }

  /** Reads up to the FIN of the other end. Rejects where a reset comes instead. */
  async readToEnd(): Promise<Buffer> {
    await this.until('FIN', () => this.#ended);
    return this.take(this.unread.length);
  }

  /** Resolves when both directions are over. Rejects where a reset did that. */
  async closed(): Promise<void> {
    await this.until('the close', () => this.#closed && this.#error === null);
  }

  /** Reads all that came before the other end left, by FIN or by a reset. */
  async readToLeave(): Promise<Buffer> {
    await this.until('end', () => this.#ended || this.#closed);
    return this.take(this.unread.length);
  }

  private take(size: number): Buffer {
    const bytes = this.unread;
    this.#chunks = [bytes.subarray(size)];
    return bytes.subarray(0, size);
  }

  private wake(): void {
    for (const look of this.#waiting) look();
  }

  private until(what: string, isThere: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (isThere()) resolve();
        else if (this.#closed) reject(new Error(`no ${what}`, { cause: this.#error }));
        else return;
        this.#waiting.delete(look);
      };
      this.#waiting.add(look);
      look();
    });
  }
}

/** Lets a server of Node listen on a port of this machine, which is returned. */
export async function listenOn(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  return address.port;
}

/** Listens on a port of this machine until the test is over, and hands out what connects. */
export class RawListener {
  readonly port: number;
  readonly #accepted: RawPeer[] = [];
  #taken = 0;
  #wake: (() => void) | null = null;

  private constructor(listener: Server, port: number) {
    this.port = port;
    listener.on('connection', (transport) => {
      this.#accepted.push(new RawPeer(transport));
      this.#wake?.();
    });
    onTestFinished(() => {
      for (const { transport } of this.#accepted) transport.destroy();
    });
  }

  static async listen(): Promise<RawListener> {
    const listener = createServer({ allowHalfOpen: true, noDelay: true });
    return new RawListener(listener, await listenOn(listener));
  }

  /** How many have connected so far. */
  get count(): number {
    return this.#accepted.length;
  }

  /** The next that connects. One at a time. */
  async accept(): Promise<RawPeer> {
    if (this.#taken === this.#accepted.length) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#accepted[this.#taken++]!;
  }
}
