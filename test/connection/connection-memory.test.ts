import { describe, expect, it } from 'vitest';
import { peerFrame } from '../support/bytes.ts';
import { collectGarbage } from '../support/collect-garbage.ts';
import { OpenConnection } from '../support/open-connection.ts';

/** What a chunk keeps alive: much, beside what may be held for it. */
const CHUNK = 4 * 1024;

const nextTurn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

/** Bytes that are held, here and outside of the heap. What is outside is freed by another thread. */
async function heldBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    collectGarbage();
    await nextTurn();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** As a socket of Node gives it, but smaller: it stands at the beginning of more memory. */
function chunk(bytes: Uint8Array): Buffer {
  const slab = Buffer.allocUnsafeSlow(CHUNK);
  slab.set(bytes);
  return slab.subarray(0, bytes.length);
}

/** The bytes that so many connections hold, each of which was sent this, in chunks of their own. */
async function measure(count: number, wires: readonly Buffer[]): Promise<number> {
  const opens: OpenConnection[] = [];
  for (let index = 0; index < count; index++) opens.push(new OpenConnection('server'));
  const before = await heldBytes();
  for (const wire of wires) {
    for (const open of opens) {
      // A transport that is told to holds back what comes next.
      while (open.transport.paused) await nextTurn();
      open.connection.receive(chunk(wire));
    }
  }
  const held = (await heldBytes()) - before;
  // What was measured must not be garbage by then.
  expect(opens.map(({ events }) => events.length)).toEqual(opens.map(() => 0));
  return held;
}

function fragments(count: number, payload: string): Buffer[] {
  const wires: Buffer[] = [];
  for (let index = 0; index < count; index++) {
    const opcode = index === 0 ? 2 : 0;
    wires.push(peerFrame('server', { fin: false, opcode, payload }));
  }
  return wires;
}

// The bounds leave room for what a heap does by itself, a few hundred KiB. What must not be would be far
// beyond them: an object for each fragment 10 MiB, a chunk for each 500.
describe('what a peer can make connections hold', () => {
  it('is a few times its bytes, for 8 times 16,384 fragments of one byte', async () => {
    expect(await measure(8, fragments(16_384, 'x'))).toBeLessThan(8 * 16_384 * 8);
  });

  it('does not grow with empty fragments', async () => {
    expect(await measure(8, fragments(16_384, ''))).toBeLessThan(8 * 16_384 * 8);
  });

  it('is no chunk of the network, behind a byte of a message on each of 1,024', async () => {
    const wire = peerFrame('server', { opcode: 2, payload: 'x'.repeat(40) });
    const drips = [...wire.subarray(0, 20)].map((byte) => Buffer.of(byte));
    expect(await measure(1_024, drips)).toBeLessThan((1_024 * CHUNK) / 2);
  });
});
