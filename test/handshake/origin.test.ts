import { describe, expect, it } from 'vitest';
import { createHostCheck, createOriginCheck } from '../../src/handshake/origin.ts';

describe("createOriginCheck('same-origin')", () => {
  const check = createOriginCheck('same-origin');

  it.each([
    ['https://example.com', 'example.com'],
    ['http://example.com', 'example.com'],
    ['https://example.com', 'example.com:443'],
    ['http://example.com', 'example.com:80'],
    ['https://example.com:443', 'example.com'],
    ['http://example.com:80', 'example.com'],
    ['https://example.com', 'example.com:'],
    ['http://example.com:8080', 'example.com:8080'],
    ['https://example.com:80', 'example.com:80'],
    ['http://example.com:443', 'example.com:443'],
    ['https://example.com', 'EXAMPLE.com'],
    ['HTTPS://EXAMPLE.COM', 'example.com'],
    ['http://localhost:3000', 'localhost:3000'],
    ['http://127.0.0.1:3000', '127.0.0.1:3000'],
    ['http://[::1]:3000', '[::1]:3000'],
    ['http://[::1]', '[::1]'],
    ['http://[::1]', '[::1]:80'],
    ['http://[::1]', '[0:0:0:0:0:0:0:1]'],
    ['http://[2001:DB8::a]', '[2001:db8::A]'],
    ['https://xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ])('lets %s in to %s', (origin, host) => {
    expect(check(origin, host)).toBe(true);
  });

  it.each([
    // Another port, or the default port of the other scheme.
    ['https://example.com', 'example.com:80'],
    ['http://example.com', 'example.com:443'],
    ['http://example.com', 'example.com:8080'],
    ['http://example.com:8080', 'example.com'],
    ['http://example.com:8080', 'example.com:8081'],
    ['http://[::1]:1', '[::1]:2'],
    // Another host.
    ['https://www.example.com', 'example.com'],
    ['https://example.com', 'www.example.com'],
    ['https://example.com.evil.com', 'example.com'],
    ['https://example.com@evil.com', 'example.com'],
    ['https://example.com:443@evil.com', 'example.com'],
    ['https://example.com%40evil.com', 'example.com'],
    ['https://evil.com#example.com', 'example.com'],
    ['https://evil.com?example.com', 'example.com'],
    ['https://evil.com/example.com', 'example.com'],
    ['https://evil.com\\example.com', 'example.com'],
    ['https://evilexample.com', 'example.com'],
    ['https://example.co', 'example.com'],
    ['https://example.com.', 'example.com'],
    ['http://[::1]', '[::2]'],
    ['http://127.0.0.1', 'localhost'],
    // No origin, or one that is no page's.
    ['null', 'null'],
    ['null', 'example.com'],
    ['', 'example.com'],
    ['example.com', 'example.com'],
    ['//example.com', 'example.com'],
    ['https://', 'example.com'],
    ['https://example.com https://example.com', 'example.com'],
    ['https://example.com, https://example.com', 'example.com'],
    ['ws://example.com', 'example.com'],
    ['ftp://example.com', 'example.com'],
    ['file://', 'example.com'],
    ['file://example.com', 'example.com'],
    ['data:text/html,example.com', 'example.com'],
    ['blob:https://example.com/1', 'example.com'],
    ['chrome-extension://example.com', 'example.com'],
    ['javascript:alert(1)', 'example.com'],
    ['about:blank', 'example.com'],
    // A host that no URL can have.
    ['https://example.com', ''],
    ['https://example.com', '[::1'],
    ['https://example.com', 'exa mple.com'],
    ['https://example.com', 'example.com:99999'],
    ['https://example.com', '%00'],
  ])('keeps %s away from %s', (origin, host) => {
    expect(check(origin, host)).toBe(false);
  });

  it('lets in who sends no Origin, since that is no browser', () => {
    expect(check(undefined, 'example.com')).toBe(true);
  });

  it.each([
    'https://evil.com@example.com',
    'https://evil.com:x@example.com',
    'https://example.com/path',
    'https://example.com?query',
    'https://example.com#fragment',
    'https://exam\tple.com',
    'https:example.com',
    'https:\\\\example.com',
  ])('keeps %j away, which is not how an origin is written (RFC 6454, section 7.1)', (origin) => {
    expect(check(origin, 'example.com')).toBe(false);
  });
});

describe("createOriginCheck('same-origin') of a client that has come by TLS", () => {
  const check = createOriginCheck('same-origin');

  it('keeps a page away that has not', () => {
    expect(check('https://example.com', 'example.com', true)).toBe(true);
    expect(check('http://example.com', 'example.com', true)).toBe(false);
    expect(check('http://example.com', 'example.com:80', true)).toBe(false);
    expect(check('http://example.com', 'example.com', false)).toBe(true);
    expect(check('https://example.com', 'example.com', false)).toBe(true);
    expect(check(undefined, 'example.com', true)).toBe(true);
  });
});

describe("createOriginCheck('*')", () => {
  const check = createOriginCheck('*');

  it.each(['https://evil.com', 'null', '', 'nonsense', undefined])('lets %j in', (origin) => {
    expect(check(origin, 'example.com')).toBe(true);
  });
});

describe('createOriginCheck with a list', () => {
  const check = createOriginCheck([
    'https://example.com',
    'HTTP://Localhost:3000',
    'http://[::1]:8080',
    'https://other.example:443',
    'chrome-extension://abcdefghijklmnop',
    'wss://socket.example',
  ]);

  it.each([
    'https://example.com',
    'https://example.com:443',
    'HTTPS://Example.COM',
    'http://localhost:3000',
    'http://[::1]:8080',
    'http://[0:0::1]:8080',
    'https://other.example',
    'chrome-extension://abcdefghijklmnop',
    'CHROME-EXTENSION://abcdefghijklmnop',
    'wss://socket.example:443',
  ])('lets %s in, whatever the host is', (origin) => {
    expect(check(origin, 'anything')).toBe(true);
  });

  it('lets in who sends no Origin', () => {
    expect(check(undefined, 'anything')).toBe(true);
  });

  it.each([
    'http://example.com',
    'https://example.com:80',
    'https://example.com:8443',
    'http://localhost',
    'http://localhost:3001',
    'http://[::1]',
    'https://example.com.evil.com',
    'https://example.com@evil.com',
    'https://example.com:443@evil.com',
    'https://sub.example.com',
    'https://xexample.com',
    'https://evil.com/https://example.com',
    'https://evil.com#https://example.com',
    'chrome-extension://other',
    'moz-extension://abcdefghijklmnop',
    'https://abcdefghijklmnop',
    'ws://socket.example',
    'null',
    '',
    '*',
    'undefined',
    'example.com',
    'https://example.com, https://evil.com',
    'https://example.com https://evil.com',
    'file://',
    'data:,x',
    'blob:https://example.com/1',
  ])('keeps %s away', (origin) => {
    expect(check(origin, 'example.com')).toBe(false);
  });

  it('compares the host of a scheme that it does not know without case', () => {
    const upper = createOriginCheck(['app://Shell', 'app://other:81']);
    expect(upper('app://shell', 'x')).toBe(true);
    expect(upper('APP://SHELL', 'x')).toBe(true);
    expect(upper('app://other:81', 'x')).toBe(true);
    expect(upper('app://other', 'x')).toBe(false);
  });

  it('lets nobody in who names an origin, where the list is empty', () => {
    const none = createOriginCheck([]);
    for (const origin of ['https://example.com', 'null', '', 'x']) {
      expect(none(origin, 'example.com')).toBe(false);
    }
    expect(none(undefined, 'example.com')).toBe(true);
  });

  it('does not change when the list is changed behind its back', () => {
    const list = ['https://example.com'];
    const fixed = createOriginCheck(list);
    list[0] = 'https://evil.com';
    expect(fixed('https://example.com', 'x')).toBe(true);
    expect(fixed('https://evil.com', 'x')).toBe(false);
  });

  it.each([
    '',
    'example.com',
    'localhost:3000',
    'null',
    '*',
    'https://',
    '*://example.com',
    'file://',
    'file:///home',
    'data:text/plain,x',
    'blob:https://example.com/1',
    'same-origin',
    'https://a b',
  ])('throws a TypeError for %j, which is no origin', (element) => {
    expect(() => createOriginCheck(['https://example.com', element])).toThrow(TypeError);
    expect(() => createOriginCheck([element])).toThrow(JSON.stringify(element));
  });

  it.each([
    'https://example.com/chat',
    'https://example.com?a',
    'https://example.com#a',
    'https://user@example.com',
    'https://user:password@example.com',
  ])(
    'throws a TypeError for %j, which is more than an origin (RFC 6454, section 7.1)',
    (element) => {
      expect(() => createOriginCheck([element])).toThrow(TypeError);
    },
  );

  it.each([
    'https://evil.com@example.com',
    'https://example.com/path',
    'https://example.com/ https://evil.com',
    'https://exam\tple.com',
    'https:example.com',
  ])('keeps %j away, which is not how an origin is written (RFC 6454, section 7.1)', (origin) => {
    expect(check(origin, 'example.com')).toBe(false);
  });
});

describe('createOriginCheck with what is no policy', () => {
  it.each(['https://example.com', 'example.com', '', 'Same-Origin', null, undefined, 5, true, {}])(
    'throws a TypeError that tells what is one: %j',
    (policy) => {
      expect(() => Reflect.apply(createOriginCheck, undefined, [policy])).toThrow(
        new TypeError(
          "origins is a list, such as ['https://example.com'], or 'same-origin', '*' or a function",
        ),
      );
    },
  );

  it.each([5, null, undefined, {}])('throws a TypeError for a list with %j in it', (element) => {
    const list = ['https://other.example', element];
    expect(() => Reflect.apply(createOriginCheck, undefined, [list])).toThrow(TypeError);
  });
});

describe('createOriginCheck with a function', () => {
  it('hands it Origin, also where there is none, and Host, and does what it says', () => {
    const seen: (readonly [string | undefined, string])[] = [];
    const check = createOriginCheck((origin, host) => {
      seen.push([origin, host]);
      return origin === 'null';
    });
    expect(check('null', 'a')).toBe(true);
    expect(check('https://a', 'a:1')).toBe(false);
    expect(check(undefined, 'b')).toBe(false);
    expect(seen).toEqual([
      ['null', 'a'],
      ['https://a', 'a:1'],
      [undefined, 'b'],
    ]);
  });

  it('lets through what it throws', () => {
    const check = createOriginCheck(() => {
      throw new Error('no database');
    });
    expect(() => check('https://a', 'a')).toThrow('no database');
  });
});

describe('createHostCheck', () => {
  it.each(['example.com', '', '[::1]:80'])('lets %j pass where there is no list', (host) => {
    expect(createHostCheck(undefined)(host)).toBe(true);
  });

  const check = createHostCheck(['Example.com', 'other.example:8080', '[::1]', '[::2]:80']);

  it.each([
    'example.com',
    'EXAMPLE.COM',
    'example.com:80',
    'example.com:12345',
    'example.com:',
    'other.example:8080',
    'Other.Example:8080',
    '[::1]',
    '[::1]:3000',
    '[::2]:80',
  ])('lets %s pass', (host) => {
    expect(check(host)).toBe(true);
  });

  it.each([
    'other.example',
    'other.example:80',
    'other.example:80800',
    'other.example:8080:8080',
    '[::2]',
    '[::2]:81',
    '[::3]',
    '::1',
    'sub.example.com',
    'example.com.evil.com',
    'evil.com:80@example.com',
    'example.com@evil.com',
    'xexample.com',
    'example.co',
    'example.com.',
    'example.com:80a',
    'example.com:a',
    '',
    ':80',
  ])('keeps %j away', (host) => {
    expect(check(host)).toBe(false);
  });

  it('lets nobody pass where the list is empty', () => {
    expect(createHostCheck([])('example.com')).toBe(false);
  });

  it.each(['example.com', '*', null, 5, {}, ['example.com', 5], [undefined]])(
    'is made of a list of strings, and not of %j',
    (hosts) => {
      expect(() => Reflect.apply(createHostCheck, undefined, [hosts])).toThrow(
        new TypeError("hosts is a list, such as ['example.com']"),
      );
    },
  );

  it('takes names of Object.prototype as names', () => {
    expect(check('constructor')).toBe(false);
    expect(createHostCheck(['constructor'])('constructor:80')).toBe(true);
  });
});
