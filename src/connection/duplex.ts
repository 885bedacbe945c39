/**
 * A socket as a stream of Node, for code that speaks in streams: a chunk is a message.
 *
 * @module
 */

/* oxlint-disable promise/no-callback-in-promise -- a Writable calls back, and a socket promises. */

import { Duplex } from 'node:stream';
import { ConnectionClosedError, asError } from '../errors.ts';
import type { Message } from './delivery.ts';
import type { Bytes } from './payload.ts';
import type { CloseResult } from './socket-events.ts';
import { checkNames } from './socket-options.ts';

export interface SocketDuplexOptions {
  /**
   * Whether chunks keep their type: strings for texts and Buffers for binaries, both ways. Default:
   * false, a stream of bytes, where texts are read as UTF-8 and all is sent as binaries.
   */
  readonly objectMode?: boolean | undefined;
  /** As for every stream: bytes, or chunks in `objectMode`. Default: that of Node. */
  readonly highWaterMark?: number | undefined;
}

export const DUPLEX_OPTION_NAMES: ReadonlySet<string> = new Set(['objectMode', 'highWaterMark']);

/** What a stream needs of its socket. */
export interface DuplexSocket extends AsyncIterable<Message, undefined> {
  readonly closed: Promise<CloseResult>;
  readonly readyState: number;
  send(data: string | Bytes): boolean;
  send(data: Iterable<string | Bytes> & object): Promise<boolean>;
  drained(): Promise<void>;
  terminate(): void;
}

const CLOSED = 3;

/** A larger chunk is sent as fragments: bytes, or code units of UTF-16. */
const MAX_WHOLE_SIZE = 64 * 1024;

class SocketDuplex extends Duplex {
  readonly #socket: DuplexSocket;
  readonly #endSending: () => Promise<CloseResult>;
  readonly #messages: AsyncIterator<Message, undefined>;

  constructor(
    socket: DuplexSocket,
    endSending: () => Promise<CloseResult>,
    { objectMode = false, highWaterMark }: SocketDuplexOptions,
  ) {
    // Behind a Close nothing can be sent.
    super({
      allowHalfOpen: false,
      objectMode,
      ...(highWaterMark !== undefined && { highWaterMark }),
    });
    this.#socket = socket;
    this.#endSending = endSending;
    this.#messages = socket[Symbol.asyncIterator]();
  }

  override _read(): void {
    this.readNext().catch((error: unknown) => this.destroy(asError(error)));
  }

  private async readNext(): Promise<void> {
    for (;;) {
      const { done, value } = await this.#messages.next();
      if (done === true) break;
      // In a stream of bytes an empty chunk is nothing at all, and nobody would ask for the next.
      if (value.length === 0 && !this.readableObjectMode) continue;
      this.push(this.readableObjectMode || typeof value !== 'string' ? value : Buffer.from(value));
      return;
    }
    const { code, reason, wasClean } = await this.#socket.closed;
    // What was cut must not look like a stream that has come to its end.
    if (wasClean) this.push(null);
    else this.destroy(new ConnectionClosedError(code, reason));
  }

  override _write(
    chunk: string | Buffer,
    _encoding: BufferEncoding,
    callback: (error?: Error | null) => void,
  ): void {
    let hasRoom: boolean;
    try {
      if (chunk.length > MAX_WHOLE_SIZE) {
        this.writeLarge(chunk, callback);
        return;
      }
      hasRoom = this.#socket.send(chunk);
    } catch (error) {
      // In object mode a chunk may be anything.
      callback(asError(error));
      return;
    }
    if (hasRoom) callback();
    else this.#socket.drained().then(() => callback(), callback);
  }

  /** In fragments, of which each waits for room: for all of it at once there may be none. */
  private writeLarge(chunk: string | Buffer, callback: (error?: Error | null) => void): void {
    const tell = (isSent: boolean): void => {
      callback(isSent ? null : new ConnectionClosedError(1006, ''));
    };
    this.#socket.send([chunk]).then(tell, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#endSending().then(() => callback(), callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.#socket.readyState !== CLOSED && !this.readableEnded) this.#socket.terminate();
    void this.#messages.return?.();
    // Nobody could be told, and no peer is to end the process by leaving: `close` comes, without `end`.
    const isUnheard = error instanceof ConnectionClosedError && this.listenerCount('error') === 0;
    callback(isUnheard ? null : error);
  }
}

/**
 * @param endSending - starts the closing handshake, and lets what the peer still sends be read
 */
export function createDuplex(
  socket: DuplexSocket,
  endSending: () => Promise<CloseResult>,
  options: SocketDuplexOptions = {},
): Duplex {
  checkNames(options, DUPLEX_OPTION_NAMES, 'duplex');
  return new SocketDuplex(socket, endSending, options);
}
