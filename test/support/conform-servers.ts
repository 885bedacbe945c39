/** Implementations on sockets of this machine, to be judged: echoes that have a flaw, or none. */
import { createServer, connect, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import {
  checkRequest,
  createKey,
  createRequest,
  createResponse,
} from '../../src/conform/handshake.ts';
import { receiveHead } from '../../src/conform/read-head.ts';
import { CERTIFICATE, KEY } from './certificate.ts';
import { ConformEcho, type Flaw } from './conform-echo.ts';

export interface EchoServer {
  readonly port: number;
  readonly url: URL;
  close(): void;
}

export interface EchoServerOptions {
  readonly flaw?: Flaw;
  readonly isSecure?: boolean;
  /** Changes the response to the opening handshake. */
  readonly respond?: (response: string) => string;
  /** How many connections are taken. Default: any number. */
  readonly limit?: number;
  /** Default: any that is free. */
  readonly port?: number;
}

export async function startEchoServer(options: EchoServerOptions = {}): Promise<EchoServer> {
  const { flaw, isSecure = false, respond = (response) => response, limit = Infinity } = options;
  let count = 0;
  const sockets = new Set<Socket>();
  const serve = async (socket: Socket): Promise<void> => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    if (++count >= limit) server.close();
    try {
      const head = await receiveHead(socket, 10_000);
      socket.write(respond(createResponse(checkRequest(head).key)));
      new ConformEcho(socket, 'server', flaw, head.rest).begin();
    } catch {
      socket.destroy();
    }
  };
  const listener = (socket: Socket): void => void serve(socket);
  const server = isSecure
    ? createTlsServer({ cert: CERTIFICATE, key: KEY }, listener)
    : createServer({ allowHalfOpen: true }, listener);
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(close);
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  return { port, url: new URL(`${isSecure ? 'wss' : 'ws'}://127.0.0.1:${port}/`), close };
}

/** Opens a connection to a fuzzing server, and resolves with what came when it is over. */
export async function visit(
  port: number,
  target: string,
  flaw?: Flaw,
  change: (request: string) => string = (request) => request,
): Promise<{ status: string; body: string; texts: string[] }> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => socket.destroy());
  onTestFinished(() => void socket.destroy());
  socket.write(change(createRequest({ host: `127.0.0.1:${port}`, target }, createKey())));
  const closed = once(socket, 'close');
  const head = await receiveHead(socket, 10_000);
  const [, status = ''] = head.startLine.split(' ');
  if (status !== '101') {
    const pieces = [head.rest];
    socket.on('data', (piece: Buffer) => pieces.push(piece)).resume();
    await closed;
    return { status, body: Buffer.concat(pieces).toString(), texts: [] };
  }
  const echo = new ConformEcho(socket, 'client', flaw, head.rest);
  echo.begin();
  await closed;
  return { status, body: '', texts: echo.messages.map(String) };
}
