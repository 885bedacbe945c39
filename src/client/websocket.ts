/**
 * The class `WebSocket` of the WHATWG standard, for code that must run in browsers too: a face over
 * `connect` and `Socket`. Sections in this file are those of the WHATWG WebSockets standard.
 *
 * @module
 */

import { isBlob, isBytes } from '../connection/payload.ts';
import type { Socket } from '../connection/socket.ts';
import { READY_STATE, type ReadyState } from '../connection/state.ts';
import { asError } from '../errors.ts';
import { refusal } from '../handshake/refusal.ts';
import { areSubprotocols } from '../handshake/subprotocol.ts';
import { BufferedAmount } from './buffered-amount.ts';
import { type ConnectOptions, openAttempt, prepareAttempt } from './connect.ts';
import { destinationOf, parseUrl } from './url.ts';
import { CloseEvent, HandlerAttributes } from './websocket-events.ts';

/** What Node can do and browsers cannot: the third argument of {@link WebSocket}. */
export type WebSocketOptions = Omit<ConnectOptions, 'data' | 'protocols' | 'signal' | 'text'>;

export type BinaryType = 'blob' | 'arraybuffer';

/** Events by their names. */
export interface WebSocketEventMap {
  open: Event;
  message: MessageEvent;
  /** The connection failed: it did not open, or an end broke the protocol. `close` follows. */
  error: Event;
  close: CloseEvent;
}

/** Handler attributes, without their `on`. */
interface Handlers {
  open: (event: Event) => unknown;
  message: (event: MessageEvent) => unknown;
  error: (event: Event) => unknown;
  close: (event: CloseEvent) => unknown;
}

type Listener<Type extends keyof WebSocketEventMap> =
  | ((this: WebSocket, event: WebSocketEventMap[Type]) => unknown)
  | { handleEvent(event: WebSocketEventMap[Type]): unknown };
type AnyListener = Parameters<EventTarget['addEventListener']>[1];
type ListenerOptions = Parameters<EventTarget['addEventListener']>[2];
type RemovalOptions = Parameters<EventTarget['removeEventListener']>[2];

const STATES = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 } as const;
/** The attributes and methods of the standard; with those of `EventTarget` that have types here. */
const IN_BROWSERS: ReadonlySet<string> = new Set([
  'url',
  'readyState',
  'bufferedAmount',
  'onopen',
  'onerror',
  'onclose',
  'extensions',
  'protocol',
  'close',
  'onmessage',
  'binaryType',
  'send',
  'addEventListener',
  'removeEventListener',
]);
const NORMAL_CLOSURE = 1000;
const ABNORMAL_CLOSURE = 1006;
const MAX_REASON_SIZE = 123;

/**
 * A WebSocket as browsers have it (section 3.1). The limits of `connect` hold here too, such as
 * `maxPayload`; but what waits to be sent has none unless `maxBackpressure` is given, since here it
 * is `bufferedAmount` that one looks at. An event `error` has the reason in its property `error`.
 *
 * A listener that throws becomes an uncaught exception, as Node does with every `EventTarget`;
 * other listeners and the connection go on.
 */
export class WebSocket extends EventTarget {
  declare static readonly CONNECTING: 0;
  declare static readonly OPEN: 1;
  declare static readonly CLOSING: 2;
  declare static readonly CLOSED: 3;
  declare readonly CONNECTING: 0;
  declare readonly OPEN: 1;
  declare readonly CLOSING: 2;
  declare readonly CLOSED: 3;

  static {
    for (const [name, value] of Object.entries(STATES)) {
      for (const owner of [WebSocket, WebSocket.prototype]) {
        Object.defineProperty(owner, name, { value, enumerable: true });
      }
    }
    // As Web IDL has it: wrappers copy what they find.
    for (const name of Object.getOwnPropertyNames(WebSocket.prototype)) {
      if (IN_BROWSERS.has(name)) {
        Object.defineProperty(WebSocket.prototype, name, { enumerable: true });
      }
    }
    Object.defineProperty(WebSocket.prototype, Symbol.toStringTag, {
      value: 'WebSocket',
      configurable: true,
    });
  }

  readonly #url: string;
  readonly #offersProtocols: boolean;
  /** Of the events `message`: the server's, as the URL names it. */
  readonly #origin: string;
  readonly #handlers: HandlerAttributes<Handlers> = new HandlerAttributes<Handlers>(this);
  readonly #bufferedAmount: BufferedAmount = new BufferedAmount();
  /** While the socket is there, the rest of its life is told by that. */
  #state: 0 | ReadyState = STATES.CONNECTING;
  #socket: Socket | null = null;
  /** Gives the attempt up. */
  #attempt: AbortController | null = new AbortController();
  #protocol = '';
  #binaryType: BinaryType = 'blob';
  /** Why the connection failed; null where it did not. */
  #failure: unknown = null;
  #extensions = '';

  /**
   * Connects.
   *
   * @param url - absolute, `ws:` or `wss:` (or `http:` or `https:`)
   * @param protocols - subprotocols that the server may choose from. Default: none
   * @param options - not of the standard, and ignored by browsers
   * @throws {DOMException} SyntaxError for a URL that is none, has another scheme or a fragment,
   *   and for subprotocols that are not unique tokens
   * @throws {TypeError | RangeError} for an option that is wrong
   */
  constructor(
    url: string | URL,
    protocols: string | readonly string[] = [],
    options: WebSocketOptions = {},
  ) {
    super();
    if (arguments.length === 0) throw new TypeError('a WebSocket needs a URL');
    const parsed = orSyntaxError(() => parseUrl(url));
    this.#url = parsed.href;
    this.#origin = parsed.origin;
    const list = listOf(protocols);
    this.#offersProtocols = list.length > 0;
    if (!areSubprotocols(list)) throw syntaxError('subprotocols are unique tokens');
    const attempt = prepareAttempt(destinationOf(parsed), {
      ...options,
      // Who sends much at once looks at `bufferedAmount`; the standard knows no other bound.
      maxBackpressure: options.maxBackpressure ?? Number.POSITIVE_INFINITY,
      // Browsers offer it.
      deflate: options.deflate ?? true,
      protocols: list,
      signal: this.#attempt!.signal,
      data: undefined,
      text: 'string',
    });
    void openAttempt(attempt).then(
      (socket) => this.receiveOpen(socket),
      (error: unknown) => this.receiveFailure(error),
    );
  }

  // ── Attributes ────────────────────────────────────────────────────────────────────────────

  get url(): string {
    return this.#url;
  }

  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  get readyState(): 0 | ReadyState {
    return this.#socket?.readyState ?? this.#state;
  }

  /**
   * Bytes of messages that wait to be sent, without their frames. It does not fall before the turn
   * ends, and grows still by what `send` is given after the end.
   */
  get bufferedAmount(): number {
    return this.#bufferedAmount.value;
  }

  /** The extensions in use, as the server has written them; '' for none, and before the open. */
  get extensions(): string {
    return this.#extensions;
  }

  /** The subprotocol that the server chose; '' for none, and before the open. */
  get protocol(): string {
    return this.#protocol;
  }

  /** How binaries are given out: what is set to anything else stays what it is. */
  get binaryType(): BinaryType {
    return this.#binaryType;
  }
  set binaryType(type: BinaryType) {
    if (type === 'blob' || type === 'arraybuffer') this.#binaryType = type;
  }

  get onopen(): Handlers['open'] | null {
    return this.#handlers.get('open');
  }
  set onopen(handler: Handlers['open'] | null) {
    this.#handlers.set('open', handler);
  }

  get onmessage(): Handlers['message'] | null {
    return this.#handlers.get('message');
  }
  set onmessage(handler: Handlers['message'] | null) {
    this.#handlers.set('message', handler);
  }

  get onerror(): Handlers['error'] | null {
    return this.#handlers.get('error');
  }
  set onerror(handler: Handlers['error'] | null) {
    this.#handlers.set('error', handler);
  }

  get onclose(): Handlers['close'] | null {
    return this.#handlers.get('close');
  }
  set onclose(handler: Handlers['close'] | null) {
    this.#handlers.set('close', handler);
  }

  // ── Methods ───────────────────────────────────────────────────────────────────────────────

  /**
   * Sends a message: a string as a text, bytes and a Blob as a binary, anything else as the text
   * that it becomes. What is sent after the end is counted, and lost.
   *
   * @throws {DOMException} InvalidStateError before the open
   */
  send(data: string | ArrayBufferLike | ArrayBufferView | Blob): void {
    if (arguments.length === 0) throw new TypeError('send takes what is to be sent');
    if (this.#state === STATES.CONNECTING) {
      throw new DOMException('the WebSocket is not open yet', 'InvalidStateError');
    }
    const message = isBytes(data) || isBlob(data) ? data : toText(data);
    const size = sizeOf(message);
    const socket = this.#socket;
    if (socket?.readyState !== READY_STATE.OPEN) {
      this.#bufferedAmount.lose(size);
      return;
    }
    if (isBlob(message)) void socket.send(message);
    else socket.send(message);
    this.#bufferedAmount.add(socket, size);
  }

  /**
   * Starts the closing handshake; before the open, gives the attempt up. Has no effect after that.
   *
   * @param code - 1000, or 3000 to 4999. Default: none; 1000 where there is a reason
   * @param reason - at most 123 bytes of UTF-8
   * @throws {DOMException} InvalidAccessError for another code, SyntaxError for a longer reason
   */
  close(...[code, reason = '']: [code?: number, reason?: string]): void {
    const closeCode = code === undefined ? undefined : toUnsignedShort(code);
    if (closeCode !== undefined && !mayClose(closeCode)) {
      throw new DOMException('the code is 1000, or 3000 to 4999', 'InvalidAccessError');
    }
    const text = toText(reason);
    if (Buffer.byteLength(text) > MAX_REASON_SIZE) {
      throw syntaxError(`the reason has at most ${MAX_REASON_SIZE} bytes of UTF-8`);
    }
    if (this.#socket !== null) {
      void this.#socket.close(closeCode ?? (text === '' ? undefined : NORMAL_CLOSURE), text);
    } else if (this.#state === STATES.CONNECTING) {
      this.#state = STATES.CLOSING;
      this.#attempt?.abort();
    }
  }

  override addEventListener<Type extends keyof WebSocketEventMap>(
    type: Type,
    listener: Listener<Type> | null,
    options?: ListenerOptions,
  ): void;
  override addEventListener(type: string, listener: AnyListener, options?: ListenerOptions): void;
  override addEventListener(type: string, listener: unknown, options?: ListenerOptions): void {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one for these events
    super.addEventListener(type, listener as AnyListener, options);
  }

  override removeEventListener<Type extends keyof WebSocketEventMap>(
    type: Type,
    listener: Listener<Type> | null,
    options?: RemovalOptions,
  ): void;
  override removeEventListener(type: string, listener: AnyListener, options?: RemovalOptions): void;
  override removeEventListener(type: string, listener: unknown, options?: RemovalOptions): void {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one for these events
    super.removeEventListener(type, listener as AnyListener, options);
  }

  // ── What happens ──────────────────────────────────────────────────────────────────────────

  private receiveOpen(socket: Socket): void {
    this.#attempt = null;
    // Section 3 of the standard, unlike RFC 6455: who offers subprotocols must be answered one.
    const isRefused = this.#offersProtocols && socket.protocol === '';
    if (this.#state !== STATES.CONNECTING || isRefused) {
      // (Or `close` came in the turn of the answer.)
      socket.terminate();
      this.receiveFailure(refusal('ANSWER_SUBPROTOCOL'));
      return;
    }
    socket.on('message', (message) => this.receiveMessage(message));
    socket.on('error', (error) => (this.#failure = error));
    socket.on('close', (code, reason, wasClean) => this.receiveClose(code, reason, wasClean));
    this.#socket = socket;
    this.#state = STATES.OPEN;
    this.#protocol = socket.protocol;
    this.#extensions = socket.extensions;
    this.dispatchEvent(new Event('open'));
  }

  private receiveMessage(message: string | Buffer): void {
    const data = typeof message === 'string' ? message : this.binaryOf(message);
    this.dispatchEvent(new MessageEvent('message', { data, origin: this.#origin }));
  }

  private binaryOf(bytes: Buffer): Blob | ArrayBuffer {
    if (this.#binaryType === 'blob') return new Blob([bytes]);
    // Of its own, and exactly as long: a Buffer may show a part of something larger.
    return new Uint8Array(bytes).buffer;
  }

  private receiveFailure(error: unknown): void {
    this.#failure = error;
    this.receiveClose(ABNORMAL_CLOSURE, '', false);
  }

  /** Section 4: "When the WebSocket connection is closed". */
  private receiveClose(code: number, reason: string, wasClean: boolean): void {
    this.#state = STATES.CLOSED;
    this.#socket = null;
    this.#attempt = null;
    this.#bufferedAmount.end(wasClean);
    if (this.#failure !== null) {
      const event = new Event('error');
      // Pages are not told the reason, which stands in a console that Node has not.
      Object.defineProperty(event, 'error', { value: this.#failure, enumerable: true });
      this.dispatchEvent(event);
    }
    this.dispatchEvent(new CloseEvent('close', { code, reason, wasClean }));
  }
}

/** As Web IDL converts to a string or a sequence of strings. */
function listOf(protocols: unknown): string[] {
  const isList =
    typeof protocols === 'object' && protocols !== null && Symbol.iterator in protocols;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is in it is converted
  return isList ? Array.from(protocols as Iterable<unknown>, toText) : [toText(protocols)];
}

/** As Web IDL converts to a clamped `unsigned short`: a half becomes the even one of its neighbours. */
function toUnsignedShort(code: unknown): number {
  const number = Math.min(Math.max(Number(code), 0), 0xffff);
  const floor = Math.floor(number);
  const isLower = number - floor < 0.5 || (number - floor === 0.5 && floor % 2 === 0);
  return Number.isNaN(number) ? 0 : isLower ? floor : floor + 1;
}

function mayClose(code: number): boolean {
  return code === NORMAL_CLOSURE || (code >= 3000 && code <= 4999);
}

/** As Web IDL converts to a string: a symbol is refused. */
function toText(data: unknown): string {
  // oxlint-disable-next-line typescript/restrict-template-expressions -- whatever it is
  return `${data}`;
}

function sizeOf(data: string | ArrayBufferLike | ArrayBufferView | Blob): number {
  if (typeof data === 'string') return Buffer.byteLength(data);
  return 'byteLength' in data ? data.byteLength : data.size;
}

function syntaxError(message: string): DOMException {
  return new DOMException(message, 'SyntaxError');
}

function orSyntaxError<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw syntaxError(asError(error).message);
  }
}
