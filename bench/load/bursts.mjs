// What the load generator sends, made beforehand: frames as a client masks them, in bursts.
import { randomFillSync } from 'node:crypto';
import { createDeflateRaw, constants } from 'node:zlib';

const FIN = 0x80;
const RSV1 = 0x40;

/** A frame of a client (RFC 6455, section 5.2). */
function frameOf(payload, opcode, rsv1 = false) {
  const size = payload.length;
  const head = size < 126 ? 2 : size < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(head + 4 + size);
  frame[0] = FIN | (rsv1 ? RSV1 : 0) | opcode;
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

/**
 * Compressed messages, one in each burst, of which the first refers to no text before it: so they can
 * be sent again and again, with and without context takeover. How large the answers are is not
 * known.
 */
export async function compressedBurstsOf(messages, takeover) {
  const stream = createDeflateRaw({ level: 6 });
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
    bursts.push({ bytes: frameOf(deflated, 1, true), frames: 1, payload: UNKNOWN });
  }
  stream.close();
  return scriptOf(bursts);
}

const UNKNOWN = 0xffff_ffff;

/** The form that load.c reads. */
function scriptOf(bursts) {
  const parts = bursts.map(({ bytes, frames, payload }) => {
    const numbers = new Uint32Array([bytes.length, frames, payload]);
    return Buffer.concat([Buffer.from(numbers.buffer), bytes]);
  });
  return Buffer.concat(parts);
}
