import { describe, expect, it } from 'vitest';
import { DEFAULT_DEFLATE, resolveDeflate } from '../../src/extension/deflate-options.ts';

/** What is not of the type that the compiler would demand. */
function resolveAnything(deflate: unknown): unknown {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- wrong on purpose
  return resolveDeflate(deflate as boolean);
}

describe('resolveDeflate', () => {
  it('gives null for false: nothing is compressed', () => {
    expect(resolveDeflate(false)).toBeNull();
  });

  it('gives the defaults for true and for options without any', () => {
    const expected = {
      threshold: 1024,
      level: 3,
      memoryLevel: 6,
      windowBits: undefined,
      contextTakeover: true,
      peerWindowBits: 15,
      peerContextTakeover: true,
      keepContexts: true,
    };
    expect(resolveDeflate(true)).toEqual(expected);
    expect(resolveDeflate({})).toEqual(expected);
    expect(DEFAULT_DEFLATE).toEqual(expected);
  });

  it('takes what is given, and the defaults for the rest', () => {
    expect(resolveDeflate({ level: 9, contextTakeover: false })).toEqual({
      ...DEFAULT_DEFLATE,
      level: 9,
      contextTakeover: false,
    });
    const all = {
      threshold: 0,
      level: 1,
      memoryLevel: 9,
      windowBits: 9,
      contextTakeover: false,
      peerWindowBits: 10,
      peerContextTakeover: false,
      keepContexts: false,
    };
    expect(resolveDeflate(all)).toEqual(all);
  });

  it('takes undefined for the default', () => {
    expect(resolveDeflate({ level: undefined, keepContexts: undefined })).toEqual(DEFAULT_DEFLATE);
  });

  it('changes neither what it was given nor the defaults', () => {
    const given = Object.freeze({ level: 6 });
    const resolved = resolveDeflate(given);
    expect(resolved).not.toBe(given);
    expect(DEFAULT_DEFLATE.level).toBe(3);
    expect(resolveDeflate(true)?.level).toBe(3);
  });

  it.each([['yes'], [1], [0], [''], [null], [undefined], [() => true], [Symbol('deflate')]])(
    'throws a TypeError for %s, which is neither a boolean nor options',
    (deflate) => {
      expect(() => resolveAnything(deflate)).toThrow(
        new TypeError('deflate is true, false or options'),
      );
    },
  );

  it.each([['windowbits'], ['serverMaxWindowBits'], [''], ['0']])(
    'throws a TypeError for the option %j, which there is not',
    (name) => {
      for (const value of [15, true, undefined]) {
        expect(() => resolveAnything({ [name]: value })).toThrow(
          new TypeError(`deflate has no option ${name}`),
        );
      }
    },
  );

  it.each([['toString'], ['constructor'], ['valueOf'], ['hasOwnProperty'], ['__proto__']])(
    'throws a TypeError for the option %j, which only the prototype has',
    (name) => {
      for (const value of ['true', '15', 'false']) {
        const deflate: unknown = JSON.parse(`{ "${name}": ${value} }`);
        expect(() => resolveAnything(deflate)).toThrow(
          new TypeError(`deflate has no option ${name}`),
        );
      }
    },
  );
});

describe('resolveDeflate, for an option that is a number,', () => {
  const numbers = [
    ['threshold', 0, Number.MAX_SAFE_INTEGER],
    ['level', 1, 9],
    ['memoryLevel', 1, 9],
    ['windowBits', 9, 15],
    ['peerWindowBits', 9, 15],
  ] as const;

  it.each(numbers)('takes %s from %d to %d', (name, least, greatest) => {
    for (const value of [least, least + 1, greatest - 1, greatest]) {
      expect(resolveDeflate({ [name]: value })).toEqual({ ...DEFAULT_DEFLATE, [name]: value });
    }
  });

  it.each(numbers)('throws a RangeError for another %s than %d to %d', (name, least, greatest) => {
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, least + 0.5, -1];
    for (const value of [least - 1, greatest + 1, ...odd]) {
      expect(() => resolveDeflate({ [name]: value })).toThrow(
        new RangeError(`deflate.${name} is a whole number from ${least} to ${greatest}`),
      );
    }
  });

  it.each(numbers)('throws a TypeError for a %s that is no number', (name, least) => {
    for (const value of [String(least), true, false, null, BigInt(least), [least], {}]) {
      expect(() => resolveAnything({ [name]: value })).toThrow(
        new TypeError(`deflate.${name} is a number`),
      );
    }
  });
});

describe('resolveDeflate, for an option that is yes or no,', () => {
  const switches = [['contextTakeover'], ['peerContextTakeover'], ['keepContexts']] as const;

  it.each(switches)('takes %s as true and as false', (name) => {
    expect(resolveDeflate({ [name]: true })).toEqual(DEFAULT_DEFLATE);
    expect(resolveDeflate({ [name]: false })).toEqual({ ...DEFAULT_DEFLATE, [name]: false });
  });

  it.each(switches)('throws a TypeError for a %s of another type', (name) => {
    for (const value of [0, 1, '', 'true', null, {}, [], () => true]) {
      expect(() => resolveAnything({ [name]: value })).toThrow(
        new TypeError(`deflate.${name} is true or false`),
      );
    }
  });
});
