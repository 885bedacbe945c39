/** The clients of other people that there are, each driven in its own words. */
import * as undici from 'undici';
import { WebSocket as WsWebSocket } from 'ws';
import {
  type AbortingDriver,
  type Close,
  type Driver,
  type FragmentingDriver,
  Inbox,
  type OpenOptions,
  type Opened,
  type PingingDriver,
  type Refused,
} from './driver.ts';
import { PythonProcess, type Said } from './python-process.ts';

const ABNORMAL: Close = [1006, ''];

class WsDriver implements PingingDriver, AbortingDriver, FragmentingDriver {
  #socket!: WsWebSocket;
  readonly #inbox = new Inbox();

  async open(url: string, options: OpenOptions = {}): Promise<Opened | Refused> {
    const { protocols = [], headers = {}, ca } = options;
    const socket = new WsWebSocket(url, [...protocols], { headers, ca });
    this.#socket = socket;
    socket.on('message', (data, isBinary) => {
      if (!Buffer.isBuffer(data)) throw new TypeError('a message is a Buffer');
      this.#inbox.add(isBinary ? data : data.toString());
    });
    socket.on('close', (code, reason) => this.#inbox.add([code, reason.toString()]));
    return new Promise((resolve, reject) => {
      let cookies: readonly string[] = [];
      socket.once('upgrade', (response) => (cookies = response.headers['set-cookie'] ?? []));
      socket.once('open', () => {
        resolve({ protocol: socket.protocol, extensions: socket.extensions, cookies });
      });
      socket.once('unexpected-response', (request, response) => {
        request.destroy();
        const authenticate = response.headers['www-authenticate'];
        resolve({ status: response.statusCode!, authenticate });
      });
      socket.on('error', reject);
    });
  }

  async send(message: string | Buffer): Promise<void> {
    this.#socket.send(message);
  }

  async sendFragments(parts: readonly string[] | readonly Buffer[]): Promise<void> {
    for (const [i, part] of parts.entries()) {
      if (i > 0) this.#socket.ping();
      this.#socket.send(part, { fin: false });
    }
    this.#socket.send('', { fin: true });
  }

  receive(): Promise<string | Buffer | Close> {
    return this.#inbox.next();
  }

  ping(payload: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.once('pong', (data) => {
        if (data.equals(payload)) resolve();
        else reject(new Error('the Pong has another payload'));
      });
      this.#socket.ping(payload);
    });
  }

  close(code: number, reason: string): Promise<Close> {
    this.#socket.close(code, reason);
    return this.#inbox.end();
  }

  async abort(): Promise<void> {
    this.#socket.terminate();
  }

  async stop(): Promise<void> {
    this.#socket.terminate();
  }
}

/** What a WebSocket as browsers have it is driven by. */
type WebSocketClass = typeof undici.WebSocket;

class WebSocketDriver implements Driver {
  readonly #WebSocket: WebSocketClass;
  #socket!: undici.WebSocket;
  readonly #inbox = new Inbox();

  constructor(implementation: WebSocketClass) {
    this.#WebSocket = implementation;
  }

  async open(url: string, options: OpenOptions = {}): Promise<Opened | Refused> {
    const { protocols = [], headers = {}, ca } = options;
    const socket = new this.#WebSocket(url, {
      protocols: [...protocols],
      headers,
      ...(ca !== undefined && { dispatcher: new undici.Agent({ connect: { ca } }) }),
    });
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('message', ({ data }: undici.MessageEvent<unknown>) => {
      this.#inbox.add(data instanceof ArrayBuffer ? Buffer.from(data) : String(data));
    });
    socket.addEventListener('close', ({ code, reason }) => this.#inbox.add([code, reason]));
    return new Promise((resolve) => {
      socket.addEventListener('open', () => {
        resolve({ protocol: socket.protocol, extensions: socket.extensions });
      });
      socket.addEventListener('error', () => resolve({ status: 'not told' }));
    });
  }

  async send(message: string | Buffer): Promise<void> {
    this.#socket.send(message);
  }

  receive(): Promise<string | Buffer | Close> {
    return this.#inbox.next();
  }

  close(code: number, reason: string): Promise<Close> {
    this.#socket.close(code, reason);
    return this.#inbox.end();
  }

  async stop(): Promise<void> {
    this.#socket.close();
  }
}

/** undici's `WebSocketStream`, where the messages of a connection are two streams. */
class StreamDriver implements Driver {
  #stream!: undici.WebSocketStream;
  #reader: ReadableStreamDefaultReader<unknown> | null = null;
  #writer: WritableStreamDefaultWriter<unknown> | null = null;

  async open(url: string, options: OpenOptions = {}): Promise<Opened | Refused> {
    this.#stream = new undici.WebSocketStream(url, { protocols: [...(options.protocols ?? [])] });
    // What ends it is told by `receive`.
    this.#stream.closed.catch(() => {});
    try {
      const { protocol, extensions, readable, writable } = await this.#stream.opened;
      this.#reader = readable.getReader();
      this.#writer = writable.getWriter();
      this.#writer.closed.catch(() => {});
      this.#reader.closed.catch(() => {});
      return { protocol, extensions };
    } catch {
      return { status: 'not told' };
    }
  }

  async send(message: string | Buffer): Promise<void> {
    await this.#writer!.write(message);
  }

  async receive(): Promise<string | Buffer | Close> {
    try {
      const { done, value } = await this.#reader!.read();
      if (done) return await this.closed();
      return value instanceof Uint8Array ? Buffer.from(value) : String(value);
    } catch {
      return await this.closed();
    }
  }

  async close(code: number, reason: string): Promise<Close> {
    this.#stream.close({ closeCode: code, reason });
    return await this.closed();
  }

  async stop(): Promise<void> {
    this.#stream.close();
  }

  private async closed(): Promise<Close> {
    try {
      const { closeCode, reason } = await this.#stream.closed;
      return [closeCode, reason];
    } catch {
      return ABNORMAL;
    }
  }
}

class PythonDriver implements PingingDriver, AbortingDriver, FragmentingDriver {
  readonly #python: PythonProcess;

  constructor(library: string) {
    this.#python = new PythonProcess('driven_client.py', library);
  }

  async open(url: string, options: OpenOptions = {}): Promise<Opened | Refused> {
    const { protocols = [], headers = {}, ca = null } = options;
    const answer = await this.ask({ do: 'open', url, protocols, headers, ca, deflate: true });
    const { status, headers: fields } = answer;
    if (typeof status === 'number') {
      const authenticate = new Headers(Object(fields)).get('www-authenticate') ?? undefined;
      return { status, authenticate };
    }
    const { protocol, extensions, cookies } = answer;
    return {
      protocol: String(protocol),
      extensions: String(extensions),
      cookies: Array.from(Object(cookies), String),
    };
  }

  async send(message: string | Buffer): Promise<void> {
    await this.ask({ do: 'send', ...inJson(message) });
  }

  async sendFragments(parts: readonly string[] | readonly Buffer[]): Promise<void> {
    const texts = parts.filter((part) => typeof part === 'string');
    const base64s = parts
      .filter((part) => Buffer.isBuffer(part))
      .map((it) => it.toString('base64'));
    await this.ask({ do: 'fragments', ...(texts.length > 0 ? { texts } : { base64s }) });
  }

  async receive(): Promise<string | Buffer | Close> {
    const answer = await this.ask({ do: 'receive' });
    if (typeof answer['text'] === 'string') return answer['text'];
    if (typeof answer['base64'] === 'string') return Buffer.from(answer['base64'], 'base64');
    return closeIn(answer);
  }

  async ping(payload: Buffer): Promise<void> {
    await this.ask({ do: 'ping', ...inJson(payload) });
  }

  async close(code: number, reason: string): Promise<Close> {
    return closeIn(await this.ask({ do: 'close', code, reason }));
  }

  async abort(): Promise<void> {
    await this.ask({ do: 'abort' });
  }

  stop(): Promise<void> {
    return this.#python.stop();
  }

  private async ask(command: object): Promise<Said> {
    const answer = await this.#python.ask(command);
    if ('failed' in answer) throw new Error(String(answer['failed']));
    return answer;
  }
}

function inJson(message: string | Buffer): object {
  return typeof message === 'string' ? { text: message } : { base64: message.toString('base64') };
}

/** @throws {TypeError} where the answer holds no Close */
export function closeIn({ closed }: Said): Close {
  if (!Array.isArray(closed)) throw new TypeError('no Close');
  const [code, reason]: unknown[] = closed;
  return [Number(code), String(reason)];
}

/** A client, and what is known about it. */
export interface Peer<D extends Driver = Driver> {
  readonly name: string;
  readonly start: () => D;
  /** The code with which it answers a Close; null for the one that came. */
  readonly answersWith: number | null;
}

const WS: Peer<WsDriver> = { name: 'ws', start: () => new WsDriver(), answersWith: null };
const UNDICI: Peer = {
  name: 'undici',
  start: () => new WebSocketDriver(undici.WebSocket),
  answersWith: null,
};
const UNDICI_STREAM: Peer = {
  name: 'WebSocketStream of undici',
  start: () => new StreamDriver(),
  answersWith: null,
};
const WEBSOCKETS: Peer<PythonDriver> = {
  name: 'websockets for Python',
  start: () => new PythonDriver('websockets'),
  answersWith: null,
};
const AIOHTTP: Peer<PythonDriver> = {
  name: 'aiohttp',
  start: () => new PythonDriver('aiohttp'),
  answersWith: 1000,
};

/** Node's own, where the running Node has one: from version 22 on. */
function ownOfNode(): Peer[] {
  const implementation: unknown = Reflect.get(globalThis, 'WebSocket');
  if (!isWebSocketClass(implementation)) return [];
  const start = (): Driver => new WebSocketDriver(implementation);
  return [{ name: 'the WebSocket of Node', start, answersWith: null }];
}

function isWebSocketClass(value: unknown): value is WebSocketClass {
  return typeof value === 'function';
}

/** All that tell more than a browser does. */
export const TALKATIVE: readonly Peer<PythonDriver | WsDriver>[] = [WS, WEBSOCKETS, AIOHTTP];
/** All that can send fragments. */
export const FRAGMENTING: readonly Peer<PythonDriver | WsDriver>[] = [WS, WEBSOCKETS];
/** All that can send header fields. */
export const WITH_HEADERS: readonly Peer[] = [...TALKATIVE, UNDICI, ...ownOfNode()];
/** All that can be told whom to trust. */
export const TRUSTING: readonly Peer[] = [...TALKATIVE, UNDICI];
export const ALL: readonly Peer[] = [...WITH_HEADERS, UNDICI_STREAM];
