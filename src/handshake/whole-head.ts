/**
 * The head of a request as nearly every one comes: whole in one chunk, and without a mistake. It is
 * read in one walk over its bytes, which is several times as fast as line by line. Whatever is not
 * like that is left to http1.ts, which takes the same heads, however they are cut, and knows what is
 * wrong with the others.
 *
 * @module
 */

import { HeaderFields } from './fields.ts';

const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const COLON = 0x3a;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

// What a byte may be part of: the classes of grammar.ts and of the request line in http1.ts.
const IN_TOKEN = 1;
const IN_TARGET = 2;
const IN_VALUE = 4;
const CLASSES: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return (
    (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(character) ? IN_TOKEN : 0) |
    (/[\x21-\x7e]/.test(character) ? IN_TARGET : 0) |
    (/[\t\x20-\x7e\x80-\xff]/.test(character) ? IN_VALUE : 0)
  );
});

const VERSION: Uint8Array = Buffer.from(' HTTP/1.');

/** What a head may have at most, as it stands in http1.ts. */
interface Limits {
  readonly maxHeadSize: number;
  readonly maxHeaderFields: number;
  readonly maxTargetSize: number;
}

/** The head of a request. */
export interface WholeHead {
  readonly method: string;
  readonly target: string;
  readonly minorVersion: number;
  readonly fields: HeaderFields;
  /** Where it ends in its chunk. */
  readonly end: number;
}

/**
 * Reads the head that begins at `from`.
 *
 * @param maxStartLineSize - bytes of the request line, with its line end
 * @returns null where it is not all there, or has a mistake, or passes a limit
 */
export function readWholeHead(
  chunk: Buffer,
  from: number,
  limits: Limits,
  maxStartLineSize: number,
): WholeHead | null {
  const stop = Math.min(chunk.length, from + limits.maxHeadSize);
  const targetStart = skip(chunk, from, stop, IN_TOKEN) + 1;
  if (targetStart === from + 1 || chunk[targetStart - 1] !== SPACE) return null;
  const targetEnd = skip(chunk, targetStart, stop, IN_TARGET);
  const targetSize = targetEnd - targetStart;
  if (targetSize === 0 || targetSize > limits.maxTargetSize) return null;
  const versionEnd = targetEnd + VERSION.length + 1;
  const fieldsStart = versionEnd + 2;
  if (fieldsStart - from > maxStartLineSize || fieldsStart > stop) return null;
  for (let i = 0; i < VERSION.length; i++) {
    if (chunk[targetEnd + i] !== VERSION[i]) return null;
  }
  const minorVersion = chunk[versionEnd - 1]!;
  if (minorVersion < DIGIT_0 || minorVersion > DIGIT_9) return null;
  if (!isLineEnd(chunk, versionEnd, stop)) return null;

  const marks: number[] = [];
  const end = skipFields(chunk, from, fieldsStart, stop, limits.maxHeaderFields, marks);
  if (end === -1) return null;
  const text = chunk.toString('latin1', from, end);
  return {
    method: text.slice(0, targetStart - 1 - from),
    target: text.slice(targetStart - from, targetEnd - from),
    minorVersion: minorVersion - DIGIT_0,
    fields: HeaderFields.fromHead(text, fieldsStart - from, marks),
    end,
  };
}

/**
 * The end of the head; -1 where a field has a mistake, there are too many, or the end is missing.
 *
 * @param marks - is given what `HeaderFields.fromHead` wants, counted from `from` on
 */
function skipFields(
  chunk: Buffer,
  from: number,
  at: number,
  stop: number,
  maxHeaderFields: number,
  marks: number[],
): number {
  for (let count = 0; !isLineEnd(chunk, at, stop); count++) {
    if (count === maxHeaderFields) return -1;
    const colon = skip(chunk, at, stop, IN_TOKEN);
    if (colon === at || chunk[colon] !== COLON) return -1;
    const end = skip(chunk, colon + 1, stop, IN_VALUE);
    if (!isLineEnd(chunk, end, stop)) return -1;
    marks.push(at - from, colon - from, end - from);
    at = end + 2;
  }
  return at + 2;
}

/** The first byte from `at` on that is not of this class, or `stop`. */
function skip(chunk: Buffer, at: number, stop: number, byteClass: number): number {
  while (at < stop && (CLASSES[chunk[at]!]! & byteClass) !== 0) at++;
  return at;
}

function isLineEnd(chunk: Buffer, at: number, stop: number): boolean {
  return at + 1 < stop && chunk[at] === CR && chunk[at + 1] === LF;
}
