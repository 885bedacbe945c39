/** Ends of the library on real sockets, for as long as a test lasts. */
import { createServer } from 'node:https';
import type { TlsOptions } from 'node:tls';
import { onTestFinished } from 'vitest';
import type { ConnectionOptions, Role } from '../../src/connection/handler.ts';
import type { Socket } from '../../src/connection/socket.ts';
import type { HandshakeRequest } from '../../src/handshake/accept.ts';
import { WebSocketServer, type WebSocketServerOptions } from '../../src/server/server.ts';
import { CERTIFICATE, KEY } from './certificate.ts';
import { rawRequest, rawResponse } from './raw-http.ts';
import { RawListener, RawPeer, listenOn } from './raw-peer.ts';
import { SocketLog } from './socket-log.ts';
import { connectThinly } from './thin-client.ts';

/** One connection that a server has accepted. */
export interface Accepted {
  readonly socket: Socket;
  readonly log: SocketLog;
  readonly request: HandshakeRequest;
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

export async function startServer(options: WebSocketServerOptions = {}): Promise<RunningServer> {
  const server = new WebSocketServer(options);
  const accepted = follow(server);
  await server.listen(0, '127.0.0.1');
  return { server, port: server.address()!.port, accepted };
}

/** The same behind an https server of Node, with our own certificate. */
export async function startTlsServer(tls: TlsOptions = {}): Promise<RunningServer> {
  const server = new WebSocketServer();
  const accepted = follow(server);
  const https = createServer({ key: KEY, cert: CERTIFICATE, ...tls });
  https.on('upgrade', (request, transport, head) => server.handleUpgrade(request, transport, head));
  const port = await listenOn(https);
  onTestFinished(() => https.closeAllConnections());
  return { server, port, accepted };
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
