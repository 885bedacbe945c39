/** Ends of the library on real sockets, for as long as a test lasts. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import { type NetConnectOpts, type Socket as NetSocket, connect as connectNet } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TLSSocket, type TlsOptions, connect as connectTls } from 'node:tls';
import { onTestFinished } from 'vitest';
import type { ConnectionOptions, Role } from '../../src/connection/handler.ts';
import type { Socket } from '../../src/connection/socket.ts';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import type { UpgradeRequest } from '../../src/server/request.ts';
import type { ServerSocket } from '../../src/server/server-socket.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { CERTIFICATE, KEY } from './certificate.ts';
import { rawRequest, rawResponse } from './raw-http.ts';
import { RawListener, RawPeer, listenOn } from './raw-peer.ts';
import { SocketLog } from './socket-log.ts';
import { connectThinly } from './thin-client.ts';

/** One connection that a server has accepted. */
export interface Accepted {
  readonly socket: ServerSocket;
  readonly log: SocketLog;
  readonly request: UpgradeRequest;
}

/** A server on a port of this machine. */
export interface RunningServer {
  readonly server: WebSocketServer;
  readonly port: number;
  readonly accepted: readonly Accepted[];
}

/** Registers the end of `server`, and what it accepts meanwhile. */
export function follow(server: WebSocketServer): readonly Accepted[] {
  const accepted: Accepted[] = [];
  server.on('connection', (socket, request) => {
    accepted.push({ socket, log: new SocketLog(socket), request });
  });
  onTestFinished(async () => {
    for (const { socket } of accepted) socket.terminate();
    await server.close();
  });
  return accepted;
}

/** Lets a server listen on a port of this machine, which is returned. */
export async function listenLocally(server: WebSocketServer): Promise<number> {
  await server.listen(0, '127.0.0.1');
  return boundPort(server);
}

/** The TCP port that a server has. */
export function boundPort(server: WebSocketServer): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  return address.port;
}

export async function startServer(options: WebSocketServerOptions = {}): Promise<RunningServer> {
  const server = new WebSocketServer(options);
  const accepted = follow(server);
  return { server, port: await listenLocally(server), accepted };
}

/** The same behind an https server of Node, with our own certificate. */
export async function startTlsServer(tls: TlsOptions = {}): Promise<RunningServer> {
  const server = new WebSocketServer();
  const accepted = follow(server);
  const https = createServer({ key: KEY, cert: CERTIFICATE, ...tls });
  https.on('upgrade', (request, transport, head) => {
    void server.handleUpgrade(request, transport, head);
  });
  const port = await listenOn(https);
  onTestFinished(() => https.closeAllConnections());
  return { server, port, accepted };
}

/** How a peer comes to a server that listens by itself. */
export type Way = 'net' | 'tls' | 'unix';
export const WAYS: readonly Way[] = ['net', 'tls', 'unix'];

/** A peer that speaks TLS: what it reads and writes is what is inside. */
class SecurePeer extends RawPeer {
  readonly #raw: NetSocket;

  constructor(raw: NetSocket, transport: TLSSocket) {
    super(transport);
    this.#raw = raw;
  }

  override reset(): void {
    this.#raw.resetAndDestroy();
  }
}

/** Speaks TLS on a TCP connection, whose certificate must be ours. */
export async function secure(raw: NetSocket): Promise<RawPeer> {
  const transport = connectTls({ socket: raw, servername: 'localhost', ca: CERTIFICATE });
  onTestFinished(() => void transport.destroy());
  await once(transport, 'secureConnect');
  return new SecurePeer(raw, transport);
}

async function dial(where: NetConnectOpts): Promise<NetSocket> {
  const transport = connectNet({ ...where, allowHalfOpen: true });
  onTestFinished(() => void transport.destroy());
  await once(transport, 'connect');
  return transport;
}

/**
 * Lets a server listen, until the test is over.
 *
 * @returns what connects to it
 */
export async function listenBy(way: Way, server: WebSocketServer): Promise<() => Promise<RawPeer>> {
  if (way === 'unix') {
    const folder = await mkdtemp(join(tmpdir(), 'unix-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const path = join(folder, 'socket');
    await server.listen({ path });
    return async () => new RawPeer(await dial({ path }));
  }
  const tls = way === 'tls' ? { key: KEY, cert: CERTIFICATE } : undefined;
  await server.listen({ port: 0, host: '127.0.0.1', tls });
  const port = boundPort(server);
  if (way === 'net') return () => RawPeer.connect(port);
  return async () => secure(await dial({ port, host: '127.0.0.1' }));
}

/** One end of ours, and the other in bytes. */
export interface OpenPair {
  readonly socket: Socket;
  readonly log: SocketLog;
  readonly peer: RawPeer;
}

/** A connection whose handshake is over, over TCP, where we play `role`. */
export async function openPair(
  role: Role,
  options: Partial<ConnectionOptions> = {},
): Promise<OpenPair> {
  if (role === 'server') {
    const { port, accepted } = await startServer(options);
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest());
    await peer.readHead();
    const { socket, log } = accepted[0]!;
    return { socket, log, peer };
  }
  const listener = await RawListener.listen();
  const opening = connectThinly(`ws://127.0.0.1:${listener.port}/`, {}, options);
  const peer = await listener.accept();
  const request = await peer.readHead();
  await peer.write(rawResponse(request.getAll('sec-websocket-key')[0]!));
  const { socket, log } = await opening;
  return { socket, log, peer };
}
