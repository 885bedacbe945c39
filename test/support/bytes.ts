/** Wire bytes written by hand, without the codec under test. */

/** `hex('81 05 48')`: spaces are for the reader. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

export interface RawFrame {
  fin?: boolean;
  /** The three reserved bits, RSV1 first: 0b100. */
  rsv?: number;
  opcode?: number;
  /** The masking-key; none for an unmasked frame. */
  key?: Buffer;
  payload?: Uint8Array | string;
  /** How the length is written. Default: as short as possible. */
  lengthBits?: 7 | 16 | 64;
}

/** A frame as RFC 6455, section 5.2 draws it, rules broken as asked. */
export function rawFrame(frame: RawFrame): Buffer {
  const { fin = true, rsv = 0, opcode = 1, key } = frame;
  const payload = Buffer.from(frame.payload ?? '');
  const size = payload.length;
  const lengthBits = frame.lengthBits ?? (size < 126 ? 7 : size < 65_536 ? 16 : 64);
  const mask = key === undefined ? 0 : 0x80;
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  if (lengthBits === 7) {
    head.push(mask | size);
  } else if (lengthBits === 16) {
    head.push(mask | 126, size >> 8, size & 0xff);
  } else {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(size));
    head.push(mask | 127, ...length);
  }
  if (key === undefined) return Buffer.concat([Buffer.from(head), payload]);
  return Buffer.concat([Buffer.from(head), key, payload.map((byte, i) => byte ^ key[i % 4]!)]);
}

/** Frames as they leave a client: all masked with one key, which no rule forbids in a test. */
export function maskedFrame(frame: RawFrame): Buffer {
  return rawFrame({ key: hex('37 fa 21 3d'), ...frame });
}

/** The frame that the peer of `role` sends: masked where the peer is a client. */
export function peerFrame(role: 'client' | 'server', frame: RawFrame): Buffer {
  return role === 'server' ? maskedFrame(frame) : rawFrame(frame);
}

export interface ReadFrame {
  fin: boolean;
  rsv: number;
  opcode: number;
  masked: boolean;
  /** The masking-key, empty where there is none. */
  key: Buffer;
  /** Unmasked. */
  payload: Buffer;
  /** How many bits its length took. */
  lengthBits: number;
}

/** Reads whole frames, by a reader that shares nothing with the decoder. */
export function readFrames(wire: Uint8Array): ReadFrame[] {
  const bytes = Buffer.from(wire);
  const frames: ReadFrame[] = [];
  let at = 0;
  while (at < bytes.length) {
    const first = bytes.readUInt8(at);
    const second = bytes.readUInt8(at + 1);
    at += 2;
    let size = second & 0x7f;
    let lengthBits = 7;
    if (size === 126) {
      size = bytes.readUInt16BE(at);
      lengthBits = 16;
      at += 2;
    } else if (size === 127) {
      size = Number(bytes.readBigUInt64BE(at));
      lengthBits = 64;
      at += 8;
    }
    const masked = second >= 0x80;
    const key = masked ? bytes.subarray(at, at + 4) : Buffer.alloc(0);
    at += key.length;
    if (at + size > bytes.length) throw new Error('the last frame is not complete');
    const payload = Buffer.from(bytes.subarray(at, at + size));
    if (masked) payload.forEach((byte, i) => (payload[i] = byte ^ key[i % 4]!));
    at += size;
    frames.push({
      fin: first >= 0x80,
      rsv: (first >> 4) & 7,
      opcode: first & 0xf,
      masked,
      key,
      payload,
      lengthBits,
    });
  }
  return frames;
}

/** The body of a Close. */
export function closeBody(code: number, reason: string = ''): Buffer {
  const body = Buffer.alloc(2 + Buffer.byteLength(reason));
  body.writeUInt16BE(code);
  body.write(reason, 2);
  return body;
}

/** All ways to cut `wire` in two, then byte by byte. */
export function* cuts(wire: Buffer): Generator<Buffer[], void, undefined> {
  for (let at = 0; at <= wire.length; at++) yield [wire.subarray(0, at), wire.subarray(at)];
  yield [...wire].map((byte) => Buffer.from([byte]));
}
