import { describe, expect, it } from 'vitest';
import { RequestHeadParser } from '../../src/handshake/http1.ts';
import { collectGarbage } from '../support/collect-garbage.ts';

/** What a chunk keeps alive: much, beside what may be held for it. */
const CHUNK = 4 * 1024;

/** Bytes that are held, here and outside of the heap. What is outside is freed by another thread. */
async function heldBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** A byte as a socket of Node gives it, but smaller: it stands at the beginning of more memory. */
function chunk(byte: number): Buffer {
  const slab = Buffer.allocUnsafeSlow(CHUNK);
  slab[0] = byte;
  return slab.subarray(0, 1);
}

/** Feeds as many parsers, byte by byte in chunks of their own. Answers what they hold. */
async function measure(parsers: readonly RequestHeadParser[], head: string): Promise<number> {
  const before = await heldBytes();
  for (const byte of Buffer.from(head)) for (const parser of parsers) parser.push(chunk(byte));
  return (await heldBytes()) - before;
}

function parsersFor(count: number): RequestHeadParser[] {
  return Array.from({ length: count }, () => new RequestHeadParser());
}

// The bounds leave room for what a heap does by itself, a few hundred KiB. What must not be would be far
// beyond them: an object for each byte 15 MiB, a chunk for each a GiB.
describe('what a peer can make parsers hold', () => {
  it('is a few times its bytes, for 15 KiB of a head that come one by one, 32 times', async () => {
    const fields = Array.from({ length: 60 }, (_, index) => `x-${index}: ${'v'.repeat(240)}\r\n`);
    const head = `GET / HTTP/1.1\r\n${fields.join('')}`;
    expect(head.length).toBeGreaterThan(14 * 1024);
    const parsers = parsersFor(32);
    expect(await measure(parsers, head)).toBeLessThan(32 * head.length * 6);
    // It was held by the time when it was measured.
    for (const parser of parsers) parser.push(Buffer.from('\r\n'));
    expect(parsers.at(-1)?.head?.fields.get('x-59')).toBe('v'.repeat(240));
  });

  it('is no chunk of the network, behind the first bytes on each of 1,024', async () => {
    const parsers = parsersFor(1_024);
    const held = await measure(parsers, 'GET /chat HTTP/1.1\r\nHost: exam');
    expect(held).toBeLessThan((parsers.length * CHUNK) / 2);
    expect(parsers.every(({ method }) => method === 'GET')).toBe(true);
  });
});
