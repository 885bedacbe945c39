// What the load generator sends, made beforehand: frames as a client masks them, in bursts.
import { randomFillSync } from 'node:crypto';
import { createDeflateRaw, constants } from 'node:zlib';

const FIN = 0x80;
const RSV1 = 0x40;
/** In place of the size of what comes back. */
export const UNKNOWN = 0xffff_ffff;

/** A frame of a client (RFC 6455, section 5.2). */
function frameOf(payload, opcode, first = FIN) {
  const size = payload.length;
  const head = size < 126 ? 2 : size < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(head + 4 + size);
  frame[0] = first | opcode;
  frame[1] = 0x80 | (head === 2 ? size : head === 4 ? 126 : 127);
  if (head === 4) frame.writeUInt16BE(size, 2);
  if (head === 10) frame.writeBigUInt64BE(BigInt(size), 2);
  const key = randomFillSync(frame.subarray(head, head + 4));
  for (let i = 0; i < size; i++) frame[head + 4 + i] = payload[i] ^ key[i & 3];
  return frame;
}

/** One burst: so many of these messages, each of which is answered by a frame with its payload. */
export function burstOf(message, count) {
  const opcode = typeof message === 'string' ? 1 : 2;
  const payload = Buffer.from(message);
  const frames = Array.from({ length: count }, () => frameOf(payload, opcode));
  return scriptOf([
    { bytes: Buffer.concat(frames), frames: count, payload: count * payload.length },
  ]);
}

/** One message in so many fragments of so many bytes each. */
export function fragmentsOf(count, size) {
  const payload = Buffer.alloc(size, 0xa5);
  const frames = Array.from({ length: count }, (_, i) =>
    frameOf(payload, i === 0 ? 2 : 0, i === count - 1 ? FIN : 0),
  );
  return scriptOf([{ bytes: Buffer.concat(frames), frames: 1, payload: count * size }]);
}

/**
 * Compressed messages, one in each burst, of which the first refers to no text before it: so they can
 * be sent again and again, with and without context takeover. How large the answers are is not
 * known.
 */
export async function compressedBurstsOf(messages, takeover, windowBits = 15) {
  const stream = createDeflateRaw({ level: 6, windowBits });
  const bursts = [];
  for (const message of messages) {
    const flush = takeover ? constants.Z_SYNC_FLUSH : constants.Z_FULL_FLUSH;
    const chunks = [];
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.write(message);
    await new Promise((resolve) => {
      stream.flush(flush, resolve);
    });
    stream.removeAllListeners('data');
    const deflated = Buffer.concat(chunks).subarray(0, -4);
    bursts.push({ bytes: frameOf(deflated, 1, FIN | RSV1), frames: 1, payload: UNKNOWN });
  }
  stream.close();
  return scriptOf(bursts);
}

/** @returns {{ bytes: Buffer, frames: number, payload: number }[]} what is in a script */
export function burstsIn(script) {
  const bursts = [];
  for (let at = 0; at < script.length;) {
    const [size, frames, payload] = [0, 4, 8].map((offset) => script.readUInt32LE(at + offset));
    bursts.push({ bytes: script.subarray(at + 12, at + 12 + size), frames, payload });
    at += 12 + size;
  }
  return bursts;
}

/** The form that the load generators read. */
function scriptOf(bursts) {
  const parts = bursts.map(({ bytes, frames, payload }) => {
    const numbers = new Uint32Array([bytes.length, frames, payload]);
    return Buffer.concat([Buffer.from(numbers.buffer), bytes]);
  });
  return Buffer.concat(parts);
}
