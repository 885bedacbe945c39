import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RoutePattern } from '../../src/server/pattern.ts';

/** What the pattern names, as an ordinary object; null where it does not match. */
function match(pattern: string, path: string): Record<string, string> | null {
  const params = new RoutePattern(pattern).match(path);
  return params === null ? null : { ...params };
}

describe('RoutePattern', () => {
  it('keeps the pattern as it was given', () => {
    expect(new RoutePattern('/chat/:room').source).toBe('/chat/:room');
    expect(new RoutePattern('/caf%c3%A9').source).toBe('/caf%c3%A9');
  });

  it.each<[pattern: string, path: string, params: Record<string, string>]>([
    ['/', '/', {}],
    ['/chat', '/chat', {}],
    ['/chat/', '/chat/', {}],
    ['/a//b', '/a//b', {}],
    ['/chat/lobby', '/chat/lobby', {}],
    ['/:room', '/7', { room: '7' }],
    ['/chat/:room', '/chat/7', { room: '7' }],
    ['/chat/:room/', '/chat/7/', { room: '7' }],
    ['/chat/:room/members', '/chat/7/members', { room: '7' }],
    ['/:a/:b', '/1/2', { a: '1', b: '2' }],
    ['/:_/:A_1', '/x/y', { _: 'x', A_1: 'y' }],
    ['/chat/:room', '/chat/:room', { room: ':room' }],
    ['/chat/:room', '/chat/*', { room: '*' }],
    ['/files/*', '/files/', { '*': '' }],
    ['/files/*', '/files/a', { '*': 'a' }],
    ['/files/*', '/files/a/b/', { '*': 'a/b/' }],
    ['/files/*', '/files//', { '*': '/' }],
    ['/:user/*', '/ann/a/b', { user: 'ann', '*': 'a/b' }],
    ['/*', '/', { '*': '' }],
    ['/*', '/a/b', { '*': 'a/b' }],
    ['*', '/', { '*': '' }],
    ['*', '/a/b', { '*': 'a/b' }],
    ['*', '//a', { '*': '/a' }],
    ['*', '', { '*': '' }],
    ['*', '*', { '*': '*' }],
  ])('%s takes %s', (pattern, path, params) => {
    expect(match(pattern, path)).toEqual(params);
  });

  it.each<[pattern: string, path: string]>([
    ['/', ''],
    ['/', '//'],
    ['/chat', '/Chat'],
    ['/chat', '/chat/'],
    ['/chat', '/chatter'],
    ['/chat', '/cha'],
    ['/chat', 'chat'],
    ['/chat', ' /chat'],
    ['/chat/', '/chat'],
    ['/chat/', '/chat//'],
    ['/chat/:room', '/chat'],
    ['/chat/:room', '/chat/'],
    ['/chat/:room', '/chat/7/'],
    ['/chat/:room', '/chat/7/8'],
    ['/chat/:room', '/talk/7'],
    ['/chat/:room/members', '/chat/7'],
    ['/:a/:b', '//2'],
    ['/files/*', '/files'],
    ['/files/*', '/file/a'],
    ['/files/*', 'xfiles/a'],
    ['/*', ''],
    ['/*', 'a'],
  ])('%s does not take %s', (pattern, path) => {
    expect(match(pattern, path)).toBeNull();
  });

  it.each<[pattern: string, path: string]>([
    ['/café', '/caf%C3%A9'],
    ['/caf%C3%A9', '/café'],
    ['/caf%c3%a9', '/caf%C3%A9'],
    ['/chat', '/%63hat'],
    ['/%63hat', '/chat'],
    ['/a%20b', '/a%20b'],
    ['/a%3Ab', '/a:b'],
    ['/%2A', '/*'],
    ['/a%2Fb', '/a%2fb'],
    ['/a%00', '/%61%00'],
    ['/100%', '/100%'],
    ['/100%', '/100%25'],
    ['/100%25', '/100%'],
    ['/%ff', '/%ff'],
  ])('%s and %s are one path, percent-encoded or not', (pattern, path) => {
    expect(match(pattern, path)).toEqual({});
  });

  it.each<[pattern: string, path: string]>([
    ['/a%2Fb', '/a/b'],
    ['/a/b', '/a%2Fb'],
    ['/chat', '%2Fchat'],
    ['/%2541', '/A'],
    ['/%2541', '/%41'],
    ['/%ff', '/%FF'],
    ['/%2A', '/a'],
    ['/%3Aroom', '/7'],
  ])('%s and %s are different paths', (pattern, path) => {
    expect(match(pattern, path)).toBeNull();
  });

  it.each<[pattern: string, path: string, params: Record<string, string>]>([
    ['/chat/:room', '/chat/a%20b', { room: 'a b' }],
    ['/chat/:room', '/chat/%F0%9F%8E%88', { room: '\u{1f388}' }],
    ['/chat/:room', '/chat/a%2Fb', { room: 'a/b' }],
    ['/chat/:room', '/chat/%2e%2e', { room: '..' }],
    ['/chat/:room', '/chat/a%00b', { room: 'a\0b' }],
    ['/chat/:room', '/chat/%2541', { room: '%41' }],
    ['/chat/:room', '/chat/a+b', { room: 'a+b' }],
    ['/files/*', '/files/a%20b/%63', { '*': 'a b/c' }],
    ['*', '/%2F', { '*': '/' }],
  ])('decodes once what %s names in %s', (pattern, path, params) => {
    expect(match(pattern, path)).toEqual(params);
  });

  it.each<[pattern: string, path: string]>([
    ['/chat/:room', '/chat/%'],
    ['/chat/:room', '/chat/%4'],
    ['/chat/:room', '/chat/%zz'],
    ['/chat/:room', '/chat/%ff'],
    ['/chat/:room', '/chat/%C3'],
    ['/chat/:room', '/chat/%ED%A0%80'],
    ['/files/*', '/files/a/%'],
    ['*', '/%'],
  ])('%s does not take %s, which cannot be decoded', (pattern, path) => {
    expect(match(pattern, path)).toBeNull();
  });

  it('gives an object without prototype, to which no name is special', () => {
    const pattern = new RoutePattern('/:__proto__/:constructor/:toString/*');
    const params = pattern.match('/a/b/c/d')!;
    expect(Object.getPrototypeOf(params)).toBeNull();
    expect(Object.entries(params)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
      ['toString', 'c'],
      ['*', 'd'],
    ]);
    expect('valueOf' in params).toBe(false);
  });

  it('gives each path parameters of its own', () => {
    const pattern = new RoutePattern('/chat/:room');
    const first = pattern.match('/chat/1');
    expect(pattern.match('/chat/2')).toEqual({ room: '2' });
    expect(first).toEqual({ room: '1' });
  });

  it('shares one frozen object among all matches that name nothing', () => {
    const params = new RoutePattern('/a').match('/a');
    expect(new RoutePattern('/b/c').match('/b/%63')).toBe(params);
    expect(Object.isFrozen(params)).toBe(true);
    expect(Object.getPrototypeOf(params)).toBeNull();
    expect(Reflect.ownKeys(params!)).toEqual([]);
  });
});

describe('what is no pattern', () => {
  it.each(['', 'chat', ' /chat', ':room', '**', '*/', '*a', 'ws://host/chat', '%2Fchat'])(
    'is %j: it does not begin with a slash',
    (pattern) => {
      expect(() => new RoutePattern(pattern)).toThrow(
        new TypeError(`the pattern ${JSON.stringify(pattern)} does not begin with a slash`),
      );
    },
  );

  it.each([
    '/a?b',
    '/?',
    '/a#b',
    '/a b',
    '/ ',
    '/a\t',
    '/a\n',
    '/a\0',
    '/\x7f',
    '/\x85',
    '/\u00a0',
  ])('is %j: a path holds no such character', (pattern) => {
    expect(() => new RoutePattern(pattern)).toThrow(
      /^the pattern ".*" holds what a path does not: a query, a fragment, white space or a control/,
    );
  });

  it.each(['/:', '/a/:/b', '/:1a', '/:a-b', '/:a:b', '/:a*', '/:*', '/:a.json', '/:é', '/:a%41'])(
    'is %s: its name is none',
    (pattern) => {
      expect(() => new RoutePattern(pattern)).toThrow(
        new TypeError(
          `the pattern "${pattern}" has a name that is not made of letters, digits and ` +
            'underscores, or begins with a digit',
        ),
      );
    },
  );

  it.each(['/:a/:a', '/:a/b/:a', '/:a/:b/:a/*'])('is %s: a name stands twice', (pattern) => {
    expect(() => new RoutePattern(pattern)).toThrow(
      new TypeError(`the pattern "${pattern}" has the name a twice`),
    );
  });

  it.each(['/a:b', '/a:', '/a*', '/*a', '/**', '/*/', '/*/a', '/a/*/b', '/*/*', '/:a/b*c'])(
    'is %s: a colon or an asterisk stands where none may',
    (pattern) => {
      expect(() => new RoutePattern(pattern)).toThrow(
        new TypeError(
          `the pattern "${pattern}" has a colon inside a segment, or an asterisk that is not the ` +
            'whole last segment: as literals they are written %3A and %2A',
        ),
      );
    },
  );

  it.each([undefined, null, 1, 1n, true, { length: 1 }, /a/, Symbol('/a')])(
    'is %s: it is no string',
    (pattern) => {
      expect(() => Reflect.construct(RoutePattern, [pattern])).toThrow(
        new TypeError('a route pattern is a string'),
      );
    },
  );
});

describe('RoutePattern, for any input', () => {
  const text = fc.string({ unit: 'binary' });
  const segment = fc.string({ unit: 'binary', minLength: 1 });
  const path = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('/', 'a', '%', '%2F', '%C3', '%A9', '*', ':', '\ud800') }),
  );

  it('gives back the segments from which a path was made', () => {
    fc.assert(
      fc.property(fc.array(segment), fc.option(fc.array(text)), (segments, tail) => {
        const names = segments.map((_, i) => `/:p${i}`).join('');
        const encoded = segments.map((one) => `/${encodeURIComponent(one)}`).join('');
        const rest = tail === null ? '' : `/${tail.map(encodeURIComponent).join('/')}`;

        const pattern = new RoutePattern(`${names}${tail === null ? '' : '/*'}` || '/');
        const params = pattern.match(`${encoded}${rest}` || '/');

        const expected = segments.map((one, i) => [`p${i}`, one]);
        if (tail !== null) expected.push(['*', tail.join('/')]);
        expect(Object.entries(params!)).toEqual(expected);
      }),
    );
  });

  it('takes the path from which its literals were made, however that is encoded', () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 1 }), (segments) => {
        const everyByte = (one: string): string =>
          Buffer.from(one).toString('hex').replaceAll(/../g, '%$&');
        const pattern = new RoutePattern(segments.map((one) => `/${everyByte(one)}`).join(''));
        const encoded = segments.map((one) => `/${encodeURIComponent(one)}`).join('');
        expect(pattern.match(encoded)).toEqual({});
        expect(pattern.match(pattern.source)).toEqual({});
        expect(pattern.match(`${encoded}/`)).toBeNull();
      }),
    );
  });

  it('never throws, and takes a path under "*" exactly where it can be decoded', () => {
    const patterns = ['/', '/a', '/%', '/:a', '/a/:b', '/:a/:b', '/a/*', '/:a/*', '/*'].map(
      (pattern) => new RoutePattern(pattern),
    );
    const every = new RoutePattern('*');
    fc.assert(
      fc.property(path, (given) => {
        for (const pattern of patterns) pattern.match(given);
        let decoded: string | null = null;
        try {
          decoded = decodeURIComponent(given.replace(/^\//, ''));
        } catch (error) {
          expect(error).toBeInstanceOf(URIError);
        }
        expect(every.match(given)?.['*'] ?? null).toBe(decoded);
      }),
    );
  });

  it('reads a pattern or refuses it by a TypeError', () => {
    fc.assert(
      fc.property(path, (given) => {
        try {
          expect(new RoutePattern(given).source).toBe(given);
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
        }
      }),
    );
  });
});
