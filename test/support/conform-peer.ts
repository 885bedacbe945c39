/** A `Peer` of the judge, and the other end of its connection in the hands of the test. */
import { type Duplex, duplexPair } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { Peer, type PeerOptions } from '../../src/conform/peer.ts';
import {
  encodeFrames,
  type Frame,
  FrameReader,
  type ReceivedFrame,
} from '../../src/conform/wire.ts';

export interface OtherEnd {
  readonly stream: Duplex;
  /** Whether the judge has ended TCP. */
  readonly hasEnded: boolean;
  /** What was written, piece by piece. */
  readonly writes: readonly Buffer[];
  send(...frames: readonly Frame[]): void;
  /** The frames that came since it was asked last, when all that was sent is there. */
  readFrames(): Promise<ReceivedFrame[]>;
}

export function bytesOf(frames: readonly Frame[], isMasked: boolean): Buffer {
  return encodeFrames(frames, isMasked);
}

/** @param second milliseconds; long by default, so that no timer has a part in the test */
export function openPeer(
  role: 'client' | 'server',
  options: Partial<PeerOptions> = {},
  second: number = 1000,
): { peer: Peer; ours: Duplex; other: OtherEnd } {
  const [ours, theirs] = duplexPair();
  const reader = new FrameReader();
  const writes: Buffer[] = [];
  let hasEnded = false;
  theirs.on('data', (chunk: Buffer) => {
    writes.push(Buffer.from(chunk));
    reader.push(chunk);
  });
  theirs.on('end', () => {
    hasEnded = true;
  });
  onTestFinished(() => {
    ours.destroy();
    theirs.destroy();
  });
  const peer = new Peer(ours, { role, settings: { second, messages: 1 }, ...options });
  const other: OtherEnd = {
    stream: theirs,
    writes,
    get hasEnded() {
      return hasEnded;
    },
    send: (...frames) => theirs.write(encodeFrames(frames, role === 'server')),
    readFrames: async () => {
      await nextTurn();
      const frames: ReceivedFrame[] = [];
      for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
        frames.push(frame);
      }
      return frames;
    },
  };
  return { peer, ours, other };
}
