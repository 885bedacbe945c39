import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CookieOptions, formatCookie, parseCookies } from '../../src/handshake/cookie.ts';

/** The cookies of the fields, in order. */
function parse(...values: string[]): [name: string, value: string | undefined][] {
  return Object.entries(parseCookies(values));
}

/** A call with what its types do not allow. */
function format(...values: readonly unknown[]): () => unknown {
  return () => Reflect.apply(formatCookie, undefined, values);
}

/** RFC 9110, section 5.6.2, written out. */
const TCHAR = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

describe('parseCookies', () => {
  it.each<[what: string, values: string[], cookies: [string, string][]]>([
    ['no field', [], []],
    ['an empty field', [''], []],
    [
      'the example of RFC 6265, section 3.1',
      ['SID=31d4d96e407aad42'],
      [['SID', '31d4d96e407aad42']],
    ],
    [
      'several cookies',
      ['SID=31d4; lang=en-US'],
      [
        ['SID', '31d4'],
        ['lang', 'en-US'],
      ],
    ],
    [
      'several fields',
      ['a=1; b=2', 'c=3'],
      [
        ['a', '1'],
        ['b', '2'],
        ['c', '3'],
      ],
    ],
    [
      'a missing space',
      ['a=1;b=2'],
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    [
      'white space wherever it may be',
      [' \ta \t=\t 1 \t; b=2\t'],
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    ['white space inside a value', ['a=1 2'], [['a', '1 2']]],
    [
      'an empty value',
      ['a=; b=""'],
      [
        ['a', ''],
        ['b', ''],
      ],
    ],
    [
      'more equals signs',
      ['a=b=c; d=='],
      [
        ['a', 'b=c'],
        ['d', '='],
      ],
    ],
    [
      'names that differ in case',
      ['a=1; A=2'],
      [
        ['a', '1'],
        ['A', '2'],
      ],
    ],
    [
      'a value in quotes',
      ['a="1"; b= "2" '],
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    ['white space inside quotes', ['a=" 1 "'], [['a', ' 1 ']]],
    [
      'quotes that are not around all of it',
      ['a="; b="1; c=1"; d=1"2'],
      [
        ['a', '"'],
        ['b', '"1'],
        ['c', '1"'],
        ['d', '1"2'],
      ],
    ],
    ['quotes in quotes', ['a=""1""'], [['a', '"1"']]],
    ['a backslash, which escapes nothing', ['a="\\"1"'], [['a', '\\"1']]],
    ['a percent-encoded value', ['a=%C3%A9%20%3B%22'], [['a', 'é ;"']]],
    ['a percent-encoded value in quotes', ['a="%2C"'], [['a', ',']]],
    ['an encoded value only once', ['a=%2541'], [['a', '%41']]],
    ['a plus, which is no space', ['a=1+2'], [['a', '1+2']]],
    [
      'what cannot be decoded',
      ['a=%; b=%zz%20; c=%ff; d="100%"'],
      [
        ['a', '%'],
        ['b', '%zz%20'],
        ['c', '%ff'],
        ['d', '100%'],
      ],
    ],
    [
      'a name that is no token',
      ['a[b]=1; é=2'],
      [
        ['a[b]', '1'],
        ['é', '2'],
      ],
    ],
  ])('reads %s', (_what, values, cookies) => {
    expect(parse(...values)).toEqual(cookies);
  });

  it('leaves out what has no name or no equals sign', () => {
    expect(parse('a; =1;; ; \t=2; b=3; "c"', ';', '=')).toEqual([['b', '3']]);
  });

  it('takes the first of a name, in one field or several, even if it is empty', () => {
    expect(parse('a=1; a=2; b=; b=3', 'a=4; b=5')).toEqual([
      ['a', '1'],
      ['b', ''],
    ]);
  });

  it('ends a quoted value at a semicolon too', () => {
    expect(parse('a="1; b=2"')).toEqual([
      ['a', '"1'],
      ['b', '2"'],
    ]);
  });

  it('does not decode a name, so that none passes for another', () => {
    expect(parse('__%48ost-sid=1')).toEqual([['__%48ost-sid', '1']]);
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'does not know %s before a peer has sent it, and then does',
    (name) => {
      expect(parseCookies(['a=1'])[name]).toBeUndefined();
      const cookies = parseCookies([`${name}=1; ${name}=2`]);
      expect(Object.entries(cookies)).toEqual([[name, '1']]);
      expect(Object.getPrototypeOf(cookies)).toBeNull();
    },
  );
});

describe('formatCookie', () => {
  it.each<[value: string, written: string]>([
    ['', 'a='],
    ['31d4d96e407aad42', 'a=31d4d96e407aad42'],
    ["!#$&'()*+-./:<=>?@[]^_`{|}~", "a=!#$&'()*+-./:<=>?@[]^_`{|}~"],
    ['1 2', 'a=1%202'],
    ['1,2', 'a=1%2C2'],
    ['1;2', 'a=1%3B2'],
    ['"1"', 'a=%221%22'],
    ['\\', 'a=%5C'],
    ['%41', 'a=%2541'],
    ['100%', 'a=100%25'],
    ['é', 'a=%C3%A9'],
    ['\u{1f388}', 'a=%F0%9F%8E%88'],
    ['\r\nSet-Cookie: b=1', 'a=%0D%0ASet-Cookie%3A%20b%3D1'],
    ['\0\x7f', 'a=%00%7F'],
  ])('writes the value %j, encoded where it must be', (value, written) => {
    expect(formatCookie('a', value)).toBe(written);
    expect(formatCookie('a', { value })).toBe(written);
  });

  it.each<[written: string, attributes: Omit<CookieOptions, 'value'>]>([
    ['Max-Age=3600', { maxAge: 3600 }],
    ['Max-Age=0', { maxAge: 0 }],
    ['Max-Age=9007199254740991', { maxAge: Number.MAX_SAFE_INTEGER }],
    ['Expires=Sun, 06 Nov 1994 08:49:37 GMT', { expires: new Date('1994-11-06T08:49:37.999Z') }],
    ['Expires=Thu, 01 Jan 1970 00:00:00 GMT', { expires: new Date(0) }],
    ['Expires=Mon, 01 Jan 1601 00:00:00 GMT', { expires: new Date('1601-01-01T00:00:00Z') }],
    ['Expires=Fri, 31 Dec 9999 23:59:59 GMT', { expires: new Date('9999-12-31T23:59:59Z') }],
    ['Domain=example.com', { domain: 'example.com' }],
    ['Path=/', { path: '/' }],
    ['Path=/a b,"c"', { path: '/a b,"c"' }],
    ['Secure', { secure: true }],
    ['HttpOnly', { httpOnly: true }],
    ['SameSite=Strict', { sameSite: 'strict' }],
    ['SameSite=Lax', { sameSite: 'lax' }],
    ['Secure; SameSite=None', { sameSite: 'none', secure: true }],
    ['Secure; Partitioned', { partitioned: true, secure: true }],
  ])('writes %s', (written, attributes) => {
    expect(formatCookie('a', { value: '1', ...attributes })).toBe(`a=1; ${written}`);
  });

  it('writes all attributes', () => {
    const cookie: CookieOptions = {
      value: '1',
      maxAge: 60,
      expires: new Date(0),
      domain: 'example.com',
      path: '/chat',
      secure: true,
      httpOnly: true,
      sameSite: 'none',
      partitioned: true,
    };
    expect(formatCookie('sid', cookie)).toBe(
      'sid=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Domain=example.com; Path=/chat; ' +
        'Secure; HttpOnly; SameSite=None; Partitioned',
    );
  });

  it('writes nothing that is undefined or false', () => {
    const cookie: CookieOptions = {
      value: '1',
      maxAge: undefined,
      expires: undefined,
      domain: undefined,
      path: undefined,
      secure: false,
      httpOnly: undefined,
      sameSite: undefined,
      partitioned: false,
    };
    expect(formatCookie('a', cookie)).toBe('a=1');
    expect(formatCookie('a', { ...cookie, httpOnly: false })).toBe('a=1');
  });

  it('takes every token as a name', () => {
    expect(formatCookie(TCHAR, '1')).toBe(`${TCHAR}=1`);
  });
});

describe('what formatCookie refuses', () => {
  it.each(['', 'a b', 'a=b', 'a;b', 'a,b', '"a"', 'a\n', 'é', 'a[b]', undefined, null, 1])(
    'the name %j',
    (name) => {
      expect(format(name, '1')).toThrow(
        new TypeError(`${JSON.stringify(name)} is not the name of a cookie: it must be a token`),
      );
    },
  );

  it.each([undefined, null, 1, {}, { value: 1 }, { value: undefined }])(
    'the cookie %j, whose value is no string',
    (cookie) => {
      expect(format('a', cookie)).toThrow(new TypeError('the value of the cookie a is no string'));
    },
  );

  it.each(['\ud800', '\udfff', 'a\udc00\ud800b'])('half of a surrogate pair: %j', (value) => {
    expect(() => formatCookie('a', value)).toThrow(
      new TypeError('the value of the cookie a has half of a surrogate pair'),
    );
  });

  it.each([1.5, -1, Number.NaN, Infinity, 2 ** 53, '60', null])('a maxAge of %j', (maxAge) => {
    expect(format('a', { value: '1', maxAge })).toThrow(
      new TypeError('maxAge is a whole number of seconds, and not negative'),
    );
  });

  it.each([
    new Date(Number.NaN),
    new Date('1600-12-31T23:59:59Z'),
    new Date('+010000-01-01T00:00:00Z'),
    'Thu, 01 Jan 1970 00:00:00 GMT',
    0,
    null,
  ])('an expires of %s', (expires) => {
    expect(format('a', { value: '1', expires })).toThrow(
      new TypeError('expires is a valid Date of the years 1601 to 9999'),
    );
  });

  it.each(['', '/;', '/; Secure', '/\r\n', '/\0', '/\x7f', '/é', '/\u{1f388}', null, 1])(
    'the domain or path %j',
    (bad) => {
      for (const attribute of ['domain', 'path']) {
        expect(format('a', { value: '1', [attribute]: bad })).toThrow(
          new TypeError(
            `the ${attribute} of a cookie is ASCII text without semicolon or control character, ` +
              'and not empty',
          ),
        );
      }
    },
  );

  it.each(['', 'Strict', 'constructor', '__proto__', true, null])(
    'a sameSite of %j',
    (sameSite) => {
      expect(format('a', { value: '1', secure: true, sameSite })).toThrow(
        new TypeError('sameSite is one of strict, lax, none'),
      );
    },
  );

  it('a cookie for other sites that is not secure', () => {
    expect(() => formatCookie('a', { value: '1', sameSite: 'none' })).toThrow(
      new TypeError("a cookie with sameSite 'none' must be secure"),
    );
    expect(() => formatCookie('a', { value: '1', partitioned: true, secure: false })).toThrow(
      new TypeError('a partitioned cookie must be secure'),
    );
  });

  it.each(['__Secure-a', '__secure-', '__SECURE-A', '__Host-a', '__host-a'])(
    'the name %s for a cookie that is not secure',
    (name) => {
      const sentence = `the cookie ${name} must be secure, as its name says`;
      expect(() => formatCookie(name, '1')).toThrow(new TypeError(sentence));
      expect(() => formatCookie(name, { value: '1', path: '/' })).toThrow(new TypeError(sentence));
    },
  );

  it.each<Omit<CookieOptions, 'value'>>([
    {},
    { path: '/chat' },
    { path: '/', domain: 'example.com' },
    { domain: 'example.com' },
  ])('the name __Host-a with %j', (attributes) => {
    for (const name of ['__Host-a', '__HOST-a']) {
      expect(() => formatCookie(name, { value: '1', secure: true, ...attributes })).toThrow(
        new TypeError(`the cookie ${name} must have the path / and no domain, as its name says`),
      );
    }
  });

  it('no name that keeps its promise, or makes none', () => {
    expect(formatCookie('__Host-a', { value: '1', secure: true, path: '/' })).toBe(
      '__Host-a=1; Path=/; Secure',
    );
    expect(formatCookie('__Secure-a', { value: '1', secure: true, domain: 'a.example' })).toBe(
      '__Secure-a=1; Domain=a.example; Secure',
    );
    expect(formatCookie('__Host', '1')).toBe('__Host=1');
    expect(formatCookie('a__Secure-', '1')).toBe('a__Secure-=1');
  });
});

describe('cookies, for any input', () => {
  const name = fc.string({ unit: fc.constantFrom(...TCHAR.split('')), minLength: 1 });
  const promisesNothing = (one: string): boolean => !/^__(?:secure|host)-/i.test(one);
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('%', '4', '1', '"', ' ', ';', '=', ',', '\\', '\t') }),
  );

  it('gives back the values that were written', () => {
    const entries = fc.uniqueArray(fc.tuple(name.filter(promisesNothing), value), {
      selector: ([one]) => one,
    });
    fc.assert(
      fc.property(entries, (cookies) => {
        const written = cookies.map(([one, of]) => formatCookie(one, of));
        const expected = new Map(cookies);
        expect(new Map(parse(written.join('; ')))).toEqual(expected);
        expect(new Map(parse(...written))).toEqual(expected);
      }),
    );
  });

  it('writes one line of visible ASCII', () => {
    fc.assert(
      fc.property(name.filter(promisesNothing), value, (one, of) => {
        expect(formatCookie(one, of)).toMatch(/^[\x21-\x2b\x2d-\x3a\x3c-\x7e]+$/);
      }),
    );
  });

  it('reads any fields without throwing, as if they were one', () => {
    const field = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('a', '=', ';', ' ', '"', '%', '%41', '%ff') }),
    );
    fc.assert(
      fc.property(fc.array(field), (fields) => {
        expect(parse(...fields)).toEqual(parse(fields.join('; ')));
      }),
    );
  });
});
