/**
 * Strings from bytes and bytes from strings, where a frame lies in a larger buffer.
 *
 * `Buffer` has methods for one encoding each that its documentation does not name: its `toString` and
 * `write` look at their arguments, and call those. For a short text the looking costs half as much as
 * the work (32 bytes: 94 + 65 ns without it, 102 + 110 with it, in an echo), so they are called where
 * they are there, and the documented methods where they are not.
 *
 * @module
 */

import * as buffer from 'node:buffer';

/** Bytes to a string and back, in one of two ways. */
export interface TextCodec {
  /** `source[start, end)`, which is ASCII. */
  readonly fromAscii: (source: Buffer, start: number, end: number) => string;
  /** `source[start, end)`, which is valid UTF-8. */
  readonly fromUtf8: (source: Buffer, start: number, end: number) => string;
  /**
   * Writes a text as UTF-8 at `at`, where there is room for all of it. An unpaired surrogate becomes
   * U+FFFD.
   *
   * @returns the number of bytes
   */
  readonly write: (target: Buffer, text: string, at: number) => number;
}

export const DOCUMENTED_TEXT: TextCodec = {
  fromAscii: (source, start, end) => source.toString('latin1', start, end),
  fromUtf8: (source, start, end) => source.toString('utf8', start, end),
  write: (target, text, at) => target.write(text, at),
};

interface OneEncoding {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
  utf8Write(text: string, at: number, size: number): number;
}

const DIRECT_TEXT: TextCodec = {
  fromAscii: (source, start, end) => direct(source).latin1Slice(start, end),
  fromUtf8: (source, start, end) => direct(source).utf8Slice(start, end),
  write: (target, text, at) => direct(target).utf8Write(text, at, target.length - at),
};

function direct(bytes: Buffer): OneEncoding {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- its methods were looked for
  return bytes as unknown as OneEncoding;
}

/** The direct way, where this `Buffer` has it. */
export function textCodecOf(prototype: object): TextCodec {
  const names = ['latin1Slice', 'utf8Slice', 'utf8Write'];
  const hasAll = names.every((name) => typeof Reflect.get(prototype, name) === 'function');
  return hasAll ? DIRECT_TEXT : DOCUMENTED_TEXT;
}

/**
 * Node 20 and 22 are slow to decode what is not ASCII (64 KiB: 82 to 235 µs), and faster by way of
 * UTF-16 (22 to 26 µs) from this many bytes on. Later ones are fast by themselves.
 */
const DETOUR_FROM = 1024;
const LAST_SLOW_MAJOR = 22;

/** What leads that way, where it is shorter. Node can be built without it. */
export function detourOf(
  version: string,
  transcode: typeof buffer.transcode | undefined,
): typeof buffer.transcode | undefined {
  return Number.parseInt(version, 10) <= LAST_SLOW_MAJOR ? transcode : undefined;
}

export function utf8ReaderOf(
  { fromUtf8 }: TextCodec,
  detour: typeof buffer.transcode | undefined,
): TextCodec['fromUtf8'] {
  if (detour === undefined) return fromUtf8;
  return (source, start, end) =>
    end - start < DETOUR_FROM
      ? fromUtf8(source, start, end)
      : detour(source.subarray(start, end), 'utf8', 'ucs2').toString('ucs2');
}

const codec = textCodecOf(Buffer.prototype);

/** `source[start, end)`, which is ASCII, as a string. */
export const asciiToString: TextCodec['fromAscii'] = codec.fromAscii;

/** `source[start, end)`, which is valid UTF-8, as a string. */
export const utf8ToString: TextCodec['fromUtf8'] = utf8ReaderOf(
  codec,
  detourOf(process.versions.node, buffer.transcode),
);

/** Writes a text as UTF-8, as {@link TextCodec.write} says. */
export const writeText: TextCodec['write'] = codec.write;
