/**
 * permessage-deflate (RFC 7692) as the judge has it, of either end: what it offers or answers, what it
 * accepts, and then a deflater and an inflater that do no more than was agreed upon. It shares nothing
 * with that of the library.
 *
 * @module
 */

import {
  DEFLATE_NAME,
  type DeflateParameters,
  readExtensions,
  readParameters,
  writeParameters,
} from './deflate-parameters.ts';
import type { Extension, MessageCoder } from './extension.ts';
import { sentenceOf } from './sentence.ts';
import { type ContextOptions, createContext, type ZlibContext } from './zlib-context.ts';

/** What a case wants of the messages of the peer. */
export interface Wish {
  /** Whether each is to be compressed for itself. */
  readonly noContextTakeover: boolean;
  /** 8 to 15: how far back it may refer. `undefined`: as far as it likes. */
  readonly maxWindowBits: number | undefined;
}

/** How the messages of one end are compressed. */
interface Direction {
  readonly windowBits: number;
  readonly isContextKept: boolean;
}

const MAX_BITS = 15;
/** Section 7.2.1: the end of an empty block, which every message would end with. */
const TAIL = Buffer.from([0x00, 0x00, 0xff, 0xff]);
/** Section 7.2.3.6. */
const EMPTY_MESSAGE = Buffer.from([0x00]);
/** Means nothing where a block may begin, and something else wherever it may not. */
const EMPTY_BLOCK = Buffer.from([0x00, 0x00, 0x00, 0xff, 0xff]);
const TOO_FAR_BACK = /distance too far back/;

/** @param wishes the best first: the peer has a choice */
export function deflateExtension(wishes: readonly Wish[]): Extension {
  const offers = wishes.map(offerOf);
  return {
    offer: offers.map(writeParameters).join(', '),
    acceptAnswer(answer) {
      return acceptAnswer(offers, answer);
    },
    answerOffer(offer) {
      return answerOffer(wishes, offer);
    },
  };
}

/** The judge lets the server choose how its own messages are compressed. */
function offerOf({ noContextTakeover, maxWindowBits }: Wish): DeflateParameters {
  return {
    serverNoContextTakeover: noContextTakeover,
    serverMaxWindowBits: maxWindowBits,
    clientNoContextTakeover: true,
    clientMaxWindowBits: true,
  };
}

function acceptAnswer(offers: readonly DeflateParameters[], text: string): MessageCoder {
  const [extension, ...others] = readExtensions(text);
  if (extension?.name !== DEFLATE_NAME || others.length > 0) {
    throw new Error(`The server accepts what was not offered: ${text}`);
  }
  const answer = readParameters(extension, 'answer');
  const isOffered = offers.some(
    (offer) =>
      (answer.serverNoContextTakeover || !offer.serverNoContextTakeover) &&
      (answer.serverMaxWindowBits ?? MAX_BITS) <= (offer.serverMaxWindowBits ?? MAX_BITS) &&
      // RFC 7692, section 7.1.2.1: accepted "by including" it.
      (answer.serverMaxWindowBits !== undefined || offer.serverMaxWindowBits === undefined),
  );
  if (!isOffered) {
    throw new Error(`The server's answer fits no offer (RFC 7692, section 7.1): ${text}`);
  }
  return new DeflateCoder(directionOf('client', answer), directionOf('server', answer));
}

function answerOffer(wishes: readonly Wish[], text: string): ReturnType<Extension['answerOffer']> {
  const offers = readExtensions(text).flatMap((extension) => offerIn(extension) ?? []);
  for (const wish of wishes) {
    const offer = offers.find(
      ({ clientMaxWindowBits }) =>
        wish.maxWindowBits === undefined || clientMaxWindowBits !== undefined,
    );
    if (offer !== undefined) {
      const answer = answerTo(offer, wish);
      const coder = new DeflateCoder(directionOf('server', answer), directionOf('client', answer));
      return { answer: writeParameters(answer), coder };
    }
  }
  return undefined;
}

/** Section 7.1: an offer that is wrong is declined, as is any that is not known. */
function offerIn(
  extension: ReturnType<typeof readExtensions>[number],
): DeflateParameters | undefined {
  if (extension.name !== DEFLATE_NAME) return undefined;
  try {
    return readParameters(extension, 'offer');
  } catch {
    return undefined;
  }
}

/** What the client asks for is granted; what the case wants of it is demanded. */
function answerTo(offer: DeflateParameters, wish: Wish): DeflateParameters {
  const { clientMaxWindowBits } = offer;
  const limit = typeof clientMaxWindowBits === 'number' ? clientMaxWindowBits : MAX_BITS;
  return {
    serverNoContextTakeover: offer.serverNoContextTakeover,
    serverMaxWindowBits: offer.serverMaxWindowBits,
    // Section 7.1.1.2: may be demanded of every client.
    clientNoContextTakeover: wish.noContextTakeover,
    clientMaxWindowBits:
      wish.maxWindowBits === undefined ? undefined : Math.min(wish.maxWindowBits, limit),
  };
}

function directionOf(from: 'client' | 'server', parameters: DeflateParameters): Direction {
  const isClient = from === 'client';
  const bits = isClient ? parameters.clientMaxWindowBits : parameters.serverMaxWindowBits;
  const isReset = isClient
    ? parameters.clientNoContextTakeover
    : parameters.serverNoContextTakeover;
  return { windowBits: typeof bits === 'number' ? bits : MAX_BITS, isContextKept: !isReset };
}

/** How a coder gets its contexts. */
export type CreateContext = (options: ContextOptions) => ZlibContext;

/** Compresses what the judge sends, and inflates what it receives. */
export class DeflateCoder implements MessageCoder {
  readonly #sent: Direction;
  readonly #received: Direction;
  readonly #deflater: ZlibContext;
  readonly #inflater: ZlibContext;

  constructor(sent: Direction, received: Direction, create: CreateContext = createContext) {
    this.#sent = sent;
    this.#received = received;
    this.#deflater = create({ kind: 'deflate', windowBits: sent.windowBits });
    this.#inflater = create({ kind: 'inflate', windowBits: received.windowBits });
  }

  /** Section 7.2.1. */
  async encode(payload: Buffer): Promise<Buffer> {
    // zlib writes nothing at all for a flush behind a flush.
    if (payload.length === 0) return EMPTY_MESSAGE;
    const deflated = await this.#deflater.run([payload]);
    if (!this.#sent.isContextKept) this.#deflater.reset();
    return deflated.subarray(0, -TAIL.length);
  }

  /** Section 7.2.2. */
  async decode(payload: Buffer): Promise<Buffer> {
    const inflated = await this.#inflate([payload, TAIL]);
    const more = await this.#inflate([EMPTY_BLOCK]);
    if (more.length > 0) {
      throw new Error('A message does not end where it should (RFC 7692, section 7.2.1)');
    }
    if (!this.#received.isContextKept) this.#inflater.reset();
    return inflated;
  }

  async #inflate(parts: readonly Buffer[]): Promise<Buffer> {
    try {
      return await this.#inflater.run(parts);
    } catch (error) {
      const why = sentenceOf(error);
      const hint = TOO_FAR_BACK.test(why) ? `, ${this.#describeWindow()}` : '';
      throw new Error(`A message cannot be inflated (RFC 7692, section 7.2.2): ${why}${hint}`, {
        cause: error,
      });
    }
  }

  #describeWindow(): string {
    const { windowBits, isContextKept } = this.#received;
    const context = isContextKept ? '' : ', and messages may not refer to earlier ones';
    return `where a window of ${1 << windowBits} bytes was agreed upon${context}`;
  }

  close(): void {
    this.#deflater.close();
    this.#inflater.close();
  }
}
