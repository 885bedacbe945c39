/** The servers of other people that there are, whose connections do what their client tells them. */
import type { AddressInfo } from 'node:net';
import { createServer as createSecure } from 'node:https';
import { createServer } from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocketServer, type WebSocket as WsWebSocket } from 'ws';
import type { Close } from './driver.ts';
import { closeIn } from './drivers.ts';
import { PythonProcess } from './python-process.ts';

/**
 * What a host is told by a text that begins with `!`: driven_server.py says it all. It speaks the
 * subprotocol `chat.v2`, and refuses the path /401. All else is sent back.
 */
export type Order =
  | { readonly do: 'describe' | 'abort' | 'ping' }
  | { readonly do: 'close'; readonly code: number; readonly reason: string }
  /** Bytes that are no frames of a server, perhaps. Only ws does that. */
  | { readonly do: 'raw'; readonly base64: string }
  | { readonly do: 'fragments'; readonly texts: readonly string[] }
  | { readonly do: 'fragments'; readonly base64s: readonly string[] };

/** The text of an order. */
export function order(what: Order): string {
  return `!${JSON.stringify(what)}`;
}

interface Tls {
  readonly key: string;
  readonly cert: string;
}

interface HostOptions {
  readonly tls?: Tls;
  /** Whether it accepts permessage-deflate. Default: true. Only ws can be told. */
  readonly deflate?: boolean;
}

export interface Host {
  readonly url: string;
  /** The Close that came on the connection of this path, when that has ended. */
  closeOf(path: string): Promise<Close>;
  stop(): Promise<void>;
}

/** A server, and what is known about it. */
export interface HostKind {
  readonly name: string;
  readonly start: (options?: HostOptions) => Promise<Host>;
  /** The code with which it answers a Close; null for the one that came. */
  readonly answersWith: number | null;
}

class WsHost implements Host {
  readonly url: string;
  readonly #stop: () => void;
  readonly #closes = new Map<string, Close>();
  readonly #waiting = new Set<() => void>();

  private constructor(url: string, server: WebSocketServer, stop: () => void) {
    this.url = url;
    this.#stop = stop;
    server.on('connection', (socket, request) => {
      const path = request.url!;
      // Its 'close' says the rest.
      socket.on('error', () => {});
      socket.on('close', (code, reason) => {
        this.#closes.set(path, [code, reason.toString()]);
        for (const look of this.#waiting) look();
      });
      socket.on('message', (data: Buffer, isBinary) => {
        const text = isBinary ? '' : data.toString();
        if (!text.startsWith('!')) {
          socket.send(data, { binary: isBinary });
          return;
        }
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- from `order`
        const what = JSON.parse(text.slice(1)) as Order;
        if (what.do === 'raw') return void request.socket.write(what.base64, 'base64');
        if (what.do !== 'describe') return obey(socket, what);
        const { headers } = request;
        socket.send(JSON.stringify({ path, protocol: socket.protocol, headers }));
      });
    });
  }

  static async start({ tls, deflate = true }: HostOptions = {}): Promise<WsHost> {
    const http = tls === undefined ? createServer() : createSecure(tls);
    const server = new WebSocketServer({
      noServer: true,
      perMessageDeflate: deflate,
      handleProtocols: (offered) => (offered.has('chat.v2') ? 'chat.v2' : false),
    });
    http.on('upgrade', (request, transport, head) => {
      if (request.url === '/401') {
        transport.end(
          'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="tests"\r\n' +
            'Connection: close\r\nContent-Length: 13\r\n\r\nwho are you?\n',
        );
        return;
      }
      if (request.url === '/302') {
        transport.end('HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n');
        return;
      }
      server.handleUpgrade(request, transport, head, (socket) => {
        server.emit('connection', socket, request);
      });
    });
    await new Promise<void>((resolve) => {
      http.listen(0, '127.0.0.1', resolve);
    });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a TCP port
    const { port } = http.address() as AddressInfo;
    const url = `${tls === undefined ? 'ws' : 'wss'}://127.0.0.1:${port}`;
    return new WsHost(url, server, () => {
      for (const socket of server.clients) socket.terminate();
      http.closeAllConnections();
      http.close();
    });
  }

  async closeOf(path: string): Promise<Close> {
    return new Promise((resolve) => {
      const look = (): void => {
        const close = this.#closes.get(path);
        if (close === undefined) return;
        this.#waiting.delete(look);
        resolve(close);
      };
      this.#waiting.add(look);
      look();
    });
  }

  async stop(): Promise<void> {
    this.#stop();
  }
}

function obey(socket: WsWebSocket, what: Order): void {
  switch (what.do) {
    case 'close':
      socket.close(what.code, what.reason);
      break;
    case 'abort':
      socket.terminate();
      break;
    case 'ping':
      socket.once('pong', () => socket.send('ponged'));
      socket.ping();
      break;
    case 'describe':
    case 'raw':
      break;
    case 'fragments': {
      const parts =
        'texts' in what ? what.texts : what.base64s.map((part) => Buffer.from(part, 'base64'));
      for (const [i, part] of parts.entries()) {
        if (i > 0) socket.ping();
        socket.send(part, { fin: i === parts.length - 1 });
      }
    }
  }
}

class PythonHost implements Host {
  readonly url: string;
  readonly #python: PythonProcess;

  private constructor(url: string, python: PythonProcess) {
    this.url = url;
    this.#python = python;
  }

  static async start(library: string, { tls }: HostOptions = {}): Promise<PythonHost> {
    if (tls === undefined) return PythonHost.listen(new PythonProcess('driven_server.py', library));
    const folder = await mkdtemp(join(tmpdir(), 'interop-'));
    try {
      const file = join(folder, 'both.pem');
      await writeFile(file, tls.cert + tls.key, { mode: 0o600 });
      return await PythonHost.listen(new PythonProcess('driven_server.py', library, file));
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  private static async listen(python: PythonProcess): Promise<PythonHost> {
    try {
      const { url } = await python.hear();
      return new PythonHost(String(url), python);
    } catch (error) {
      await python.stop();
      throw error;
    }
  }

  async closeOf(path: string): Promise<Close> {
    return closeIn(await this.#python.hear((line) => line['path'] === path));
  }

  stop(): Promise<void> {
    return this.#python.stop();
  }
}

const WS: HostKind = {
  name: 'ws',
  start: (options) => WsHost.start(options),
  answersWith: null,
};
const WEBSOCKETS: HostKind = {
  name: 'websockets for Python',
  start: (options) => PythonHost.start('websockets', options),
  answersWith: null,
};
const AIOHTTP: HostKind = {
  name: 'aiohttp',
  start: (options) => PythonHost.start('aiohttp', options),
  answersWith: 1000,
};

export const HOSTS: readonly HostKind[] = [WS, WEBSOCKETS, AIOHTTP];
/** Those that can send fragments. */
export const FRAGMENTING_HOSTS: readonly HostKind[] = [WS, WEBSOCKETS];
