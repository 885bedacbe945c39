// A client made of bytes, that does what no library would: it stops in the middle, says what is wrong,
// does not read, and leaves without a word. It understands what a server sends only as far as it takes
// to see how the connection ended.
import { randomFillSync } from 'node:crypto';
import { connect } from 'node:net';

export const OPCODE = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 };
export const FIN = 0x80;
export const RSV1 = 0x40;

/**
 * A frame of a client (RFC 6455, section 5.2).
 *
 * @param {number} first - its first byte
 * @param {string | Uint8Array} payload
 * @param {{ masked?: boolean, length?: number }} lie - whether it is masked, and what length it says
 */
export function frameOf(first, payload, { masked = true, length } = {}) {
  const bytes = Buffer.from(payload);
  const said = length ?? bytes.length;
  const header = said < 126 ? 2 : said < 65_536 ? 4 : 10;
  const start = header + (masked ? 4 : 0);
  const frame = Buffer.alloc(start + bytes.length);
  frame[0] = first;
  frame[1] = (masked ? 0x80 : 0) | (header === 2 ? said : header === 4 ? 126 : 127);
  if (header === 4) frame.writeUInt16BE(said, 2);
  if (header === 10) frame.writeBigUInt64BE(BigInt(said), 2);
  bytes.copy(frame, start);
  if (masked) {
    const key = randomFillSync(frame.subarray(header, start));
    for (let i = start; i < frame.length; i++) frame[i] ^= key[(i - start) & 3];
  }
  return frame;
}

/** A Close with this code. */
export function closeFrame(code) {
  return frameOf(FIN | OPCODE.CLOSE, Buffer.from([code >> 8, code & 0xff]));
}

/** The request for a URL. */
export function requestFor({ host, pathname, search }, extensions = '') {
  return [
    `GET ${pathname}${search} HTTP/1.1`,
    `Host: ${host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
    ...(extensions === '' ? [] : [`Sec-WebSocket-Extensions: ${extensions}`]),
    '\r\n',
  ].join('\r\n');
}

export class RawPeer {
  #head = '';
  #isOpen = false;
  #rest = Buffer.alloc(0);
  /** Of a payload that is not looked at. */
  #skip = 0;
  #onOpen;
  #last = Promise.resolve();
  /** The status of the answer to the handshake; 0 before there was one. */
  status = 0;
  /** The code of the server's Close; null before there was one. */
  closeCode = null;
  pongs = 0;
  /** Whether it has waited long enough for the server to end the connection. */
  hasGivenUp = false;
  /** Resolves with whether the handshake was accepted, before the connection ended. */
  opened = new Promise((resolve) => {
    this.#onOpen = resolve;
  });

  /**
   * @param {URL} url
   * @param {number} patience - milliseconds until it leaves of its own accord
   */
  constructor(url, patience) {
    this.url = url;
    const timer = setTimeout(() => {
      this.hasGivenUp = true;
      this.socket.destroy();
    }, patience);
    this.socket = connect({
      host: url.hostname,
      port: Number(url.port),
      noDelay: true,
      allowHalfOpen: true,
    });
    this.socket.on('data', (chunk) => this.#receive(chunk));
    // How it ended is told by 'close', and by what was read before.
    this.socket.on('error', () => this.socket.destroy());
    this.closed = new Promise((resolve) => {
      this.socket.on('close', resolve);
    });
    this.ended = new Promise((resolve) => {
      this.socket.on('end', resolve);
      this.socket.on('close', resolve);
    });
    this.socket.on('close', () => {
      clearTimeout(timer);
      this.#onOpen(false);
    });
  }

  /** Asks for an upgrade. */
  open(extensions) {
    this.socket.write(requestFor(this.url, extensions));
    return this.opened;
  }

  write(bytes) {
    if (!this.socket.writable) return;
    this.#last = new Promise((resolve) => {
      this.socket.write(bytes, resolve);
    });
  }

  /** Resolves when what was written is gone, or nothing goes any more. */
  written() {
    return Promise.race([this.closed, this.#last]);
  }

  /** Ends it as if the process had died. */
  reset() {
    this.socket.resetAndDestroy();
  }

  #receive(chunk) {
    if (this.#isOpen) this.#take(chunk);
    else this.#takeHead(chunk);
  }

  #takeHead(chunk) {
    this.#head += chunk.latin1Slice();
    const end = this.#head.indexOf('\r\n\r\n');
    if (end === -1) return;
    this.status = Number(this.#head.slice(9, 12));
    this.#isOpen = this.status === 101;
    this.#onOpen(this.#isOpen);
    if (this.#isOpen) this.#take(Buffer.from(this.#head.slice(end + 4), 'latin1'));
    this.#head = '';
  }

  #take(chunk) {
    const skipped = Math.min(this.#skip, chunk.length);
    this.#skip -= skipped;
    this.#rest = Buffer.concat([this.#rest, chunk.subarray(skipped)]);
    while (this.#takeFrame());
  }

  /** Whether there was one, as far as it matters. */
  #takeFrame() {
    const bytes = this.#rest;
    if (bytes.length < 2) return false;
    const header = bytes[1] < 126 ? 2 : bytes[1] === 126 ? 4 : 10;
    const opcode = bytes[0] & 15;
    // A Close, and the header of all else, is waited for.
    const need = opcode === OPCODE.CLOSE ? header + bytes[1] : header;
    if (bytes.length < need) return false;
    const length =
      header === 2
        ? bytes[1]
        : header === 4
          ? bytes.readUInt16BE(2)
          : Number(bytes.readBigUInt64BE(2));
    if (opcode === OPCODE.CLOSE) this.closeCode = length < 2 ? 1005 : bytes.readUInt16BE(header);
    if (opcode === OPCODE.PONG) this.pongs++;
    const there = Math.min(length, bytes.length - header);
    this.#skip = length - there;
    this.#rest = bytes.subarray(header + there);
    return true;
  }
}
