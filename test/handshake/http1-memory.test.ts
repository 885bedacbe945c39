import { describe, expect, it } from 'vitest';
import { RequestHeadParser } from '../../src/handshake/http1.ts';
import { collectGarbage } from '../support/collect-garbage.ts';

const KIB = 1024;

/** Bytes that are held, here and outside of the heap. What is outside is freed by another thread. */
async function heldBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** A byte as a socket of Node gives it: it stands at the beginning of 64 KiB of its own. */
function chunk(byte: number): Buffer {
  const slab = Buffer.alloc(64 * KIB);
  slab[0] = byte;
  return slab.subarray(0, 1);
}

describe('what a peer can make a parser hold', () => {
  it('is a few times its bytes, for 15 KiB of a head that come one by one', async () => {
    const fields = Array.from({ length: 60 }, (_, index) => `x-${index}: ${'v'.repeat(240)}\r\n`);
    const head = Buffer.from(`GET / HTTP/1.1\r\n${fields.join('')}`);
    expect(head.length).toBeGreaterThan(14 * KIB);
    const before = await heldBytes();
    const parser = new RequestHeadParser();
    for (const byte of head) parser.push(chunk(byte));
    const held = (await heldBytes()) - before;
    expect(held).toBeLessThan(head.length * 4 + 64 * KIB);
    // It was held by the time when it was measured.
    parser.push(Buffer.from('\r\n'));
    expect(parser.head?.fields.get('x-59')).toBe('v'.repeat(240));
  });

  it('is no chunk of the network, behind the first bytes on each of 128 connections', async () => {
    const before = await heldBytes();
    const parsers = Array.from({ length: 128 }, () => new RequestHeadParser());
    for (const byte of Buffer.from('GET /chat HTTP/1.1\r\nHost: exam')) {
      for (const parser of parsers) parser.push(chunk(byte));
    }
    const held = (await heldBytes()) - before;
    // A chunk would be 64 KiB.
    expect(held).toBeLessThan(parsers.length * 8 * KIB);
    expect(parsers.every(({ method }) => method === 'GET')).toBe(true);
  });
});
