// A client in Node that knows frames only as far as it takes to count them.
import { connect } from 'node:net';

const READ_SIZE = 1 << 18;
const CLOSE = 8;

/** The request that load.c makes. */
export function requestOf({ port, path = '/', extensions }) {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
    ...(extensions === undefined ? [] : [`Sec-WebSocket-Extensions: ${extensions}`]),
    '\r\n',
  ].join('\r\n');
}

// One for all: a chunk is looked through before the next one is read.
const input = Buffer.allocUnsafe(READ_SIZE);
let number = 0;

/** Counts the frames that a connection gets. */
export class RawClient {
  #head = '';
  #isOpen = false;
  #header = Buffer.alloc(10);
  #headerSize = 0;
  #payloadLeft = 0;
  #on;

  /**
   * @param {{ port: number, request: string, extensions?: string }} settings
   * @param {object} on
   * @param {(client: RawClient) => void} on.open
   * @param {(client: RawClient, opcode: number, isLast: boolean) => void} on.frame - at its end
   * @param {(client: RawClient) => void} on.close
   */
  constructor({ port, request, extensions }, on) {
    this.#on = on;
    /** Bytes of payload since it was last set. */
    this.payload = 0;
    this.extensions = extensions;
    this.socket = connect({
      port,
      host: '127.0.0.1',
      // Each address has ports of its own, of which those of closed connections rest for a minute.
      localAddress: `127.0.0.${2 + (number++ % 64)}`,
      noDelay: true,
      onread: {
        buffer: input,
        callback: (size) => {
          this.#receive(size);
          return true;
        },
      },
    });
    this.socket.write(request);
    this.socket.on('error', () => this.socket.destroy());
    this.socket.on('close', () => on.close(this));
  }

  #receive(size) {
    const at = this.#isOpen ? 0 : this.#takeHead(size);
    if (at >= 0) this.#take(at, size);
  }

  /** Where the frames begin, or -1. */
  #takeHead(size) {
    const before = this.#head.length;
    this.#head += input.latin1Slice(0, size);
    const end = this.#head.indexOf('\r\n\r\n');
    if (end === -1) return -1;
    if (this.#head.slice(9, 12) !== '101')
      throw new Error(`the handshake was refused:\n${this.#head}`);
    if (this.extensions !== undefined && !this.#head.includes('permessage-deflate'))
      throw new Error('the extension was not accepted');
    this.#head = '';
    this.#isOpen = true;
    this.#on.open(this);
    return end + 4 - before;
  }

  #take(start, end) {
    const header = this.#header;
    let at = start;
    while (at < end) {
      if (this.#payloadLeft > 0) {
        const size = Math.min(end - at, this.#payloadLeft);
        at += size;
        this.#payloadLeft -= size;
        if (this.#payloadLeft === 0) this.#finish();
        continue;
      }
      header[this.#headerSize++] = input[at++];
      if (this.#headerSize < 2) continue;
      const length = header[1] & 0x7f;
      const need = length < 126 ? 2 : length === 126 ? 4 : 10;
      if (this.#headerSize < need) continue;
      const size =
        need === 2 ? length : need === 4 ? header.readUInt16BE(2) : header.readUIntBE(4, 6);
      if ((header[0] & 15) < CLOSE) this.payload += size;
      // Masked, where a server only sends back what it gets: the key is in the way.
      this.#payloadLeft = size + ((header[1] & 0x80) === 0 ? 0 : 4);
      if (this.#payloadLeft === 0) this.#finish();
    }
  }

  #finish() {
    this.#headerSize = 0;
    this.#on.frame(this, this.#header[0] & 15, (this.#header[0] & 0x80) !== 0);
  }
}
