/**
 * A socket with permessage-deflate over a real TCP connection, and clients and servers in bytes that
 * speak it: what is compressed at the other end is a `ReferencePeer`.
 */
import type { Socket as NetSocket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { EndpointOwner } from '../../src/connection/socket-events.ts';
import type { Role } from '../../src/connection/handler.ts';
import type { SocketHooks } from '../../src/connection/socket-events.ts';
import { type SocketOptions, resolveSocketOptions } from '../../src/connection/socket-options.ts';
import { Socket, endpointOf } from '../../src/connection/socket.ts';
import type { DeflateTerms } from '../../src/extension/deflate-params.ts';
import { type RawFrame, type ReadFrame, peerFrame } from './bytes.ts';
import { type DeflateSetup, ReferencePeer, createDeflate } from './deflate-connection.ts';
import { connectPair } from './loopback.ts';
import { RawPeer } from './raw-peer.ts';
import { join } from './joined-peer.ts';
import type { FieldChanges } from './raw-http.ts';

/** A text of so many characters that is compressed to a third or so. */
export function prose(size: number, seed: number = 1): string {
  let text = '';
  for (let at = seed; text.length < size; at++) text += `${(at * 7919) % 1000} words, `;
  return text.slice(0, size);
}

/** Large enough to be compressed in a thread, and inflated in one. */
export const LARGE: string = prose(100_000);

/** The other end of a connection of `role`, in bytes. */
export class DeflatingPeer {
  readonly role: Role;
  readonly peer: RawPeer;
  readonly reference: ReferencePeer;

  /** @param terms - as `role` sees them */
  constructor(role: Role, peer: RawPeer, terms: Partial<DeflateTerms> = {}) {
    this.role = role;
    this.peer = peer;
    this.reference = new ReferencePeer(terms);
  }

  /** Messages, compressed, in one write. */
  async send(...messages: (string | Uint8Array)[]): Promise<void> {
    await this.sendFrames(
      ...messages.map((message) =>
        this.reference.frame(message, { opcode: typeof message === 'string' ? 1 : 2 }),
      ),
    );
  }

  /** Frames, in one write. */
  async sendFrames(...frames: RawFrame[]): Promise<void> {
    await this.peer.write(Buffer.concat(frames.map((frame) => peerFrame(this.role, frame))));
  }

  async frame(): Promise<ReadFrame> {
    return (await this.peer.readFrames(1))[0]!;
  }

  /**
   * What comes next, as `ReferencePeer.read` tells it: a message, whatever its frames, or a control
   * frame. Those between the frames of a message are left out.
   */
  async read(): Promise<string> {
    const frames: ReadFrame[] = [];
    for (;;) {
      const frame = await this.frame();
      const isControl = frame.opcode >= 8;
      if (isControl && frames.length > 0) continue;
      frames.push(frame);
      if (isControl || frame.fin) return this.reference.read(frames)[0]!;
    }
  }

  async readMany(count: number): Promise<string[]> {
    const messages: string[] = [];
    for (let i = 0; i < count; i++) messages.push(await this.read());
    return messages;
  }
}

export interface DeflateSocketSetup extends DeflateSetup {
  readonly socketOptions?: SocketOptions;
  readonly hooks?: SocketHooks<Socket<undefined>>;
  readonly owner?: EndpointOwner;
}

/** A {@link Socket} with permessage-deflate, and its peer. */
export class DeflateSocket extends DeflatingPeer {
  readonly socket: Socket<undefined>;
  readonly near: NetSocket;
  /** What the `close` event told. */
  readonly closed: Promise<[code: number, reason: string, wasClean: boolean]>;

  private constructor(role: Role, near: NetSocket, far: NetSocket, setup: DeflateSocketSetup) {
    super(role, new RawPeer(far), setup.terms);
    this.near = near;
    const { hooks, owner, socketOptions } = setup;
    this.socket = new Socket({
      role,
      transport: near,
      options: { ...resolveSocketOptions(socketOptions ?? {}), mayOverwrite: true },
      data: undefined,
      protocol: '',
      extensions: 'permessage-deflate',
      deflate: createDeflate(setup),
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- they are called with it
      hooks: hooks as SocketHooks<unknown> | undefined,
      owner,
    });
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (...values) => resolve(values));
    });
    endpointOf(this.socket).open(Buffer.alloc(0));
  }

  /** For as long as a test lasts. */
  static async open(role: Role, setup: DeflateSocketSetup = {}): Promise<DeflateSocket> {
    const { near, far } = await connectPair();
    const open = new DeflateSocket(role, near, far, setup);
    onTestFinished(() => {
      open.socket.terminate();
      far.destroy();
    });
    return open;
  }
}

/** A client in bytes whose handshake with a server is over, which has accepted what it offers. */
export async function joinDeflating(
  port: number,
  path: string = '/',
  offer: string = 'permessage-deflate',
  terms: Partial<DeflateTerms> = {},
  changes: FieldChanges = {},
): Promise<DeflatingPeer> {
  const peer = await join(port, path, { 'Sec-WebSocket-Extensions': offer, ...changes });
  return new DeflatingPeer('server', peer, terms);
}
