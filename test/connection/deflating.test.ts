import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Deflated, Deflating, LATER } from '../../src/connection/deflating.ts';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import type { PerMessageDeflate } from '../../src/extension/permessage-deflate.ts';
import { readFrames } from '../support/bytes.ts';
import {
  type DeflateSetup,
  ENGINES,
  JobWatch,
  ReferencePeer,
  createDeflate,
  noise,
} from '../support/deflate-connection.ts';

const LARGE = noise(40_000);

const made: PerMessageDeflate[] = [];
let jobs: JobWatch;

beforeEach(() => {
  jobs = new JobWatch();
});

afterEach(async () => {
  for (const deflate of made.splice(0)) deflate.close();
  await jobs.idle();
  vi.restoreAllMocks();
});

/** What is there at once. */
function atOnce(payload: unknown): Buffer {
  if (!(payload instanceof Uint8Array)) throw new TypeError(`no bytes: ${String(payload)}`);
  return Buffer.from(payload);
}

function never(): void {
  expect.unreachable('it was to be there at once');
}

describe.each(ENGINES)('what decides about compression, with $engine,', ({ keepContexts }) => {
  /** One of a connection, with what it was told, in order. */
  class Setting {
    readonly deflate: PerMessageDeflate;
    readonly deflating: Deflating;
    readonly peer = new ReferencePeer();
    readonly log: string[] = [];

    constructor(setup: DeflateSetup = {}) {
      this.deflate = createDeflate({ ...setup, options: { keepContexts, ...setup.options } });
      made.push(this.deflate);
      const owner = {
        onDeflated: () => this.log.push('deflated'),
        onDeflateFailed: () => this.log.push('failed'),
      };
      this.deflating = new Deflating(this.deflate, owner);
    }

    /** Inflates what comes later, and writes it down. */
    readonly later: Deflated = (bytes) => {
      this.log.push(`later ${this.peer.inflate(bytes).length}`);
    };
  }

  it('gives the payload of a small message at once', () => {
    const { deflating, peer } = new Setting();
    for (const data of ['Grüße', Buffer.from('Grüße'), '']) {
      const payload = deflating.payloadOf(data, never);
      expect(peer.inflate(atOnce(payload))).toEqual(Buffer.from(data));
    }
  });

  it('gives null below the threshold, without a look at the bytes where the length says it', () => {
    const { deflating } = new Setting({ options: { threshold: 30 } });
    expect(deflating.payloadOf('x'.repeat(9), never)).toBeNull();
    expect(deflating.payloadOf('x'.repeat(29), never)).toBeNull();
    expect(deflating.payloadOf('€'.repeat(9), never)).toBeNull();
    expect(deflating.payloadOf(Buffer.alloc(29), never)).toBeNull();
    expect(deflating.payloadOf('x'.repeat(30), never)).not.toBeNull();
    expect(deflating.payloadOf('€'.repeat(10), never)).not.toBeNull();
    expect(deflating.payloadOf(Buffer.alloc(30), never)).not.toBeNull();
  });

  it('measures a text that may be too small, and does not encode it', () => {
    const { deflating } = new Setting({ options: { threshold: 30 } });
    const encode = vi.spyOn(Buffer, 'from');
    const write = vi.spyOn(Buffer.prototype, 'write');
    for (const text of ['x'.repeat(10), 'x'.repeat(29), 'é'.repeat(14)]) {
      expect(deflating.payloadOf(text, never)).toBeNull();
    }
    expect([encode.mock.calls.length, write.mock.calls.length]).toEqual([0, 0]);
  });

  it('gives null for what would grow, unless the next message refers to it', () => {
    const random = Buffer.from(noise(200), 'hex');
    for (const ownTakeover of [true, false]) {
      const { deflating } = new Setting({ terms: { ownTakeover } });
      expect(deflating.payloadOf(random, never) === null).toBe(!ownTakeover);
    }
  });

  it('gives null under a limit of 8 bits, and once it is closed', () => {
    const narrow = new Setting({ terms: { ownWindowBits: 8 } });
    expect(narrow.deflating.payloadOf(LARGE, never)).toBeNull();
    expect(narrow.deflating.compressesFragments).toBe(false);
    const closed = new Setting();
    expect(closed.deflating.compressesFragments).toBe(true);
    closed.deflate.close();
    expect(closed.deflating.payloadOf(LARGE, never)).toBeNull();
    expect(closed.deflating.compressesFragments).toBe(false);
  });

  it('rests until the next turn behind what one turn may cost, and tells when that is over', async () => {
    const { deflating, log } = new Setting();
    deflating.payloadOf(noise(10_000), never);
    expect(deflating.isResting).toBe(false);
    for (let size = 0; size < 70_000; size += 10_000) deflating.payloadOf(noise(10_000), never);
    expect([deflating.isResting, log]).toEqual([true, []]);
    // Once for all of it.
    deflating.partOf('more', true);
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect([deflating.isResting, log]).toEqual([false, ['deflated']]);
  });

  it('tells the owner where zlib has no memory, and gives nothing', () => {
    const { deflate, deflating, log } = new Setting();
    vi.spyOn(deflate.deflater, 'deflate').mockImplementationOnce(() => {
      throw new Error('no memory');
    });
    expect(deflating.payloadOf('small', never)).toBe(LATER);
    expect(log).toEqual(['failed']);
  });

  it('tells it as well for a fragment, and for a prepared message', () => {
    const { deflate, deflating, log } = new Setting();
    const fail = (): never => {
      throw new Error('no memory');
    };
    vi.spyOn(deflate.deflater, 'deflatePart').mockImplementationOnce(fail);
    expect(deflating.partOf('part', true)).toBeNull();
    vi.spyOn(deflate, 'createAlone').mockImplementationOnce(fail);
    expect(deflating.frameOf(new PreparedMessage('prepared'), never)).toBe(LATER);
    expect(log).toEqual(['failed', 'failed']);
  });

  it('compresses a large message elsewhere, and tells the owner behind it', async () => {
    const { deflating, log, later } = new Setting();
    expect(deflating.payloadOf('x'.repeat(16_384), never)).not.toBe(LATER);
    expect(deflating.payloadOf(LARGE, later)).toBe(LATER);
    expect([log, jobs.count]).toEqual([[], 1]);
    await jobs.idle();
    expect(log).toEqual(['later 40000', 'deflated']);
  });

  it('measures what is large in bytes', async () => {
    const { deflating, log, later, peer } = new Setting();
    peer.inflate(atOnce(deflating.payloadOf('x'.repeat(6_000), never)));
    expect(deflating.payloadOf('€'.repeat(6_000), later)).toBe(LATER);
    await jobs.idle();
    expect(log).toEqual(['later 18000', 'deflated']);
  });

  it('copies large bytes for the thread, and those of a text not once more', () => {
    const { deflate, deflating } = new Setting();
    const given: Uint8Array[] = [];
    vi.spyOn(deflate.deflater, 'deflateLater').mockImplementation((data) => {
      given.push(data);
    });
    const bytes = Buffer.from(LARGE);
    deflating.payloadOf(bytes, never);
    expect([given[0]!.buffer === bytes.buffer, bytes.equals(given[0]!)]).toEqual([false, true]);
    const copies = vi.spyOn(Buffer, 'from');
    deflating.payloadOf(LARGE, never);
    expect(copies.mock.calls.length).toBe(1);
  });

  it('tells the owner where a large message could not be compressed', () => {
    const { deflate, deflating, log } = new Setting();
    vi.spyOn(deflate.deflater, 'deflateLater').mockImplementation((_data, done) => done(null));
    expect(deflating.payloadOf(LARGE, never)).toBe(LATER);
    expect(log).toEqual(['failed']);
  });

  it('tells nothing of a large message once it is closed', async () => {
    const { deflate, deflating, log, later } = new Setting();
    deflating.payloadOf(LARGE, later);
    deflate.close();
    await jobs.idle();
    expect(log).toEqual([]);
  });

  it('compresses fragments as one message', () => {
    const { deflating, peer } = new Setting();
    const parts = ['one ', Buffer.from('two '), '', 'three', ''].map((data, at) =>
      atOnce(deflating.partOf(data, at === 4)),
    );
    expect(peer.inflate(Buffer.concat(parts)).toString()).toBe('one two three');
    expect(peer.inflate(atOnce(deflating.partOf('one two three', true))).toString()).toBe(
      'one two three',
    );
  });

  it('gives the frame of a prepared message: compressed, or as it is', () => {
    const { deflating, peer } = new Setting({ options: { threshold: 10 } });
    const small = new PreparedMessage('x'.repeat(9));
    expect(deflating.frameOf(small, never)).toBe(small.frame);
    const frame = deflating.frameOf(new PreparedMessage('x'.repeat(50)), never);
    const [read] = readFrames(atOnce(frame));
    expect(read!.rsv).toBe(4);
    expect(peer.inflate(read!.payload).toString()).toBe('x'.repeat(50));
  });

  it('lets nothing behind a prepared message refer to what was before it', () => {
    const { deflating, peer } = new Setting();
    const text = noise(500);
    peer.inflate(atOnce(deflating.payloadOf(text, never)));
    deflating.frameOf(new PreparedMessage(noise(500, 'prepared')), never);
    // Read by somebody who has seen nothing.
    const payload = atOnce(deflating.payloadOf(text, never));
    expect(new ReferencePeer().inflate(payload).toString()).toBe(text);
  });

  it('does not forget for a prepared message that is not compressed', () => {
    const { deflate, deflating } = new Setting({ options: { threshold: 10 } });
    const forget = vi.spyOn(deflate, 'forget');
    deflating.frameOf(new PreparedMessage('small'), never);
    expect(forget).not.toHaveBeenCalled();
  });

  it('waits for the frame of a large prepared message', async () => {
    const { deflating, log, peer } = new Setting();
    const other = new Setting();
    const message = new PreparedMessage(LARGE);
    const write = (bytes: Uint8Array): void => {
      log.push(`frame ${peer.inflate(readFrames(bytes)[0]!.payload).length}`);
    };
    expect(deflating.frameOf(message, write)).toBe(LATER);
    expect(other.deflating.frameOf(message, () => other.log.push('frame'))).toBe(LATER);
    await jobs.idle();
    expect(log).toEqual(['frame 40000', 'deflated']);
    expect(other.log).toEqual(['frame', 'deflated']);
    expect(deflating.frameOf(message, never)).toBeInstanceOf(Uint8Array);
  });
});
