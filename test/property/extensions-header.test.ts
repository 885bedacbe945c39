import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Extension } from '../../src/extension/extension.ts';
import { formatExtensions, parseExtensions } from '../../src/handshake/extensions-header.ts';

const TCHAR = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

const token = fc.oneof(
  fc.string({ unit: fc.constantFrom(...TCHAR.split('')), minLength: 1, maxLength: 10 }),
  fc.constantFrom('permessage-deflate', '__proto__', 'constructor', 'toString', 'hasOwnProperty'),
);

const extension: fc.Arbitrary<Extension> = fc.record({
  name: token,
  parameters: fc.array(fc.tuple(token, fc.oneof(token, fc.constant(true as const))), {
    maxLength: 4,
  }),
});

const extensions = fc.array(extension, { minLength: 1, maxLength: 5 });

/** White space wherever the grammar lets it stand. */
const gap = fc.constantFrom('', '', ' ', '\t', ' \t ');

/** Characters that mean something, and a few that are only themselves. */
const scrap = fc.oneof(
  fc.constantFrom('a', 'b', '1', '-', ',', ';', '=', '"', '\\', ' ', '\t', '\u00e9', '\0', '\r\n'),
  fc.constantFrom('a; b="1"', 'a;b', ', c', '\\a', '=""', '="\\"'),
);

const text = fc.array(scrap, { maxLength: 24 }).map((scraps) => scraps.join(''));

/**
 * The grammar once more, by splitting: at commas, at semicolons, at the first equals sign, none of
 * them inside quotes. Shares nothing with the code under test.
 */
function parseByModel(values: readonly string[]): Extension[] | null {
  const elements = values.flatMap((value) => splitOutsideQuotes(value, ','));
  const filled = elements.map(trim).filter((element) => element !== '');
  const found = filled.map(parseElement);
  if (values.length > 0 && found.length === 0) return null;
  return found.every((one) => one !== null) ? found : null;
}

function parseElement(element: string): Extension | null {
  const [name = '', ...rest] = splitOutsideQuotes(element, ';').map(trim);
  const parameters = rest.map(parseParameter);
  if (!isTokenByModel(name) || !parameters.every((one) => one !== null)) return null;
  return { name, parameters };
}

function parseParameter(parameter: string): [string, string | true] | null {
  const equals = parameter.indexOf('=');
  const name = trim(equals === -1 ? parameter : parameter.slice(0, equals));
  if (!isTokenByModel(name)) return null;
  if (equals === -1) return [name, true];
  const given = trim(parameter.slice(equals + 1));
  const quoted = /^"((?:[^"\\]|\\[^])*)"$/.exec(given)?.[1];
  const value = quoted === undefined ? given : quoted.replaceAll(/\\([^])/g, '$1');
  return isTokenByModel(value) ? [name, value] : null;
}

function splitOutsideQuotes(whole: string, separator: string): string[] {
  const parts = [''];
  let isQuoted = false;
  for (let i = 0; i < whole.length; i++) {
    const character = whole.charAt(i);
    if (character === separator && !isQuoted) {
      parts.push('');
      continue;
    }
    parts[parts.length - 1] += character;
    if (character === '"') isQuoted = !isQuoted;
    if (character === '\\' && isQuoted) parts[parts.length - 1] += whole.charAt(++i);
  }
  return parts;
}

function trim(padded: string): string {
  return padded.replace(/^[ \t]+/, '').replace(/[ \t]+$/, '');
}

function isTokenByModel(word: string): boolean {
  return word !== '' && word.split('').every((character) => TCHAR.includes(character));
}

describe('parseExtensions', () => {
  it('is the inverse of formatExtensions', () => {
    fc.assert(
      fc.property(extensions, (list) => {
        expect(parseExtensions([formatExtensions(list)])).toEqual(list);
      }),
    );
  });

  it('reads one field for each extension as it reads one field for all', () => {
    fc.assert(
      fc.property(extensions, (list) => {
        expect(parseExtensions(list.map((one) => formatExtensions([one])))).toEqual(list);
      }),
    );
  });

  it('reads the same whatever is quoted, escaped and spaced', () => {
    const written = fc.array(
      fc.record({ extension, gap, isQuoted: fc.boolean(), isEscaped: fc.boolean() }),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(written, (list) => {
        const elements = list.map(({ extension: one, gap: space, isQuoted, isEscaped }) => {
          const parameters = one.parameters.map(([name, value]) => {
            if (value === true) return name;
            const inside = isEscaped ? value.replaceAll(/[^]/g, '\\$&') : value;
            return `${name}${space}=${space}${isQuoted ? `"${inside}"` : value}`;
          });
          const separator = `${space};${space}`;
          return `${space}${[one.name, ...parameters].join(separator)}${space}`;
        });
        const expected = list.map(({ extension: one }) => one);
        expect(parseExtensions([elements.join(',')])).toEqual(expected);
        expect(parseExtensions([`,${elements.join(', ,')},`])).toEqual(expected);
        expect(parseExtensions(elements)).toEqual(expected);
      }),
    );
  });

  it('agrees with a model of the grammar on text that is nearly right', () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.array(text, { maxLength: 3 }), (values) => {
        const found = parseExtensions(values);
        expect(found).toEqual(parseByModel(values));
        if (found !== null && found.length > 0) taken++;
      }),
      { numRuns: 3000 },
    );
    expect(taken).toBeGreaterThan(10);
  });

  it('agrees with the model on good text with one character changed', () => {
    fc.assert(
      fc.property(extensions, fc.nat(), scrap, fc.boolean(), (list, place, put, replaces) => {
        const good = formatExtensions(list);
        const at = place % (good.length + 1);
        const value = good.slice(0, at) + put + good.slice(replaces ? at + 1 : at);
        expect(parseExtensions([value])).toEqual(parseByModel([value]));
      }),
      { numRuns: 1000 },
    );
  });

  it('never throws, and gives names and values that are tokens, or nothing', () => {
    const anything = fc.string({ unit: 'binary', maxLength: 60 });
    fc.assert(
      fc.property(fc.array(fc.oneof(anything, text), { maxLength: 4 }), (values) => {
        for (const { name, parameters } of parseExtensions(values) ?? []) {
          const words = parameters.flatMap(([key, value]) =>
            value === true ? [key] : [key, value],
          );
          expect([name, ...words].every(isTokenByModel)).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

/** Long enough that a parser which goes back would not be done before the test ends. */
const LONG = 500_000;

describe('a hostile Sec-WebSocket-Extensions', () => {
  it.each([
    ['quotes that never end, of backslashes alone', `a; b="${'\\'.repeat(LONG)}`],
    ['quotes that never end, of escaped letters', `a; b="${'\\a'.repeat(LONG)}`],
    ['quotes that never end, of letters', `a; b="${'a'.repeat(LONG)}`],
    ['quotes that end escaped', `a; b="${'a'.repeat(LONG)}\\"`],
    ['quotes that never end, again and again', `${'a; b="1", '.repeat(LONG / 10)}a; b="`],
    ['white space', `a${' \t'.repeat(LONG)}b`],
    ['semicolons', `a${';'.repeat(LONG)}`],
    ['parameters without end', `${'a; b'.repeat(LONG / 4)}=`],
    ['equals signs', `a; b${'='.repeat(LONG)}`],
    ['commas', ','.repeat(LONG)],
    ['commas and white space', ' ,\t'.repeat(LONG)],
    ['quotes', `a; b=${'"'.repeat(LONG)}`],
  ])('is refused where it is made of %s', (_what, value) => {
    expect(parseExtensions([value])).toBeNull();
  });

  it('is read once where it is long and right', () => {
    const value = `a; b="${'\\a'.repeat(LONG)}"`;
    expect(parseExtensions([value])).toEqual([
      { name: 'a', parameters: [['b', 'a'.repeat(LONG)]] },
    ]);
  });
});
