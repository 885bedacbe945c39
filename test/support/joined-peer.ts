/** Servers that end with their test, and clients in bytes whose handshake is over. */
import type { Server as HttpServer } from 'node:http';
import { connect as connectTls } from 'node:tls';
import { expect, onTestFinished } from 'vitest';
import type { WebSocketServer } from '../../src/server/server.ts';
import { CERTIFICATE } from './certificate.ts';
import { type FieldChanges, type RawHead, rawRequest } from './raw-http.ts';
import { RawPeer } from './raw-peer.ts';

/** Ends `server` with the test, and with it all that it has open then. */
export function endWithTest(server: WebSocketServer): WebSocketServer {
  onTestFinished(async () => {
    for (const socket of server.sockets) socket.terminate();
    await server.close();
  });
  return server;
}

/** Lets `server` listen on a port of this machine, for as long as the test lasts. */
export async function listenLocally(server: WebSocketServer): Promise<number> {
  endWithTest(server);
  await server.listen(0, '127.0.0.1');
  return portOfServer(server);
}

export function portOfServer(server: WebSocketServer | HttpServer): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  return address.port;
}

/** Connects over TLS, with our own certificate as the one that is trusted. */
export async function connectSecurely(
  port: number,
  options: { readonly key?: string; readonly cert?: string } = {},
): Promise<RawPeer> {
  const transport = connectTls({ port, host: '127.0.0.1', ca: CERTIFICATE, ...options });
  onTestFinished(() => void transport.destroy());
  await new Promise<void>((resolve, reject) => {
    transport.once('secureConnect', resolve).once('error', reject);
  });
  return new RawPeer(transport);
}

/** Sends a request for `path`, and reads the head of its answer. */
export async function askFor(
  peer: RawPeer,
  path: string,
  changes: FieldChanges = {},
): Promise<RawHead> {
  await peer.write(rawRequest(changes, `GET ${path} HTTP/1.1`));
  return await peer.readHead();
}

/** A client whose handshake is over. */
export async function join(
  port: number,
  path: string = '/',
  changes: FieldChanges = {},
): Promise<RawPeer> {
  const peer = await RawPeer.connect(port);
  expect((await askFor(peer, path, changes)).status).toBe(101);
  return peer;
}

/** The status that a request is answered with. */
export async function statusAt(
  port: number,
  path: string,
  changes: FieldChanges = {},
): Promise<number> {
  const peer = await RawPeer.connect(port);
  const { status } = await askFor(peer, path, changes);
  peer.transport.destroy();
  return status;
}

/**
 * `values`, where `#1` stands for the second of `sockets` and so on: two sockets may look alike, and
 * it is never meant that they do.
 */
export function numbered(values: readonly unknown[], sockets: Iterable<unknown>): unknown[] {
  const known = [...sockets];
  return values.map((value) => (known.includes(value) ? `#${known.indexOf(value)}` : value));
}
