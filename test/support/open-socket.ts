import type { Socket as NetSocket } from 'node:net';
import type { ConnectionOptions, Role } from '../../src/connection/handler.ts';
import { resolveLimits } from '../../src/connection/limits.ts';
import { Socket, type SocketEvents } from '../../src/connection/socket.ts';
import { type RawFrame, type ReadFrame, peerFrame } from './bytes.ts';
import { connectPair } from './loopback.ts';
import { RawPeer } from './raw-peer.ts';

/** Options of a connection, with the defaults of the library. */
export function connectionOptions(options: Partial<ConnectionOptions> = {}): ConnectionOptions {
  return { ...resolveLimits(options), autoPong: options.autoPong ?? true };
}

/** A {@link Socket} over a real TCP connection, and the far end of that. */
export class OpenSocket {
  readonly role: Role;
  readonly socket: Socket;
  /** The transport of the socket itself. */
  readonly near: NetSocket;
  readonly peer: RawPeer;

  constructor(role: Role, options: Partial<ConnectionOptions>, near: NetSocket, far: NetSocket) {
    this.role = role;
    this.near = near;
    this.peer = new RawPeer(far);
    this.socket = new Socket(role, near, connectionOptions(options), Buffer.alloc(0));
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

export async function openSocket(
  role: Role,
  options: Partial<ConnectionOptions> = {},
): Promise<OpenSocket> {
  const { near, far } = await connectPair();
  return new OpenSocket(role, options, near, far);
}
