/**
 * Which proxies may say for whom they speak. It knows addresses, and no header and no socket.
 *
 * @module
 */

import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { normalizeAddress } from './address.ts';

/**
 * The proxies that are trusted: a list of addresses, of ranges such as `'10.0.0.0/8'`, and of the
 * names `'loopback'`, `'linklocal'`, `'uniquelocal'` (private addresses) and `'unix'` (who comes by
 * a Unix socket); or a function of an address, which is undefined on a Unix socket.
 */
export type TrustedProxies = readonly string[] | ((address: string | undefined) => boolean);

/**
 * Whether a proxy is trusted.
 *
 * @param address - in the form of `normalizeAddress`; undefined for who comes by a Unix socket
 */
export type ProxyTrust = (address: string | undefined) => boolean;

/** Names of ranges, as Express has them. */
const NAMED: ReadonlyMap<string, readonly string[]> = new Map([
  ['loopback', ['127.0.0.0/8', '::1/128']],
  ['linklocal', ['169.254.0.0/16', 'fe80::/10']],
  ['uniquelocal', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']],
]);

const UNIX = 'unix';

/**
 * @throws {TypeError} for what is neither a list nor a function, and for an element that is none of
 *   the above: a proxy that was misspelt would be an outage, or a hole
 */
export function createProxyTrust(proxies: TrustedProxies): ProxyTrust {
  if (typeof proxies === 'function') return proxies;
  if (!isList(proxies)) {
    throw new TypeError(
      "trustedProxies is a list, such as ['loopback', '10.0.0.0/8'], or a function",
    );
  }
  const ranges = new BlockList();
  for (const proxy of proxies) {
    if (proxy === UNIX) continue;
    const named = typeof proxy === 'string' ? NAMED.get(proxy) : undefined;
    for (const range of named ?? [proxy]) add(ranges, range);
  }
  const trustsUnix = proxies.includes(UNIX);
  return (address) =>
    address === undefined ? trustsUnix : ranges.check(address, familyOf(address));
}

/** A single name is the first thing that one tries, and would be read letter by letter. */
function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6';
}

function add(ranges: BlockList, range: unknown): void {
  const [network = '', bits, ...more] = typeof range === 'string' ? range.split('/') : [];
  const address = network.includes('%') ? null : normalizeAddress(network);
  const isMapped = address !== null && isIPv6(network) && isIPv4(address);
  if (address === null || more.length > 0) throw noProxy(range);
  const family = familyOf(address);
  if (bits === undefined) {
    ranges.addAddress(address, family);
    return;
  }
  // What `::ffff:10.0.0.0/104` means is better said by `10.0.0.0/8`.
  const size = family === 'ipv4' ? 32 : 128;
  if (isMapped || !/^[0-9]{1,3}$/.test(bits) || Number(bits) > size) throw noProxy(range);
  ranges.addSubnet(address, Number(bits), family);
}

function noProxy(given: unknown): TypeError {
  return new TypeError(
    `${JSON.stringify(given)} is no address, no range such as '10.0.0.0/8', and none of ${[...NAMED.keys(), UNIX].join(', ')}`,
  );
}
