import { describe, expect, it } from 'vitest';
import { normalizeAddress } from '../../src/server/address.ts';
import { createProxyTrust } from '../../src/server/trusted-proxies.ts';

describe('a list of proxies', () => {
  it.each([
    ['192.0.2.1', ['192.0.2.1', '::ffff:192.0.2.1'], ['192.0.2.2', '::1', '::192.0.2.1']],
    ['10.1.0.0/16', ['10.1.0.0', '10.1.255.255', '::ffff:10.1.2.3'], ['10.0.255.255', '10.2.0.0']],
    ['10.1.2.3/16', ['10.1.0.0', '10.1.255.255'], ['10.2.0.0']],
    ['192.0.2.1/32', ['192.0.2.1'], ['192.0.2.0', '192.0.2.2']],
    ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255'], ['::1']],
    ['2001:db8::/32', ['2001:db8::1', '2001:DB8:ffff::'], ['2001:db9::', '10.0.0.1']],
    ['2001:db8::1', ['2001:db8::1', '2001:db8:0:0:0:0:0:1'], ['2001:db8::2']],
    ['::ffff:192.0.2.1', ['192.0.2.1'], ['::1']],
    ['::/0', ['::1', '2001:db8::1'], []],
    ['loopback', ['127.0.0.1', '127.255.255.255', '::1'], ['128.0.0.1', '::2', '10.0.0.1']],
    ['linklocal', ['169.254.1.1', 'fe80::1', 'febf::1'], ['169.255.0.1', 'fec0::1']],
    [
      'uniquelocal',
      ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.0.1', 'fc00::1', 'fdff::1'],
      ['11.0.0.1', '172.15.0.1', '172.32.0.1', '192.169.0.1', 'fe00::1', '127.0.0.1'],
    ],
  ])('of %s trusts those, and nobody else', (proxy, trusted, others) => {
    const isTrusted = createProxyTrust([proxy]);
    for (const address of trusted) expect(isTrusted(normalizeAddress(address)!)).toBe(true);
    for (const address of others) expect(isTrusted(normalizeAddress(address)!)).toBe(false);
    expect(isTrusted(undefined)).toBe(false);
  });

  it('trusts who comes by a Unix socket only where it says so', () => {
    const isTrusted = createProxyTrust(['unix', '192.0.2.1']);
    expect([isTrusted(undefined), isTrusted('192.0.2.1'), isTrusted('127.0.0.1')]).toEqual([
      true,
      true,
      false,
    ]);
    expect(createProxyTrust(['0.0.0.0/0', '::/0'])(undefined)).toBe(false);
  });

  it('that is empty trusts nobody', () => {
    const isTrusted = createProxyTrust([]);
    expect([isTrusted(undefined), isTrusted('127.0.0.1'), isTrusted('::1')]).toEqual([
      false,
      false,
      false,
    ]);
  });

  it.each<unknown>([
    'localhost',
    'Loopback',
    '',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '10.0.0.0/8 ',
    '10.0.0.0/255.0.0.0',
    '::/129',
    '::ffff:10.0.0.0/104',
    'fe80::1%eth0',
    '[::1]',
    '127.0.0.1:80',
    '*',
    null,
    undefined,
    42,
    [['loopback']],
  ])('may not hold %j', (proxy) => {
    const create = (): unknown => Reflect.apply(createProxyTrust, undefined, [[proxy]]);
    expect(create).toThrow(TypeError);
    expect(create).toThrow('none of loopback, linklocal, uniquelocal, unix');
  });
});

describe('what decides about proxies', () => {
  it('may be a function', () => {
    const isTrusted = (): boolean => true;
    expect(createProxyTrust(isTrusted)).toBe(isTrusted);
  });

  it.each<unknown>(['loopback', true, 1, null, {}])('is not %j', (proxies) => {
    const create = (): unknown => Reflect.apply(createProxyTrust, undefined, [proxies]);
    expect(create).toThrow(TypeError);
    expect(create).toThrow('trustedProxies');
  });
});
