/**
 * IP addresses as text: how peers, proxies and settings write them, in one form, and which of them
 * count as one client. It knows no socket and no header.
 *
 * @module
 */

import { isIPv4, isIPv6 } from 'node:net';

/** The groups of an IPv6 address, 16 bits each. */
const GROUPS = 8;

/** What precedes the 32 bits of an IPv4 address that is written as one of IPv6 (RFC 4291, 2.5.5.2). */
const MAPPED = [0, 0, 0, 0, 0, 0xffff] as const;

/** The groups that name a network: what one customer is given has 2^64 addresses at the least. */
const NETWORK_GROUPS = 4;

/**
 * An address in one form: IPv4 as it is, also where it comes as `::ffff:192.0.2.1`, as it does on a
 * socket for both; IPv6 without its zone.
 *
 * @returns null for what is no address
 */
export function normalizeAddress(text: string): string | null {
  if (isIPv4(text)) return text;
  if (!isIPv6(text)) return null;
  const zone = text.indexOf('%');
  const address = zone === -1 ? text : text.slice(0, zone);
  const groups = groupsOf(address);
  if (!MAPPED.every((group, i) => groups[i] === group)) return address.toLowerCase();
  const [high = 0, low = 0] = groups.slice(MAPPED.length);
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}

/**
 * The address of a node as proxies write it, in X-Forwarded-For and in Forwarded (RFC 7239, section
 * 6): with or without a port, IPv6 in brackets or, where there is no port, without.
 *
 * @returns null for what is none: `unknown`, a name that hides it, and anything else
 */
export function addressOfNode(text: string): string | null {
  const whole = normalizeAddress(text);
  if (whole !== null) return whole;
  const match = NODE.exec(text);
  if (match === null) return null;
  const [, bracketed, plain] = match;
  if (plain !== undefined) return isIPv4(plain) ? plain : null;
  return isIPv6(bracketed!) ? normalizeAddress(bracketed!) : null;
}

const NODE = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::(?:[0-9]{1,5}|_[0-9A-Za-z._-]+))?$/;

/**
 * What is counted as one client: an IPv4 address, or the 64 bits of a network of IPv6, all
 * addresses of which are one customer's.
 *
 * @param address - in the form of {@link normalizeAddress}
 */
export function clientKey(address: string): string {
  if (!isIPv6(address)) return address;
  const network = groupsOf(address).slice(0, NETWORK_GROUPS);
  return `${network.map((group) => group.toString(16)).join(':')}::/64`;
}

/** The groups of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  const [front = '', back] = address.split('::');
  const first = readGroups(front);
  if (back === undefined) return first;
  const last = readGroups(back);
  const zeros = Array.from({ length: GROUPS - first.length - last.length }, () => 0);
  return [...first, ...zeros, ...last];
}

function readGroups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    // The last 32 bits may be written as those of IPv4 (RFC 4291, section 2.2).
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}
