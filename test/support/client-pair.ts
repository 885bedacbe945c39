/** `connect` against another end in bytes, for as long as a test lasts. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Socket as NetSocket } from 'node:net';
import { onTestFinished } from 'vitest';
import { type ConnectOptions, connect } from '../../src/client/connect.ts';
import type { Socket } from '../../src/connection/socket.ts';
import { type FieldChanges, type RawHead, rawResponse } from './raw-http.ts';
import { RawListener, RawPeer } from './raw-peer.ts';

/** The other end of an attempt, which has sent its request. */
export interface Asking {
  readonly peer: RawPeer;
  readonly request: RawHead;
  readonly key: string;
}

/** Accepts the next that connects, and reads its request. */
export async function acceptRequest(listener: RawListener): Promise<Asking> {
  const peer = await listener.accept();
  const request = await peer.readHead();
  return { peer, request, key: request.getAll('sec-websocket-key')[0]! };
}

/** The same, and answers it. `behind` are bytes in the same write. */
export async function acceptOpening(
  listener: RawListener,
  changes: FieldChanges = {},
  behind: Uint8Array = Buffer.alloc(0),
): Promise<RawPeer> {
  const { peer, key } = await acceptRequest(listener);
  await peer.write(Buffer.concat([Buffer.from(rawResponse(key, changes)), behind]));
  return peer;
}

/** One end of ours, and the other in bytes. */
export interface ClientPair {
  readonly socket: Socket;
  readonly peer: RawPeer;
}

/** A connection that `connect` has opened. */
export async function openClient(
  options: ConnectOptions = {},
  behind: Uint8Array = Buffer.alloc(0),
): Promise<ClientPair> {
  const listener = await RawListener.listen();
  const [socket, peer] = await Promise.all([
    connect(`ws://127.0.0.1:${listener.port}/`, options),
    acceptOpening(listener, {}, behind),
  ]);
  onTestFinished(() => socket.terminate());
  return { socket, peer };
}

/** The next transport that this process opens by `net.connect`. */
export async function nextTransport(): Promise<NetSocket> {
  return new Promise((resolve) => {
    const onSocket = (message: unknown): void => {
      unsubscribe('net.client.socket', onSocket);
      const socket: unknown =
        typeof message === 'object' && message !== null && 'socket' in message
          ? message.socket
          : null;
      if (socket instanceof NetSocket) resolve(socket);
    };
    subscribe('net.client.socket', onSocket);
  });
}

/** How many listeners an emitter has for each event that has any. */
export function listenersOf(emitter: NetSocket): Record<string, number> {
  return Object.fromEntries(
    emitter.eventNames().map((name) => [String(name), emitter.listenerCount(name)]),
  );
}
