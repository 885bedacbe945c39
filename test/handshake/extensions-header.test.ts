import { describe, expect, it } from 'vitest';
import type { Extension } from '../../src/extension/extension.ts';
import { formatExtensions, parseExtensions } from '../../src/handshake/extensions-header.ts';

/** `of('a', 'b', ['c', '1'])` is `a; b; c=1`. */
function of(name: string, ...parameters: (string | [string, string])[]): Extension {
  return {
    name,
    parameters: parameters.map((one) => (typeof one === 'string' ? [one, true] : one)),
  };
}

const PROTOTYPE_NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'];

/** RFC 9110, section 5.6.2, written out. */
const TCHAR = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

describe('parseExtensions', () => {
  it.each<[what: string, values: string[], expected: Extension[]]>([
    ['no field', [], []],
    ['one name', ['foo'], [of('foo')]],
    [
      'the first example of RFC 6455, section 9.1',
      ['foo', 'bar; baz=2'],
      [of('foo'), of('bar', ['baz', '2'])],
    ],
    ['the second, which is the same', ['foo, bar; baz=2'], [of('foo'), of('bar', ['baz', '2'])]],
    ['the third', ['deflate-stream'], [of('deflate-stream')]],
    [
      'the fourth',
      ['mux; max-channels=4; flow-control, deflate-stream'],
      [of('mux', ['max-channels', '4'], 'flow-control'), of('deflate-stream')],
    ],
    ['the fifth', ['private-extension'], [of('private-extension')]],
    [
      'what browsers offer',
      ['permessage-deflate; client_max_window_bits'],
      [of('permessage-deflate', 'client_max_window_bits')],
    ],
    [
      'one name several times, as offers and their fallbacks are',
      ['a; b=1, a; b=2', 'a'],
      [of('a', ['b', '1']), of('a', ['b', '2']), of('a')],
    ],
    ['one parameter several times', ['a; b; b=1; b'], [of('a', 'b', ['b', '1'], 'b')]],
    ['no white space at all', ['a;b=1;c,d;e'], [of('a', ['b', '1'], 'c'), of('d', 'e')]],
    [
      'white space wherever it may be',
      [' \ta\t ; \tb \t=\t 1 ; c\t,\t d \t'],
      [of('a', ['b', '1'], 'c'), of('d')],
    ],
    ['empty elements among others', [',, a ,\t, b,', '', ',c'], [of('a'), of('b'), of('c')]],
    ['a value in quotes', ['a; b="10"'], [of('a', ['b', '10'])]],
    ['white space around quotes', ['a; b = "10" ; c'], [of('a', ['b', '10'], 'c')]],
    ['a value in quotes with escapes', ['a; b="\\1\\0"'], [of('a', ['b', '10'])]],
    ['quotes before a comma', ['a; b="1",c'], [of('a', ['b', '1']), of('c')]],
    ['case as it is', ['A; B=C'], [of('A', ['B', 'C'])]],
    ['every character of a token', [`${TCHAR};${TCHAR}=${TCHAR}`], [of(TCHAR, [TCHAR, TCHAR])]],
    ['every character of a token in quotes', [`a;b="${TCHAR}"`], [of('a', ['b', TCHAR])]],
    [
      'every character of a token, escaped',
      [`a;b="${TCHAR.replaceAll(/./g, '\\$&')}"`],
      [of('a', ['b', TCHAR])],
    ],
  ])('reads %s', (_what, values, expected) => {
    expect(parseExtensions(values)).toEqual(expected);
  });

  it.each(PROTOTYPE_NAMES)(
    'takes %s as the name of an extension, a parameter and a value',
    (name) => {
      const expected = [of(name, name, [name, name])];
      expect(parseExtensions([`${name}; ${name}; ${name}=${name}`])).toEqual(expected);
      expect(Object.hasOwn(Object.prototype, 'name')).toBe(false);
    },
  );

  it.each([
    ['an empty field', ['']],
    ['white space alone', [' \t']],
    ['commas alone', [',, ,']],
    ['two empty fields', ['', ' ']],
    ['two names without a comma', ['a b']],
    ['a parameter without an extension', ['; b']],
    ['an element that begins with a semicolon', ['a, ; b']],
    ['an equals sign behind the name', ['a=1']],
    ['a semicolon at the end', ['a;']],
    ['a semicolon and white space at the end', ['a; \t']],
    ['a semicolon before a comma', ['a;,b']],
    ['two semicolons', ['a;;b']],
    ['two semicolons with white space', ['a; ;b']],
    ['a parameter without a name', ['a; =1']],
    ['no value behind an equals sign', ['a; b=']],
    ['white space behind an equals sign', ['a; b= ']],
    ['a semicolon behind an equals sign', ['a; b=;c']],
    ['a comma behind an equals sign', ['a; b=,c']],
    ['two equals signs', ['a; b==1']],
    ['two values', ['a; b=1=2']],
    ['two values with white space', ['a; b=1 2']],
    ['a parameter with white space in it', ['a; b c']],
    ['an empty value in quotes', ['a; b=""']],
    ['quotes that never end', ['a; b="1']],
    ['a quote alone', ['a; b="']],
    ['quotes that end in an escape', ['a; b="1\\']],
    ['quotes whose end is escaped', ['a; b="1\\"']],
    ['white space in quotes', ['a; b="1 2"']],
    ['white space around the value in quotes', ['a; b=" 1"']],
    ['a comma in quotes', ['a; b="1,2"']],
    ['a semicolon in quotes', ['a; b="1;2"']],
    ['a quote in quotes', ['a; b="1\\"2"']],
    ['a backslash in quotes', ['a; b="\\\\"']],
    ['an escaped space in quotes', ['a; b="\\ "']],
    ['letters beyond ASCII in quotes', ['a; b="\u00e9"']],
    ['something behind quotes', ['a; b="1"2']],
    ['quotes behind quotes', ['a; b="1""2"']],
    ['something before quotes', ['a; b=1"2"']],
    ['a name in quotes', ['"a"']],
    ['the name of a parameter in quotes', ['a; "b"=1']],
    ['single characters that a token has not', ['a; b=(1)']],
    ['letters beyond ASCII', ['\u00e9']],
    ['white space that HTTP does not have', ['a;\u00a0b']],
    ['a line break', ['a;\r\n b']],
    ['a malformed field behind a good one', ['a', 'b;']],
    ['a malformed field before a good one', ['=', 'a']],
    ['quotes that go on in the next field', ['a; b="1', '2"']],
    ['a good element before a malformed one', ['a; b=1, c; d=']],
  ])('refuses %s', (_what, values) => {
    expect(parseExtensions(values)).toBeNull();
  });
});

describe('formatExtensions', () => {
  it.each<[extensions: Extension[], expected: string]>([
    [[], ''],
    [[of('a')], 'a'],
    [[of('a'), of('b', 'c')], 'a, b; c'],
    [[of('a', 'b', ['c', '1'], 'd'), of('e')], 'a; b; c=1; d, e'],
    [[of('__proto__', ['constructor', 'toString'])], '__proto__; constructor=toString'],
  ])('of %j is %j', (extensions, expected) => {
    expect(formatExtensions(extensions)).toBe(expected);
  });

  it.each([
    ['a name', of('a b'), '"a b"'],
    ['an empty name', of(''), '""'],
    ['a parameter', of('a', 'b\r\nX: y'), '"b\\r\\nX: y"'],
    ['a parameter with a value', of('a', ['b c', '1']), '"b c"'],
    ['a value', of('a', ['b', '1, c']), '"1, c"'],
  ])('throws a TypeError that shows %s which is no token', (_what, extension, shown) => {
    expect(() => formatExtensions([of('fine'), extension])).toThrow(
      new TypeError(`${shown} is no token (RFC 6455, section 9.1)`),
    );
  });

  it('writes no quotes around what came in quotes, since it is a token', () => {
    const extensions = parseExtensions(['a; b="1\\5"']);
    expect(extensions).not.toBeNull();
    expect(formatExtensions(extensions ?? [])).toBe('a; b=15');
  });
});
