import type { Socket as NetSocket } from 'node:net';
import type { EndpointOwner } from '../../src/connection/socket-events.ts';
import type { Role } from '../../src/connection/handler.ts';
import { Socket, endpointOf } from '../../src/connection/socket.ts';
import type {
  NodeTransport,
  SocketEvents,
  SocketHooks,
} from '../../src/connection/socket-events.ts';
import {
  type ResolvedSocketOptions,
  type SocketOptions,
  resolveSocketOptions,
} from '../../src/connection/socket-options.ts';
import { type RawFrame, type ReadFrame, peerFrame } from './bytes.ts';
import { connectPair } from './loopback.ts';
import { RawPeer } from './raw-peer.ts';

/** Those of applications, and what a server finds out by itself. */
export type TestSocketOptions = Omit<SocketOptions, 'deflate'> & {
  readonly deflate?: SocketOptions['deflate'] | null;
  readonly mayOverwrite?: boolean | undefined;
};

/** Options of a connection, with the defaults of the library. */
function socketOptions({
  mayOverwrite = false,
  deflate,
  ...options
}: TestSocketOptions): ResolvedSocketOptions {
  return { ...resolveSocketOptions({ ...options, deflate: deflate ?? false }), mayOverwrite };
}

const NO_BYTES = Buffer.alloc(0);

/** A {@link Socket}, as a server and a client make it. */
export function makeSocket(
  role: Role,
  transport: NodeTransport,
  options: TestSocketOptions = {},
  head: Buffer = NO_BYTES,
  hooks?: SocketHooks<never>,
  owner?: EndpointOwner,
): Socket<undefined> {
  const socket = new Socket({
    role,
    transport,
    options: socketOptions(options),
    data: undefined,
    protocol: '',
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- they are called with it
    hooks: hooks as SocketHooks<unknown> | undefined,
    owner,
  });
  endpointOf(socket).open(head);
  return socket;
}

/** A {@link Socket} over a real TCP connection, and the far end of that. */
export class OpenSocket {
  readonly role: Role;
  readonly socket: Socket<undefined>;
  /** The transport of the socket itself. */
  readonly near: NetSocket;
  readonly peer: RawPeer;

  constructor(role: Role, options: TestSocketOptions, near: NetSocket, far: NetSocket) {
    this.role = role;
    this.near = near;
    this.peer = new RawPeer(far);
    // As for every socket of Node, server and client know that it keeps nothing.
    this.socket = makeSocket(role, near, { mayOverwrite: true, ...options });
  }

  /** Frames of the peer, in one write. */
  async send(...frames: RawFrame[]): Promise<void> {
    await this.peer.write(Buffer.concat(frames.map((frame) => peerFrame(this.role, frame))));
  }

  /** The next frame that the peer gets. */
  async frame(): Promise<ReadFrame> {
    return (await this.peer.readFrames(1))[0]!;
  }

  /** Listens for the next event of the socket, from now on. */
  async next(event: keyof SocketEvents): Promise<unknown[]> {
    return await new Promise((resolve) => {
      this.socket.once(event, (...values: unknown[]) => resolve(values));
    });
  }

  /** Ends both sides, and waits until the socket has told so. */
  async dispose(): Promise<void> {
    const closed = this.socket.readyState === 3 ? null : this.next('close');
    this.near.destroy();
    this.peer.transport.destroy();
    await closed;
  }
}

export async function openSocket(role: Role, options: TestSocketOptions = {}): Promise<OpenSocket> {
  const { near, far } = await connectPair();
  return new OpenSocket(role, options, near, far);
}
