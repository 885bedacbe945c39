import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Outbound } from '../../src/connection/outbound.ts';
import { SLAB_SIZE, slabWithRoom } from '../../src/connection/slab.ts';
import type { Transport } from '../../src/connection/transport.ts';
import { readFrames } from '../support/bytes.ts';

/**
 * Reads what it was given as late as the contract of a transport allows: while bytes wait it holds
 * them as they are, as a `net.Socket` does, so that whoever writes over them is found out.
 */
class LateTransport implements Transport {
  readonly #taken: Buffer[] = [];
  #held: Uint8Array[] = [];
  writableLength = 0;
  stuck = false;

  write(bytes: Uint8Array): boolean {
    this.#held.push(bytes);
    this.writableLength += bytes.length;
    if (!this.stuck) this.take();
    return this.writableLength < 16 * 1024;
  }

  /** The network takes all that waits. */
  take(): void {
    for (const bytes of this.#held) this.#taken.push(Buffer.from(bytes));
    this.#held = [];
    this.writableLength = 0;
  }

  get wire(): Buffer {
    return Buffer.concat(this.#taken);
  }

  cork(): void {}
  uncork(): void {}
  end(): void {}
  destroy(): void {}
  pause(): void {}
  resume(): void {}
}

/** One connection of several that share the slabs. */
class Peer {
  readonly name: number;
  readonly transport = new LateTransport();
  readonly outbound: Outbound;
  readonly expected: string[] = [];
  #count = 0;

  constructor(name: number) {
    this.name = name;
    this.outbound = new Outbound(
      name % 2 === 0,
      this.transport,
      {
        highWaterMark: 64 * 1024,
        maxBackpressure: Infinity,
        backpressurePolicy: 'close',
      },
      true,
    );
  }

  /** A payload that is like no other. */
  send(size: number): void {
    const payload = `${this.name}:${this.#count++}:`.padEnd(size, String(this.name));
    this.expected.push(payload);
    if (size % 2 === 0) this.outbound.sendMessage(1, payload);
    else this.outbound.sendMessage(2, Buffer.from(payload));
  }

  stick(): void {
    this.transport.stuck = true;
  }

  unstick(): void {
    this.transport.stuck = false;
    this.transport.take();
    this.outbound.drain();
  }

  get received(): string[] {
    this.outbound.flush();
    this.unstick();
    return readFrames(this.transport.wire).map((frame) => frame.payload.toString());
  }
}

function peers(count: number): Peer[] {
  return Array.from({ length: count }, (_, i) => new Peer(i));
}

describe('connections that share a slab', () => {
  it('do not mix their frames when they take turns', () => {
    const all = peers(4);
    for (let i = 0; i < 50; i++) for (const peer of all) peer.send(10 + i);
    for (const peer of all) expect(peer.received).toEqual(peer.expected);
  });

  it('do not overwrite what a stuck transport still holds', () => {
    const [stuck, other] = [new Peer(1), new Peer(3)];
    stuck.stick();
    for (let i = 0; i < 100; i++) {
      stuck.send(50);
      stuck.outbound.flush();
      other.send(50);
      other.outbound.flush();
    }
    expect(stuck.received).toEqual(stuck.expected);
    expect(other.received).toEqual(other.expected);
  });

  it('do not overwrite what others have not flushed yet', () => {
    const [slow, quick] = [new Peer(1), new Peer(3)];
    slow.send(50);
    for (let i = 0; i < 100; i++) {
      quick.send(50);
      quick.outbound.flush();
    }
    slow.send(50);
    for (let i = 0; i < 100; i++) {
      quick.send(50);
      quick.outbound.flush();
    }
    expect(slow.received).toEqual(slow.expected);
    expect(quick.received).toEqual(quick.expected);
  });

  it('do not overwrite each other across the end of a slab', () => {
    const all = peers(3);
    for (let i = 0; i < 60; i++) for (const peer of all) peer.send(1_001 + i);
    for (const peer of all) expect(peer.received).toEqual(peer.expected);
  });

  it('do not mix a header with the payload of another when payloads are large', () => {
    const all = peers(4);
    for (let i = 0; i < 6; i++) for (const peer of all) peer.send(i % 2 === 0 ? 20_001 : 11);
    for (const peer of all) expect(peer.received).toEqual(peer.expected);
  });

  it('go on when one of them is gone with bytes that nobody flushed', () => {
    const [gone, other] = [new Peer(1), new Peer(3)];
    gone.send(100);
    for (let i = 0; i < 2_000; i++) {
      other.send(100);
      if (i % 3 === 0) other.outbound.flush();
    }
    expect(other.received).toEqual(other.expected);
  });

  it.each([
    ['small frames', [10, 20]],
    ['a large payload behind a small frame', [11, 20_001]],
    ['a large payload between small frames', [11, 20_001, 11]],
  ])('give back what nobody will take any more: %s', (_, sizes) => {
    const slab = slabWithRoom(SLAB_SIZE);
    // Masked, so that a large payload waits for the flush too.
    const gone = new Peer(2);
    for (const size of sizes) gone.send(size);
    expect(slab.end).toBeGreaterThan(0);
    gone.outbound.discard();
    expect(slab.end).toBe(0);
    expect(gone.outbound.bufferedAmount).toBe(0);
    gone.outbound.flush();
    expect(gone.transport.wire).toHaveLength(0);
  });

  it('never mix, whatever they do', () => {
    const size = fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 8, max: 200 }) },
      { weight: 2, arbitrary: fc.integer({ min: 5_000, max: 17_000 }) },
      { weight: 1, arbitrary: fc.integer({ min: 60_000, max: 70_000 }) },
    );
    const step = fc.record({
      who: fc.nat(4),
      what: fc.constantFrom('send', 'send', 'send', 'flush', 'stick', 'unstick'),
      size,
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
        const all = peers(5);
        for (const { who, what, size: bytes } of steps) {
          const peer = all[who]!;
          if (what === 'send') peer.send(bytes);
          else if (what === 'flush') peer.outbound.flush();
          else if (what === 'stick') peer.stick();
          else peer.unstick();
        }
        for (const peer of all) expect(peer.received).toEqual(peer.expected);
      }),
      { numRuns: 60 },
    );
  });
});
