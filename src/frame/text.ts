/**
 * Strings from the bytes of UTF-8, where a message lies in a larger buffer.
 *
 * @module
 */

import * as buffer from 'node:buffer';

type Transcode = typeof buffer.transcode;

/**
 * Node 20 and 22 are slow to decode what is not ASCII (64 KiB: 82 to 235 µs), and faster by way of
 * UTF-16 (22 to 26 µs) from this many bytes on. Later ones are fast by themselves.
 */
const DETOUR_FROM = 1024;
const LAST_SLOW_MAJOR = 22;

/** What leads that way, where it is shorter. Node can be built without it. */
export function detourOf(version: string, transcode: Transcode | undefined): Transcode | undefined {
  return Number.parseInt(version, 10) <= LAST_SLOW_MAJOR ? transcode : undefined;
}

/** Reads `source[start, end)`, which is valid UTF-8. */
type Reader = (source: Buffer, start: number, end: number) => string;

export function readerBy(detour: Transcode | undefined): Reader {
  return (source, start, end) =>
    detour === undefined || end - start < DETOUR_FROM
      ? source.toString('utf8', start, end)
      : detour(source.subarray(start, end), 'utf8', 'ucs2').toString('ucs2');
}

/** `source[start, end)`, which is valid UTF-8, as a string. */
export const utf8ToString: Reader = readerBy(detourOf(process.versions.node, buffer.transcode));
