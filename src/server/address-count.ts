/**
 * How many connections come from each address. It knows neither what a connection is nor when it
 * ends: whoever lets one in takes it out again.
 *
 * @module
 */

import { clientKey, normalizeAddress } from './address.ts';

export class AddressCount {
  readonly #max: number;
  /** By what counts as one client. Who has none is not in it: it does not grow with visitors. */
  readonly #counts = new Map<string, number>();
  /** As what each was counted. */
  readonly #keys = new Map<object, string>();

  /** @param max - connections of one address */
  constructor(max: number) {
    this.#max = max;
  }

  /** Addresses of which there are connections. */
  get size(): number {
    return this.#counts.size;
  }

  /**
   * Whether one more may come from there.
   *
   * @param address - undefined on a Unix socket, where nobody has any: there is always room
   */
  hasRoom(address: string | undefined): boolean {
    return address === undefined || (this.#counts.get(keyOf(address)) ?? 0) < this.#max;
  }

  /** Counts a connection, room or not, until {@link leave} is called with the same. */
  enter(holder: object, address: string | undefined): void {
    if (address === undefined) return;
    const key = keyOf(address);
    this.#keys.set(holder, key);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** Counts it no more. Who was not counted, or has left before, changes nothing. */
  leave(holder: object): void {
    const key = this.#keys.get(holder);
    if (key === undefined) return;
    this.#keys.delete(holder);
    const count = this.#counts.get(key)! - 1;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }
}

function keyOf(address: string): string {
  const normal = normalizeAddress(address);
  // A transport that is not of Node may call its addresses whatever it likes.
  return normal === null ? address : clientKey(normal);
}
