/** A socket with hooks, over a real TCP or TLS connection, for as long as a test lasts. */
import type { Socket as NetSocket } from 'node:net';
import { TLSSocket, connect as connectSecurely } from 'node:tls';
import { onTestFinished } from 'vitest';
import type { Message } from '../../src/connection/delivery.ts';
import type { EndpointOwner } from '../../src/connection/socket-events.ts';
import type { Role } from '../../src/connection/handler.ts';
import type { MessageStream } from '../../src/connection/message-stream.ts';
import type { SocketHooks } from '../../src/connection/socket-events.ts';
import type { Optional, ResolvedSocketOptions } from '../../src/connection/socket-options.ts';
import type { Socket } from '../../src/connection/socket.ts';
import { type RawFrame, type ReadFrame, closeBody, peerFrame } from './bytes.ts';
import { CERTIFICATE, KEY } from './certificate.ts';
import { connectPair } from './loopback.ts';
import { makeSocket } from './open-socket.ts';
import { RawPeer } from './raw-peer.ts';

export interface LiveSetup {
  readonly options?: Optional<ResolvedSocketOptions>;
  readonly hooks?: SocketHooks<Socket<undefined>>;
  readonly owner?: EndpointOwner;
  /** Frames of the peer that came in the same chunk as the end of the handshake. */
  readonly head?: readonly RawFrame[];
  /** Whether TLS is between the ends. Default: false. */
  readonly secure?: boolean;
}

interface Pair {
  readonly near: NetSocket;
  readonly far: NetSocket;
}

export class LiveSocket {
  readonly role: Role;
  readonly socket: Socket<undefined>;
  /** The transport of the socket. */
  readonly near: NetSocket;
  readonly peer: RawPeer;
  /** What the `close` event told. */
  readonly closed: Promise<[code: number, reason: string, wasClean: boolean]>;

  constructor(role: Role, near: NetSocket, far: NetSocket, setup: LiveSetup) {
    this.role = role;
    this.near = near;
    this.peer = new RawPeer(far);
    const head = Buffer.concat((setup.head ?? []).map((frame) => peerFrame(role, frame)));
    const options = { mayOverwrite: true, ...setup.options };
    this.socket = makeSocket(role, near, options, head, setup.hooks, setup.owner);
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (...values) => resolve(values));
    });
  }

  /** Listens for messages. The listener may be async, which the types of an emitter do not say. */
  onMessage(listener: (message: Message, binary: boolean) => unknown): void {
    this.socket.on('message', listener);
  }

  onStream(listener: (stream: MessageStream) => unknown): void {
    this.socket.on('stream', listener);
  }

  /** Frames of the peer, in one write. */
  async send(...frames: RawFrame[]): Promise<void> {
    await this.peer.write(Buffer.concat(frames.map((frame) => peerFrame(this.role, frame))));
  }

  /** Texts of the peer, in one write. */
  async sendTexts(...texts: string[]): Promise<void> {
    await this.send(...texts.map((payload) => ({ payload })));
  }

  /** Resolves when the socket has read all that the peer has sent so far. */
  async readAll(): Promise<void> {
    await this.send({ opcode: 9, payload: 'all' });
    for (;;) {
      const { opcode, payload } = await this.frame();
      if (opcode === 10 && payload.toString() === 'all') break;
    }
    await turns();
  }

  /** The next frame that the peer gets. */
  async frame(): Promise<ReadFrame> {
    return (await this.peer.readFrames(1))[0]!;
  }

  /** The next messages that the peer gets, as text, where each is one frame. */
  async texts(count: number): Promise<string[]> {
    return (await this.peer.readFrames(count)).map(({ payload }) => payload.toString());
  }

  /** The next message that the peer gets, whatever its fragments. Control frames are left out. */
  async message(): Promise<{ opcode: number; payload: Buffer; fragments: number }> {
    const parts: ReadFrame[] = [];
    for (;;) {
      const frame = await this.frame();
      if (frame.opcode >= 8) continue;
      parts.push(frame);
      if (frame.fin) break;
    }
    const payload = Buffer.concat(parts.map((part) => part.payload));
    return { opcode: parts[0]!.opcode, payload, fragments: parts.length };
  }

  /** The closing handshake as the peer begins it. */
  async closeByPeer(code: number = 1000, reason: string = ''): Promise<void> {
    await this.send({ opcode: 8, payload: closeBody(code, reason) });
    this.peer.end();
  }

  /** The closing handshake as the peer answers it: with what it was told. */
  async answerClose(): Promise<ReadFrame> {
    for (;;) {
      const frame = await this.frame();
      if (frame.opcode !== 8) continue;
      await this.send({ opcode: 8, payload: frame.payload.subarray(0, 2) });
      this.peer.end();
      return frame;
    }
  }

  /** The peer reads no more, until {@link readOn}. */
  stall(): void {
    this.peer.transport.pause();
  }

  readOn(): void {
    this.peer.transport.resume();
  }

  /** Sends until the network takes no more. Returns how many bytes of messages that were. */
  async fill(part: Buffer = Buffer.alloc(256 * 1024)): Promise<number> {
    this.stall();
    let sent = 0;
    do {
      this.socket.send(part);
      sent += part.length;
      await turns();
    } while (this.near.writableLength === 0);
    return sent;
  }
}

export async function openLive(role: Role, setup: LiveSetup = {}): Promise<LiveSocket> {
  const pair = await connectPair();
  const { near, far } = setup.secure === true ? secured(pair) : pair;
  onTestFinished(() => {
    near.destroy();
    far.destroy();
  });
  return new LiveSocket(role, near, far, setup);
}

/** TLS inside a TCP connection. Who accepts and who dials is of no matter to a socket. */
function secured(pair: Pair): Pair {
  return {
    near: new TLSSocket(pair.near, { isServer: true, key: KEY, cert: CERTIFICATE }),
    far: connectSecurely({ socket: pair.far, rejectUnauthorized: false }),
  };
}

/** Some turns of the event loop: time for what must not happen. */
export async function turns(count: number = 5): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
}

/** What nobody caught from here to the end of the test: the process would have ended for it. */
export function watchRejections(): readonly unknown[] {
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', onRejection);
  onTestFinished(() => void process.off('unhandledRejection', onRejection));
  return rejections;
}

/** A door that a test opens: handlers wait behind it. */
export class Gate {
  readonly passed: Promise<void>;
  open: () => void = () => {};

  constructor() {
    this.passed = new Promise((resolve) => (this.open = resolve));
  }
}
