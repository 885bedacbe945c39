import { isIP } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressOfNode, clientKey, normalizeAddress } from '../../src/server/address.ts';

describe('an address in one form', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:c000:0201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:255.255.255.255', '255.255.255.255'],
    ['::ffff:0:0', '0.0.0.0'],
    ['2001:DB8::A', '2001:db8::a'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::1', '::1'],
    ['::', '::'],
    // These are no addresses of IPv4, however they look.
    ['::192.0.2.1', '::192.0.2.1'],
    ['64:ff9b::192.0.2.1', '64:ff9b::192.0.2.1'],
    ['1::ffff:192.0.2.1', '1::ffff:192.0.2.1'],
  ])('of %s is %s', (text, address) => {
    expect(normalizeAddress(text)).toBe(address);
  });

  it.each([
    '',
    'unknown',
    'localhost',
    '192.0.2',
    '192.0.2.256',
    '010.0.0.1',
    '1.2.3.4:80',
    '[::1]',
  ])('is none of %j', (text) => {
    expect(normalizeAddress(text)).toBeNull();
  });
});

describe('the address of a node', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['192.0.2.1:8080', '192.0.2.1'],
    ['192.0.2.1:_port', '192.0.2.1'],
    ['2001:db8::1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['[::ffff:192.0.2.1]:443', '192.0.2.1'],
  ])('%s is %s', (text, address) => {
    expect(addressOfNode(text)).toBe(address);
  });

  it.each([
    '',
    'unknown',
    '_hidden',
    'localhost',
    '192.0.2.1:',
    '192.0.2.1:123456',
    '192.0.2.1:80:80',
    '1.2.3:80',
    '[192.0.2.1]',
    '[::1',
    '[:::]:1',
    '::1]:80',
    '192.0.2.1 ',
    '192.0.2.1, 192.0.2.2',
  ])('is none of %j', (text) => {
    expect(addressOfNode(text)).toBeNull();
  });

  it('is an address or nothing, whatever is written', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[[\]:.%_f0129x ]*$/), (text) => {
        const address = addressOfNode(text);
        expect(address === null || isIP(address) !== 0).toBe(true);
      }),
    );
  });
});

describe('one client', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:2::ffff', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::192.0.2.1', '0:0:0:0::/64'],
  ])('at %s is %s', (address, key) => {
    expect(clientKey(address)).toBe(key);
  });

  it('has all addresses of its network, however they are written, and of no other', () => {
    const group = fc.nat({ max: 0xffff });
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), group, (groups, other) => {
        const written = groups.map((one) => one.toString(16)).join(':');
        const short = new URL(`http://[${written}]`).hostname.slice(1, -1);
        const neighbour = [...groups.slice(0, 4), other, 1, 2, 3].map((one) => one.toString(16));
        const key = clientKey(written);
        expect(clientKey(short)).toBe(key);
        expect(clientKey(neighbour.join(':'))).toBe(key);
        const foreign = [...groups.slice(0, 3), groups[3]! ^ 1, ...groups.slice(4)];
        expect(clientKey(foreign.map((one) => one.toString(16)).join(':'))).not.toBe(key);
      }),
    );
  });
});
