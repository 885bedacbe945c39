/**
 * One end of an open connection, as an application sees it. The same on a server and from a
 * client; what is behind it is endpoint.ts.
 *
 * @module
 */

import { EventEmitter, captureRejectionSymbol } from 'node:events';
import type { Duplex } from 'node:stream';
import { warn } from '../errors.ts';
import type { PerMessageDeflate } from '../extension/permessage-deflate.ts';
import { encodeClosePayload } from '../frame/close-payload.ts';
import { type MessageOpcode, OPCODE } from '../frame/opcode.ts';
import type { Message } from './delivery.ts';
import { type SocketDuplexOptions, createDuplex } from './duplex.ts';
import { Endpoint } from './endpoint.ts';
import type { Role } from './handler.ts';
import { type Bytes, isBlob, isBytes, toBytes, toTextBytes } from './payload.ts';
import { type Pieces, checkPieces, piecesOf, refusePieces, sendPieces } from './pieces.ts';
import { PreparedMessage } from './prepared.ts';
import type {
  CloseResult,
  EndpointOwner,
  NodeTransport,
  SocketEvents,
  SocketHooks,
} from './socket-events.ts';
import {
  type SendOptions,
  mayCompress,
  type ResolvedSocketOptions,
  checkNames,
  refuseCallback,
} from './socket-options.ts';
import { READY_STATE, type ReadyState } from './state.ts';

/** Where one waits: what ends the waiting. */
export interface WaitOptions {
  /** Rejects the promise with its reason. Default: none. */
  readonly signal?: AbortSignal | undefined;
}

export const WAIT_OPTION_NAMES: ReadonlySet<string> = new Set(['signal']);

/** What makes a socket. */
export interface SocketInit<Data> {
  readonly role: Role;
  readonly transport: NodeTransport;
  readonly options: ResolvedSocketOptions;
  readonly data: Data;
  /** '' for none. */
  readonly protocol: string;
  readonly hooks?: SocketHooks<unknown> | undefined;
  readonly owner?: EndpointOwner | undefined;
  /** What was negotiated, as it stands in the answer. Default: '', for nothing. */
  readonly extensions?: string | undefined;
  /** The same, ready for use. */
  readonly deflate?: PerMessageDeflate | undefined;
}

/**
 * The inside of a socket, for those who make one. Not a method, since it is not for applications.
 */
export let endpointOf: (socket: Socket) => Endpoint;

/** `readyState` in words, as browsers have it. A socket is never connecting: it comes when it is open. */
const STATES = { CONNECTING: 0, ...READY_STATE } as const;

const WAIT_FOR_FLUSHED = '`await socket.flushed()` tells when it has gone to the kernel';
const WAIT_FOR_PROMISE = 'wait for the promise that it returns';

/** Every way in which an emitter gains or loses a listener; `once` and its kin go through these. */
const LISTENER_METHODS = [
  'on',
  'addListener',
  'prependListener',
  'off',
  'removeListener',
  'removeAllListeners',
] as const;

/**
 * One end of an open connection.
 *
 * `send`, `close` and their kin never throw because of the state of the connection: nobody can win
 * that race. Promises reject with a `ConnectionClosedError` where what they wait for cannot come
 * any more; who does not look at them need not catch.
 */
export class Socket<Data = unknown>
  extends EventEmitter<SocketEvents>
  implements AsyncIterable<Message, undefined>
{
  declare static readonly CONNECTING: 0;
  declare static readonly OPEN: 1;
  declare static readonly CLOSING: 2;
  declare static readonly CLOSED: 3;
  declare readonly CONNECTING: 0;
  declare readonly OPEN: 1;
  declare readonly CLOSING: 2;
  declare readonly CLOSED: 3;

  readonly #endpoint: Endpoint;
  readonly #protocol: string;
  readonly #extensions: string;
  /** Bytes of Blobs that were given to `send` and did not become frames yet. */
  #promisedSize = 0;

  /** Yours: what `upgrade` returned on a server, the option `data` of `connect` on a client. */
  data: Data;

  /** Sockets come from a server or from `connect`. */
  constructor(init: SocketInit<Data>) {
    super({ captureRejections: true });
    this.data = init.data;
    this.#protocol = init.protocol;
    const { role, transport, options, hooks, owner, deflate } = init;
    this.#extensions = init.extensions ?? '';
    this.#endpoint = new Endpoint(role, this, transport, options, hooks, owner, deflate);
  }

  // (A declaration file cannot name a method by an imported symbol.)
  static {
    endpointOf = (socket) => socket.#endpoint;
    for (const [name, value] of Object.entries(STATES)) {
      for (const owner of [Socket, Socket.prototype]) {
        Object.defineProperty(owner, name, { value, enumerable: true });
      }
    }
    // A listener that is async and rejects: the same as one that throws.
    Socket.prototype[captureRejectionSymbol] = function failSocket(error, event, ..._rest) {
      // To tell a listener for errors of its own error would never end.
      if (event === 'error') warn(error);
      else this.#endpoint.onThrown(error);
    };
    // The endpoint keeps the listeners for messages at hand; so it is told when they change. (Here,
    // since the types of the inherited methods stay as they are.)
    for (const name of LISTENER_METHODS) {
      const inherited: AnyMethod = EventEmitter.prototype[name];
      const method = function changeListeners(this: Socket, ...values: unknown[]): unknown {
        const result = Reflect.apply(inherited, this, values);
        this.#endpoint.onListeners(values[0]);
        return result;
      };
      Object.defineProperty(Socket.prototype, name, {
        value: method,
        writable: true,
        configurable: true,
      });
    }
  }

  /** 1 open, 2 closing, 3 closed. */
  get readyState(): ReadyState {
    return this.#endpoint.readyState;
  }

  /** The subprotocol that both ends agreed on; '' for none. */
  get protocol(): string {
    return this.#protocol;
  }

  /** The extensions that are in use, with their parameters as they stand in the answer; '' for none. */
  get extensions(): string {
    return this.#extensions;
  }

  /** Bytes that wait to be sent. */
  get bufferedAmount(): number {
    return this.#endpoint.connection.bufferedAmount + this.#promisedSize;
  }

  /** Messages that were dropped by `backpressurePolicy`, or because the socket closed. */
  get dropped(): number {
    return this.#endpoint.connection.dropped;
  }

  /** Messages, Pings and Pongs of the peer that were dropped by `rateLimit`. */
  get ignored(): number {
    return this.#endpoint.connection.ignored;
  }

  /** Milliseconds from the last Ping of the keepalive to its Pong; NaN before there was one. */
  get latency(): number {
    return this.#endpoint.connection.latency;
  }

  get isPaused(): boolean {
    return this.#endpoint.isPaused;
  }

  /** Resolves when the connection has ended, and never rejects. */
  get closed(): Promise<CloseResult> {
    return this.#endpoint.promises.closed();
  }

  // ── Sending ───────────────────────────────────────────────────────────────────────────────

  /**
   * Sends a message: a string as a text, bytes as a binary. What is sent in one turn leaves in one
   * write. Bytes of 16 KiB and more are not copied on a server: they must not change while
   * `bufferedAmount` is not 0.
   *
   * @param data - a view sends exactly the bytes that it shows. An unpaired surrogate in a string
   *   becomes U+FFFD.
   * @returns false when the socket did not take it (closed, or dropped by `backpressurePolicy`), or
   *   when more waits now than `highWaterMark`: then wait for `drain`
   * @throws {TypeError} for anything else, and for a callback
   */
  send(data: string | Bytes | PreparedMessage, options?: SendOptions): boolean;
  /**
   * Sends a Blob as a binary, or an iterable as one message of fragments, each of which leaves as
   * soon as it is there. Messages that are sent meanwhile wait for its end. Where the first piece
   * is a string it is a text; an iterable without pieces is an empty binary.
   *
   * @returns whether all of it was sent. Where an iterable throws, the socket closes with 1011: a
   *   message cannot be left unfinished.
   * @throws {TypeError} for an array with something in it that is neither string nor bytes, and for
   *   a Map, a Set, URLSearchParams, FormData and Headers: they were hardly meant to be glued together
   */
  send(data: Blob | Pieces, options?: SendOptions): Promise<boolean>;
  /** For what may be either. */
  send(
    data: string | Bytes | PreparedMessage | Blob | Pieces,
    options?: SendOptions,
  ): boolean | Promise<boolean>;
  send(
    data: string | Bytes | PreparedMessage | Blob | Pieces,
    options?: SendOptions,
  ): boolean | Promise<boolean> {
    if (arguments.length > 1) refuseCallback('send', arguments, WAIT_FOR_FLUSHED);
    const compress = options === undefined || mayCompress(options);
    if (typeof data === 'string') return this.#endpoint.send(OPCODE.TEXT, data, compress);
    // The cheapest question first: what an ArrayBuffer is, is asked by its name.
    const isPrepared = !ArrayBuffer.isView(data) && data instanceof PreparedMessage;
    if (isPrepared) return this.#endpoint.sendPrepared(data, compress);
    if (isBytes(data)) return this.#endpoint.send(OPCODE.BINARY, toBytes(data), compress);
    return this.sendParts(null, data, compress);
  }

  /**
   * Sends a text, given as a string, as UTF-8, or as an iterable of both. Otherwise as {@link send}.
   *
   * @throws {TypeError} for bytes that are not valid UTF-8
   */
  sendText(data: string | Bytes, options?: SendOptions): boolean;
  sendText(data: Blob | Pieces, options?: SendOptions): Promise<boolean>;
  sendText(data: string | Bytes | Blob | Pieces, options?: SendOptions): boolean | Promise<boolean>;
  sendText(
    data: string | Bytes | Blob | Pieces,
    options?: SendOptions,
  ): boolean | Promise<boolean> {
    if (arguments.length > 1) refuseCallback('sendText', arguments, WAIT_FOR_FLUSHED);
    const compress = options === undefined || mayCompress(options);
    if (typeof data !== 'string' && !isBytes(data))
      return this.sendParts(OPCODE.TEXT, data, compress);
    const text = typeof data === 'string' ? data : toTextBytes(data);
    return this.#endpoint.send(OPCODE.TEXT, text, compress);
  }

  /** Sends a binary; of a string, its UTF-8. Otherwise as {@link send}. */
  sendBinary(data: string | Bytes, options?: SendOptions): boolean;
  sendBinary(data: Blob | Pieces, options?: SendOptions): Promise<boolean>;
  sendBinary(
    data: string | Bytes | Blob | Pieces,
    options?: SendOptions,
  ): boolean | Promise<boolean>;
  sendBinary(
    data: string | Bytes | Blob | Pieces,
    options?: SendOptions,
  ): boolean | Promise<boolean> {
    if (arguments.length > 1) refuseCallback('sendBinary', arguments, WAIT_FOR_FLUSHED);
    const compress = options === undefined || mayCompress(options);
    if (typeof data !== 'string' && !isBytes(data))
      return this.sendParts(OPCODE.BINARY, data, compress);
    const bytes = typeof data === 'string' ? data : toBytes(data);
    return this.#endpoint.send(OPCODE.BINARY, bytes, compress);
  }

  /**
   * Resolves when less waits than `highWaterMark`: at once, where that is so.
   *
   * @throws {TypeError} for an option that there is not
   */
  drained(options?: WaitOptions): Promise<void> {
    refuseCallback('drained', arguments, WAIT_FOR_PROMISE);
    return this.#endpoint.promises.drained(signalOf('drained', options));
  }

  /**
   * Resolves when all that was sent so far went to the kernel. (Not what the policy `'latest'`
   * keeps: something newer may take its place.)
   *
   * @throws {TypeError} for an option that there is not
   */
  flushed(options?: WaitOptions): Promise<void> {
    refuseCallback('flushed', arguments, WAIT_FOR_PROMISE);
    return this.#endpoint.promises.flushed(signalOf('flushed', options));
  }

  /**
   * Sends a Ping. Resolves with the milliseconds until its Pong. Where there is no keepalive, only
   * `signal` ends the wait for a peer that is silent.
   *
   * @param payload - at most 125 bytes. Default: a number of ours
   * @throws {TypeError | RangeError} for a payload that fits no Ping (RFC 6455, section 5.5), and for
   *   an option that there is not
   */
  ping(payload?: string | Bytes, options?: WaitOptions): Promise<number> {
    refuseCallback('ping', arguments, 'its promise resolves when the Pong comes');
    const bytes = payload === undefined ? undefined : controlBytes(payload);
    return this.#endpoint.promises.ping(bytes, signalOf('ping', options));
  }

  /**
   * Sends a Pong: unasked, or because `autoPong` is off. Answers as {@link send}.
   *
   * @throws {TypeError | RangeError} as {@link ping}
   */
  pong(payload: string | Bytes = ''): boolean {
    if (arguments.length > 0) refuseCallback('pong', arguments, WAIT_FOR_FLUSHED);
    return this.#endpoint.afterSend(this.#endpoint.connection.pong(controlBytes(payload)));
  }

  // ── Closing ───────────────────────────────────────────────────────────────────────────────

  /**
   * Starts the closing handshake (RFC 6455, section 7.1.2). No message is given out after it, and
   * none is sent that was not given to `send` before. Blobs are sent to their end; an iterable, which
   * may have none, is left where it is, with what waits behind it.
   *
   * @param code - 1000 to 1003, 1007 to 1014 or 3000 to 4999. Default: none, reported as 1005
   * @param reason - at most 123 bytes of UTF-8
   * @returns how the connection ended, when it has
   * @throws {TypeError | RangeError} for a code or a reason that must not be sent
   */
  close(code?: number, reason?: string | Bytes): Promise<CloseResult> {
    refuseCallback('close', arguments, WAIT_FOR_PROMISE);
    const text = isBytes(reason) ? Buffer.from(toTextBytes(reason)).toString() : reason;
    // What is wrong with the arguments is said, whatever state the connection is in.
    encodeClosePayload(code, text);
    return this.#endpoint.close(code, text);
  }

  /** Ends the connection at once, without a Close: both ends see 1006. */
  terminate(): void {
    this.#endpoint.terminate();
  }

  /** Closes with 1000, and waits for the end: `await using socket = await connect(url)`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(1000);
  }

  // ── Receiving ─────────────────────────────────────────────────────────────────────────────

  /**
   * No message is given out until `resume`. Pings are answered, and a Close is seen; only when
   * `maxQueue` messages wait nothing is read any more, and the peer is held back.
   */
  pause(): void {
    this.#endpoint.consumers.pause();
  }

  resume(): void {
    this.#endpoint.resume();
  }

  /**
   * The messages, from the first that nobody was given. The loop ends with the connection, however
   * that ended: {@link closed} tells. To leave the loop leaves the socket open, and a new loop goes
   * on. While the body of a loop runs, listeners wait for it as it waits for them.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message, undefined> {
    return this.#endpoint.consumers.iterate();
  }

  /**
   * A stream of Node over this socket: a chunk is a message. To end it closes with 1000: what the
   * peer has sent by then is still read, but it has no way to answer after that, since a WebSocket is
   * never half-closed. To destroy it terminates.
   *
   * @throws {TypeError} for an option that there is not
   */
  duplex(options?: SocketDuplexOptions): Duplex {
    return createDuplex(this, () => this.#endpoint.endSending(), options);
  }

  private sendParts(
    opcode: MessageOpcode | null,
    data: Blob | Pieces | null | undefined,
    compress: boolean,
  ): Promise<boolean> {
    if (isBlob(data)) return this.sendBlob(opcode ?? OPCODE.BINARY, data, compress);
    if (!isPieces(data)) {
      throw new TypeError(
        'data must be a string, an ArrayBuffer, a view of one, a Blob or an iterable of such pieces',
      );
    }
    checkPieces(data);
    return this.#endpoint.isLeaving
      ? refusePieces(data)
      : sendPieces(this.#endpoint, opcode, data, compress, true);
  }

  private async sendBlob(opcode: MessageOpcode, blob: Blob, compress: boolean): Promise<boolean> {
    if (this.#endpoint.isLeaving) return false;
    let rest = blob.size;
    const take = (size: number): void => {
      rest -= size;
      this.#promisedSize -= size;
    };
    this.#promisedSize += rest;
    const end = this.#endpoint.beginBlob(this.#promisedSize);
    try {
      return await sendPieces(this.#endpoint, opcode, piecesOf(blob, take), compress, false);
    } finally {
      take(rest);
      end?.();
    }
  }
}

type AnyMethod = (...values: never[]) => unknown;

function isPieces(data: unknown): data is Pieces {
  return (
    typeof data === 'object' &&
    data !== null &&
    (Symbol.asyncIterator in data || Symbol.iterator in data)
  );
}

function signalOf(what: string, options: WaitOptions | undefined): AbortSignal | undefined {
  if (options === undefined) return undefined;
  checkNames(options, WAIT_OPTION_NAMES, what);
  return options.signal;
}

/** The payload of a control frame: a string as UTF-8. */
function controlBytes(payload: string | Bytes): Uint8Array {
  return typeof payload === 'string' ? Buffer.from(payload) : toBytes(payload);
}
