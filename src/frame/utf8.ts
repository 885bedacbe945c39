/**
 * UTF-8 validation that stops and goes on: RFC 6455, section 8.1, and RFC 3629. A text may be cut
 * between any two bytes, by the sender into fragments and by the network into chunks. What has
 * come is judged at once, so that the first bad byte fails the connection and not the last.
 *
 * @module
 */

import { isUtf8 } from 'node:buffer';

// Where a validator stands inside a character: which bytes may come next. Four of the states are
// there because some lead bytes narrow their second byte, against overlong forms (E0, F0),
// surrogates (ED) and code points above U+10FFFF (F4).
const BETWEEN = 0;
const ONE_MORE = 1;
const TWO_MORE = 2;
const THREE_MORE = 3;
const AFTER_E0 = 4;
const AFTER_ED = 5;
const AFTER_F0 = 6;
const AFTER_F4 = 7;
const INVALID = 8;

/** Below this many bytes our own loop is cheaper than a view and a call into native code. */
const NATIVE_FROM = 24;

function step(state: number, byte: number): number {
  switch (state) {
    case BETWEEN:
      if (byte < 0x80) return BETWEEN;
      if (byte < 0xc2) return INVALID;
      if (byte < 0xe0) return ONE_MORE;
      if (byte === 0xe0) return AFTER_E0;
      if (byte === 0xed) return AFTER_ED;
      if (byte < 0xf0) return TWO_MORE;
      if (byte === 0xf0) return AFTER_F0;
      if (byte < 0xf4) return THREE_MORE;
      return byte === 0xf4 ? AFTER_F4 : INVALID;
    case ONE_MORE:
      return isContinuation(byte) ? BETWEEN : INVALID;
    case TWO_MORE:
      return isContinuation(byte) ? ONE_MORE : INVALID;
    case THREE_MORE:
      return isContinuation(byte) ? TWO_MORE : INVALID;
    case AFTER_E0:
      return byte >= 0xa0 && byte <= 0xbf ? ONE_MORE : INVALID;
    case AFTER_ED:
      return byte >= 0x80 && byte <= 0x9f ? ONE_MORE : INVALID;
    case AFTER_F0:
      return byte >= 0x90 && byte <= 0xbf ? TWO_MORE : INVALID;
    case AFTER_F4:
      return byte >= 0x80 && byte <= 0x8f ? TWO_MORE : INVALID;
    default:
      return INVALID;
  }
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

/** Whether `bytes[start, end)` is ASCII. For short ranges: native code is faster on long ones. */
export function isAscii(bytes: Uint8Array, start: number, end: number): boolean {
  let seen = 0;
  let i = start;
  for (const whole = start + ((end - start) & ~3); i < whole; i += 4) {
    seen |= bytes[i]! | bytes[i + 1]! | bytes[i + 2]! | bytes[i + 3]!;
  }
  for (; i < end; i++) seen |= bytes[i]!;
  return seen < 0x80;
}

/** Up to this many bytes our own look for ASCII is cheaper than a view and native validation. */
const SCAN_UP_TO = 128;

/** Whether `bytes[start, end)` is ASCII, where that is found out more cheaply than anything else. */
export function isShortAscii(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start <= SCAN_UP_TO && isAscii(bytes, start, end);
}

/** Whether `bytes[start, end)` is valid UTF-8 from its first byte to its last. */
export function isValidUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start >= NATIVE_FROM) {
    // A view costs more than a short text.
    return isUtf8(end - start === bytes.length ? bytes : bytes.subarray(start, end));
  }
  return walk(BETWEEN, bytes, start, end) === BETWEEN;
}

function walk(state: number, bytes: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) state = step(state, bytes[i]!);
  return state;
}

/** Validates one text that comes in pieces. */
export class Utf8Validator {
  #state = BETWEEN;

  /** Takes the next piece. False from the first byte on that no valid text could have. */
  push(bytes: Uint8Array, start: number, end: number): boolean {
    let state = this.#state;
    // The rest of a character that a piece before this one began.
    while (state !== BETWEEN && state !== INVALID && start < end) {
      state = step(state, bytes[start++]!);
    }
    if (state === BETWEEN && start < end) {
      const tail = end - start >= NATIVE_FROM ? lastCharacter(bytes, end) : start;
      state =
        tail === start || isUtf8(bytes.subarray(start, tail))
          ? walk(BETWEEN, bytes, tail, end)
          : INVALID;
    }
    this.#state = state;
    return state !== INVALID;
  }

  /** Ends the text, and makes ready for the next. False when it ends inside a character. */
  finish(): boolean {
    const whole = this.#state === BETWEEN;
    this.#state = BETWEEN;
    return whole;
  }
}

/**
 * Where the last character before `end` may begin: at most three bytes back, since a lead byte
 * further away cannot be waiting for more. `end` is at least four bytes into the piece.
 */
function lastCharacter(bytes: Uint8Array, end: number): number {
  for (let i = end - 1; i >= end - 3; i--) {
    if (!isContinuation(bytes[i]!)) return i;
  }
  return end;
}
