/**
 * What a peer may not send, whatever the case: RFC 6455, section 5. The cases say what must come back;
 * this says how. Knows the frames that came and no case; what was wrong is a sentence.
 *
 * @module
 */

import { isUtf8 } from 'node:buffer';
import { OPCODE, type ReceivedFrame, RSV1 } from './wire.ts';

const MAX_CONTROL_SIZE = 125;
const CONTROL_BIT = 0x8;

export interface ConductOptions {
  /** Section 5.1: a client masks every frame, a server none. */
  readonly mustMask: boolean;
  /** RFC 7692, section 6: RSV1 says that a message is compressed, where that was agreed upon. */
  readonly mayCompress: boolean;
}

export class Conduct {
  readonly #mustMask: boolean;
  readonly #mayCompress: boolean;
  /** Close codes that the case leaves to the peer. */
  #codes: readonly number[] = [];
  #isInMessage = false;
  #hasClosed = false;

  constructor({ mustMask, mayCompress }: ConductOptions) {
    this.#mustMask = mustMask;
    this.#mayCompress = mayCompress;
  }

  /** Lets the peer close with codes that may not be sent otherwise. */
  allowCodes(codes: readonly number[]): void {
    this.#codes = codes;
  }

  /** @returns what is wrong with the next frame, or `undefined` */
  check(frame: ReceivedFrame): string | undefined {
    const breach =
      this.#checkHeader(frame) ??
      ((frame.opcode & CONTROL_BIT) === 0
        ? this.#checkData(frame)
        : checkControl(frame, this.#codes));
    if (frame.opcode === OPCODE.CLOSE) this.#hasClosed = true;
    return breach;
  }

  #checkHeader({ isMasked, hasShortestLength }: ReceivedFrame): string | undefined {
    if (this.#hasClosed) return 'A frame came after the Close frame (section 5.5.1)';
    if (isMasked && !this.#mustMask) return 'A server masked a frame (section 5.1)';
    if (!isMasked && this.#mustMask) return 'A client did not mask a frame (section 5.1)';
    if (!hasShortestLength) return 'A length is not encoded in the fewest bytes (section 5.2)';
    return undefined;
  }

  #checkData({ opcode, fin, rsv }: ReceivedFrame): string | undefined {
    const isFirst = opcode !== OPCODE.CONTINUATION;
    const allowed = isFirst && this.#mayCompress ? RSV1 : 0;
    if ((rsv & ~allowed) !== 0) return `RSV ${rsv} is set, and means nothing here (section 5.2)`;
    if (opcode > OPCODE.BINARY) return `Opcode ${opcode} is reserved (section 5.2)`;
    if (isFirst && this.#isInMessage) return 'A message began inside another (section 5.4)';
    if (!isFirst && !this.#isInMessage) return 'There is no message to continue (section 5.4)';
    this.#isInMessage = !fin;
    return undefined;
  }
}

function checkControl(
  { opcode, fin, rsv, payload }: ReceivedFrame,
  codes: readonly number[],
): string | undefined {
  if (rsv !== 0) return `RSV ${rsv} is set in a control frame (section 5.2)`;
  if (opcode > OPCODE.PONG) return `Opcode ${opcode} is reserved (section 5.2)`;
  if (!fin) return 'A control frame is fragmented (section 5.5)';
  if (payload.length > MAX_CONTROL_SIZE) return 'A control frame is too long (section 5.5)';
  return opcode === OPCODE.CLOSE ? checkClose(payload, codes) : undefined;
}

/** Sections 5.5.1 and 7.4. */
function checkClose(payload: Buffer, codes: readonly number[]): string | undefined {
  if (payload.length === 0) return undefined;
  if (payload.length === 1) return 'A Close frame has half a code (section 5.5.1)';
  const code = payload.readUInt16BE(0);
  if (!isSendable(code) && !codes.includes(code))
    return `Close code ${code} may not be sent (section 7.4)`;
  return isUtf8(payload.subarray(2))
    ? undefined
    : 'The reason of a Close is not UTF-8 (section 8.1)';
}

/** Those of the register of IANA that may stand in a frame, and those for libraries and applications. */
function isSendable(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}
