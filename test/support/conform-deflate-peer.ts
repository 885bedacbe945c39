/**
 * A peer that echoes, and has permessage-deflate: a server or a client, with one fault or none. It
 * stands on the judge's own frames and contexts, used in another way than the judge does.
 *
 * @module
 */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { DeflateCoder } from '../../src/conform/deflate.ts';
import {
  type DeflateParameters,
  readExtensions,
  readParameters,
  writeParameters,
} from '../../src/conform/deflate-parameters.ts';
import {
  checkResponse,
  createKey,
  createRequest,
  createResponse,
} from '../../src/conform/handshake.ts';
import { receiveHead } from '../../src/conform/read-head.ts';
import {
  encodeFrames,
  type Frame,
  fragment,
  FrameReader,
  OPCODE,
  type ReceivedFrame,
  RSV1,
} from '../../src/conform/wire.ts';
import { createContext } from '../../src/conform/zlib-context.ts';

/** What a peer may do wrong. */
export type Fault =
  | 'no RSV1'
  | 'RSV1 on every fragment'
  | 'RSV1 on what is not compressed'
  | 'the tail not removed'
  | 'one byte too much removed'
  | 'a context that should be forgotten'
  | 'a window that is too large'
  | 'an inflater that forgets'
  | 'the wrong opcode'
  | 'the last byte missing'
  | 'everything twice'
  | 'silence';

/** Each, and what the judge must say of it. */
export const FAULTS: ReadonlyMap<Fault, RegExp> = new Map([
  ['no RSV1', /not UTF-8|is not what came back/],
  ['RSV1 on every fragment', /RSV 4 is set/],
  ['RSV1 on what is not compressed', /cannot be inflated|does not end|is not what came back/],
  ['the tail not removed', /does not end where it should/],
  ['one byte too much removed', /does not end where it should|cannot be inflated/],
  ['a context that should be forgotten', /distance too far back/],
  ['a window that is too large', /distance too far back/],
  ['an inflater that forgets', /did not come back|is not what came back/],
  ['the wrong opcode', /is not what came back/],
  ['the last byte missing', /is not what came back/],
  ['everything twice', /is not what came back|More came back/],
  ['silence', /did not come back/],
]);

export interface PeerOptions {
  readonly fault?: Fault | undefined;
  /** What it makes of an offer, or offers itself. `undefined`: nothing. */
  readonly negotiate?: ((offer: string) => string | undefined) | undefined;
}

const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff]);
const FRAGMENT_SIZE = 100;

/** Takes the first offer as it is, and wants nothing itself. */
export function acceptFirst(offer: string): string {
  const parameters = readParameters(readExtensions(offer)[0]!, 'offer');
  return writeParameters({
    ...parameters,
    clientNoContextTakeover: false,
    clientMaxWindowBits: undefined,
  });
}

interface End {
  readonly isClient: boolean;
  readonly fault: Fault | undefined;
  /** As the answer has them. */
  readonly agreed: DeflateParameters | undefined;
}

class EchoPeer {
  readonly #socket: Socket;
  readonly #end: End;
  readonly #coder: DeflateCoder | undefined;
  readonly #reader = new FrameReader();
  #message: ReceivedFrame[] = [];
  #work: Promise<void> = Promise.resolve();

  constructor(socket: Socket, end: End, rest: Buffer) {
    this.#socket = socket;
    this.#end = end;
    this.#coder = end.agreed === undefined ? undefined : createCoder(end, end.agreed);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('close', () => void this.#work.then(() => this.#coder?.close()));
    this.#onData(rest);
    socket.resume();
  }

  #onData(chunk: Buffer): void {
    this.#reader.push(chunk);
    for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
      if (frame.opcode === OPCODE.CLOSE) {
        this.#work = this.#work.then(() => this.#close(frame.payload));
      } else {
        this.#message.push(frame);
        if (frame.fin) this.#take();
      }
    }
  }

  #close(payload: Buffer): void {
    this.#send([{ opcode: OPCODE.CLOSE, payload }]);
    if (!this.#end.isClient) this.#socket.end();
  }

  #take(): void {
    const frames = this.#message;
    this.#message = [];
    this.#work = this.#work.then(() => this.#echo(frames)).catch(() => void this.#socket.destroy());
  }

  async #echo(frames: readonly ReceivedFrame[]): Promise<void> {
    const { fault } = this.#end;
    const { opcode, rsv } = frames[0]!;
    const payload = Buffer.concat(frames.map((frame) => frame.payload));
    const coder = (rsv & RSV1) === 0 ? undefined : this.#coder;
    if (fault === 'silence') return;
    if (coder === undefined) {
      this.#send([{ opcode, payload }]);
      return;
    }
    const message = await coder.decode(payload);
    const kept = fault === 'the last byte missing' ? message.subarray(0, -1) : message;
    const echo = await coder.encode(kept);
    const answer = this.#frame(opcode, message, echo);
    this.#send(fault === 'everything twice' ? [...answer, ...answer] : answer);
  }

  #frame(opcode: number, message: Buffer, echo: Buffer): Frame[] {
    const whole = { opcode, payload: echo, rsv: RSV1 };
    const { fault } = this.#end;
    if (fault === 'no RSV1') return [{ ...whole, rsv: 0 }];
    if (fault === 'RSV1 on what is not compressed') return [{ ...whole, payload: message }];
    if (fault === 'the wrong opcode') {
      return [{ ...whole, opcode: OPCODE.TEXT + OPCODE.BINARY - opcode }];
    }
    if (fault === 'the tail not removed') {
      return [{ ...whole, payload: Buffer.concat([echo, TAIL]) }];
    }
    if (fault === 'one byte too much removed') return [{ ...whole, payload: echo.subarray(0, -1) }];
    if (fault === 'RSV1 on every fragment') {
      const half = Math.floor(echo.length / 2);
      return [
        { ...whole, payload: echo.subarray(0, half), fin: false },
        { ...whole, payload: echo.subarray(half), opcode: OPCODE.CONTINUATION },
      ];
    }
    return fault === undefined ? fragment(opcode, echo, FRAGMENT_SIZE, RSV1) : [whole];
  }

  #send(frames: readonly Frame[]): void {
    if (this.#socket.writable) this.#socket.write(encodeFrames(frames, this.#end.isClient));
  }
}

function createCoder({ isClient, fault }: End, agreed: DeflateParameters): DeflateCoder {
  const client = {
    windowBits: Number(agreed.clientMaxWindowBits ?? 15),
    isContextKept: !agreed.clientNoContextTakeover,
  };
  const server = {
    windowBits: agreed.serverMaxWindowBits ?? 15,
    isContextKept: !agreed.serverNoContextTakeover,
  };
  const [sent, received] = isClient ? [client, server] : [server, client];
  const forgetsNothing = fault === 'a context that should be forgotten';
  const forgetsAll = fault === 'an inflater that forgets';
  return new DeflateCoder(
    { ...sent, isContextKept: forgetsNothing || sent.isContextKept },
    { ...received, isContextKept: !forgetsAll && received.isContextKept },
    ({ kind, windowBits }) => {
      const isTooLarge = kind === 'deflate' && fault === 'a window that is too large';
      return createContext({ kind, windowBits: isTooLarge ? 15 : windowBits });
    },
  );
}

/** The parameters of an answer, if it accepts anything. */
function agreedIn(answer: string | undefined): DeflateParameters | undefined {
  const [extension] = readExtensions(answer ?? '');
  try {
    return extension && readParameters(extension, 'answer');
  } catch {
    return undefined;
  }
}

/** A server on any port; `close` ends it. */
export async function serveEcho(options: PeerOptions = {}): Promise<{ url: URL; server: Server }> {
  const { fault, negotiate = acceptFirst } = options;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    void receiveHead(socket, 5000).then(({ fields, rest }) => {
      const offer = fields.get('sec-websocket-extensions')?.join(', ');
      const answer = offer === undefined ? undefined : negotiate(offer);
      socket.write(createResponse(fields.get('sec-websocket-key')![0]!, answer));
      return new EchoPeer(socket, { isClient: false, fault, agreed: agreedIn(answer) }, rest);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: urlOf(server.address()), server };
}

/** Where a server listens. */
export function urlOf(address: AddressInfo | string | null): URL {
  if (address === null || typeof address === 'string') throw new Error('It does not listen');
  return new URL(`ws://127.0.0.1:${address.port}/`);
}

/** A client that is there for one connection, until that is over. */
export async function echoAt(url: URL, offer: string | undefined, fault?: Fault): Promise<void> {
  const socket = connect(Number(url.port), url.hostname);
  socket.on('error', () => {});
  const closed = new Promise((resolve) => {
    socket.on('close', resolve);
  });
  const key = createKey();
  const target = `${url.pathname}${url.search}`;
  socket.write(createRequest({ host: url.host, target, extensions: offer }, key));
  const head = await receiveHead(socket, 5000);
  if (head.startLine.includes(' 101 ')) {
    const answer = checkResponse(head, key, true);
    void new EchoPeer(socket, { isClient: true, fault, agreed: agreedIn(answer) }, head.rest);
  } else {
    socket.resume();
  }
  await closed;
}
