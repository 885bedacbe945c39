/**
 * What an application may choose about permessage-deflate.
 *
 * @module
 */

/** Every one may be left out. Sizes of windows are powers of two: 15 is 32 KiB, 9 is 512 bytes. */
export interface DeflateOptions {
  /** Bytes from which on a message is compressed; smaller ones go as they are. Default: 1,024. */
  readonly threshold?: number | undefined;
  /** How hard zlib tries, 1 (fast) to 9 (small). Default: 3. */
  readonly level?: number | undefined;
  /** Memory of one compressor, 1 to 9: 2^(memoryLevel + 9) bytes beside its windows. Default: 6. */
  readonly memoryLevel?: number | undefined;
  /**
   * The window of our compressor, 9 to 15: it takes 2^(windowBits + 2) bytes. The peer is told, and needs
   * no larger one. Default: up to 13, of which it is told nothing.
   */
  readonly windowBits?: number | undefined;
  /**
   * Whether our compressor remembers the messages before: they become much smaller, and each
   * connection keeps a compressor. Without, all connections share one. Default: true.
   */
  readonly contextTakeover?: boolean | undefined;
  /** The window that the peer is asked to keep to, 9 to 15. Default: 15. */
  readonly peerWindowBits?: number | undefined;
  /** Whether the peer's compressor may remember, for which we keep its window. Default: true. */
  readonly peerContextTakeover?: boolean | undefined;
  /**
   * Whether contexts of zlib are driven by a method that Node does not document, where that is
   * found to work: several times cheaper. Without, each message is a call of the public functions,
   * with the text before as its dictionary. Default: true.
   */
  readonly keepContexts?: boolean | undefined;
}

export type ResolvedDeflateOptions = {
  readonly [name in Exclude<keyof DeflateOptions, 'windowBits'>]-?: NonNullable<
    DeflateOptions[name]
  >;
} & {
  /** Undefined where nobody has chosen: {@link USUAL_WINDOW_BITS}, where the peer allows it. */
  readonly windowBits: number | undefined;
};

/**
 * The window of a compressor for which none was chosen. One of 15 bits, with the memory that goes with
 * it, takes 150 KiB more on each connection, for which no cache of a processor has room: to compress
 * 1 KiB takes 18 to 36 µs then, and 12 to 15 µs with this (the table is in docs/decisions.md).
 */
export const USUAL_WINDOW_BITS: number = 13;

export const DEFAULT_DEFLATE: ResolvedDeflateOptions = {
  threshold: 1024,
  level: 3,
  memoryLevel: 6,
  windowBits: undefined,
  contextTakeover: true,
  peerWindowBits: 15,
  peerContextTakeover: true,
  keepContexts: true,
};

/** The least and the greatest value of what is a number. */
const RANGES: ReadonlyMap<string, readonly [least: number, greatest: number]> = new Map([
  ['threshold', [0, Number.MAX_SAFE_INTEGER]],
  ['level', [1, 9]],
  ['memoryLevel', [1, 9]],
  // RFC 7692 knows 8 as well, with which zlib cannot compress.
  ['windowBits', [9, 15]],
  ['peerWindowBits', [9, 15]],
]);

/**
 * Fills in the defaults.
 *
 * @returns null for `false`: no compression
 * @throws {TypeError} for what is neither a boolean nor options, for an option that there is not,
 *   and for one of the wrong type
 * @throws {RangeError} for a number that zlib or RFC 7692 do not know
 */
export function resolveDeflate(deflate: boolean | DeflateOptions): ResolvedDeflateOptions | null {
  if (deflate === false) return null;
  if (deflate === true) return DEFAULT_DEFLATE;
  if (typeof deflate !== 'object' || deflate === null || Array.isArray(deflate)) {
    throw new TypeError('deflate is true, false or options');
  }
  const resolved: Record<string, unknown> = { ...DEFAULT_DEFLATE };
  for (const [name, value] of Object.entries(deflate)) {
    if (!Object.hasOwn(DEFAULT_DEFLATE, name)) throw new TypeError(`deflate has no option ${name}`);
    if (value === undefined) continue;
    checkOption(name, value);
    resolved[name] = value;
  }
  return { ...DEFAULT_DEFLATE, ...resolved };
}

function checkOption(name: string, value: unknown): void {
  const range = RANGES.get(name);
  if (range === undefined) {
    if (typeof value !== 'boolean') throw new TypeError(`deflate.${name} is true or false`);
    return;
  }
  if (typeof value !== 'number') throw new TypeError(`deflate.${name} is a number`);
  const [least, greatest] = range;
  if (!Number.isInteger(value) || value < least || value > greatest) {
    throw new RangeError(`deflate.${name} is a whole number from ${least} to ${greatest}`);
  }
}
