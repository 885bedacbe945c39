import { describe, expect, it } from 'vitest';
import { isHost, originFormOf, refusalResponse } from '../../src/handshake/accept.ts';
import { RawHead } from '../support/raw-http.ts';

describe('isHost', () => {
  it.each([
    'a',
    'a.example:8080',
    'a:',
    'a%41.example',
    '%e4%F6',
    "a!$&'()*+,;=",
    '[::1]',
    '[2001:db8::192.0.2.1]:443',
  ])('takes %j (RFC 9110, section 7.2)', (host) => {
    expect(isHost(host)).toBe(true);
  });

  it.each([
    '',
    ':80',
    'a:b',
    'a b',
    'a/b',
    'user@a',
    'a%4',
    'a%',
    '%4g',
    '%zz',
    '[::1',
    '[]',
    '[::1]a',
  ])('refuses %j', (host) => {
    expect(isHost(host)).toBe(false);
  });

  it.each(['[:::]', '[1]', '[::12345]', '[1:2:3:4:5:6:7:8:9]', '[::1.2.3.256]'])(
    'refuses %j, whose characters are those of an IPv6 address',
    (host) => {
      expect(isHost(host)).toBe(false);
      expect(isHost(`${host}:80`)).toBe(false);
    },
  );
});

describe('originFormOf', () => {
  it.each([
    ['/a?b', '/a?b'],
    ['http://a/b?c#d', 'http://a/b?c#d'],
    ['http://a/b?c', '/b?c'],
    ['WSS://a:1/', '/'],
    ['https://a', '/'],
    ['ws://a?bcd', '/?bcd'],
    ['*', '*'],
    ['a.example:443', 'a.example:443'],
    ['xhttp://a/b', 'xhttp://a/b'],
  ])('of %j is %j', (target, form) => {
    expect(originFormOf(target)).toBe(form);
  });
});

describe('a refusal without fields of the application', () => {
  it('has its own and no other', () => {
    const { fields } = new RawHead(refusalResponse({ status: 404 }));
    expect(fields.map(([name]) => name)).toEqual([
      'date',
      'connection',
      'content-type',
      'content-length',
    ]);
  });
});
