/**
 * The header of the PROXY protocol, versions 1 and 2, as HAProxy's `proxy-protocol.txt` has it: what
 * a proxy sends before all else to say for whom it speaks. Bytes in, however they are cut; an
 * address out. It knows no socket, and keeps no more than the longest header without extensions.
 *
 * @module
 */

import { isIPv4, isIPv6 } from 'node:net';
import { normalizeAddress } from './address.ts';

/** Version 1: a line, its line end included. */
const MAX_LINE_SIZE = 107;

/** Version 2: 12 bytes that no line can begin with, version and command, family, length. */
const SIGNATURE: Uint8Array = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const FIXED_SIZE = 16;
const LOCAL = 0x20;
const PROXY = 0x21;

/** What stands behind the addresses of version 2 is skipped: certificates may be in there. */
const MAX_BODY_SIZE = 4096;

/** The families of version 2, and how many bytes their addresses take; the first is the source. */
const TCP4 = 0x11;
const TCP6 = 0x21;
const ADDRESS_SIZES: ReadonlyMap<number, number> = new Map([
  [0x00, 0],
  [TCP4, 12],
  [0x12, 12],
  [TCP6, 36],
  [0x22, 36],
  [0x31, 216],
  [0x32, 216],
]);

const PREFIX: Uint8Array = Buffer.from('PROXY ');
const LF = 0x0a;

const LINE = /^PROXY (TCP4|TCP6) ([0-9a-fA-F:.]+) ([0-9a-fA-F:.]+) (\d{1,5}) (\d{1,5})\r\n$/;
const UNKNOWN = /^PROXY UNKNOWN(?: [^\r\n]*)?\r\n$/;
const PORT = /^(?:0|[1-9]\d*)$/;

/** What {@link ProxyHeaderParser.push} returns while more has to come, and for what is no header. */
export const MORE = -1;
export const BAD = -2;

export class ProxyHeaderParser {
  /** For whom the proxy speaks; null where it speaks for itself, or does not say. */
  source: string | null = null;
  readonly #kept: Buffer = Buffer.allocUnsafe(MAX_LINE_SIZE);
  #keptSize = 0;
  /** Bytes of version 2 that are still to come, and are skipped. */
  #skipped = 0;

  /**
   * Takes the next bytes.
   *
   * @returns where in `chunk` the header ends; {@link MORE} or {@link BAD}. After all but `MORE` it
   *   must not be called again.
   */
  push(chunk: Buffer): number {
    let at = 0;
    while (this.#skipped === 0) {
      if (at === chunk.length) return MORE;
      this.#kept[this.#keptSize++] = chunk[at++]!;
      const isDone = this.#kept[0] === SIGNATURE[0] ? this.takeBinary() : this.takeLine();
      if (isDone === null) return BAD;
      if (isDone && this.#skipped === 0) return at;
    }
    const taken = Math.min(this.#skipped, chunk.length - at);
    this.#skipped -= taken;
    return this.#skipped === 0 ? at + taken : MORE;
  }

  /** Whether the line has come to its end; null where it is none. */
  private takeLine(): boolean | null {
    const size = this.#keptSize;
    const last = this.#kept[size - 1]!;
    if (size <= PREFIX.length) return last === PREFIX[size - 1] ? false : null;
    if (last !== LF) return size < MAX_LINE_SIZE ? false : null;
    const line = this.#kept.toString('latin1', 0, size);
    if (UNKNOWN.test(line)) return true;
    const [, family, source = '', destination = '', ...ports] = LINE.exec(line) ?? [];
    const isAddress = family === 'TCP4' ? isIPv4 : isIPv6;
    if (!isAddress(source) || !isAddress(destination) || !ports.every(isPort)) return null;
    this.source = normalizeAddress(source);
    return true;
  }

  /** The same for version 2: whether all has come that is looked at. */
  private takeBinary(): boolean | null {
    const size = this.#keptSize;
    const kept = this.#kept;
    if (size <= SIGNATURE.length) return kept[size - 1] === SIGNATURE[size - 1] ? false : null;
    if (size < FIXED_SIZE) return false;
    const command = kept[12]!;
    const family = kept[13]!;
    const length = kept.readUInt16BE(14);
    const wanted = command === PROXY && (family === TCP4 || family === TCP6);
    const addressSize = command === LOCAL ? 0 : ADDRESS_SIZES.get(family);
    if (size === FIXED_SIZE) {
      if (command !== LOCAL && command !== PROXY) return null;
      if (addressSize === undefined || length < addressSize || length > MAX_BODY_SIZE) return null;
    }
    const looked = wanted ? FIXED_SIZE + addressSize! : FIXED_SIZE;
    if (size < looked) return false;
    if (wanted) this.source = readAddress(kept, family);
    this.#skipped = FIXED_SIZE + length - size;
    return true;
  }
}

function isPort(text: string): boolean {
  return PORT.test(text) && Number(text) <= 0xffff;
}

function readAddress(kept: Buffer, family: number): string {
  if (family === TCP4) return kept.subarray(FIXED_SIZE, FIXED_SIZE + 4).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => kept.readUInt16BE(FIXED_SIZE + 2 * i));
  // As everybody writes it, with its zeros left out.
  const { hostname } = new URL(`http://[${groups.map((group) => group.toString(16)).join(':')}]`);
  return normalizeAddress(hostname.slice(1, -1))!;
}
