import { describe, expect, it } from 'vitest';
import { HeaderFields, type HeadersInput, checkHeaders } from '../../src/handshake/fields.ts';

const PROTOTYPE_NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'];

describe('HeaderFields', () => {
  it('is empty at first', () => {
    const fields = new HeaderFields();
    expect(fields.size).toBe(0);
    expect([...fields]).toEqual([]);
    expect(fields.get('host')).toBeUndefined();
    expect(fields.getAll('host')).toEqual([]);
    expect(fields.has('host')).toBe(false);
  });

  it('keeps fields in order, with duplicates, their names in lower case', () => {
    const fields = new HeaderFields();
    fields.append('Host', 'a');
    fields.append('X-One', '1');
    fields.append('host', 'B');
    expect([...fields]).toEqual([
      ['host', 'a'],
      ['x-one', '1'],
      ['host', 'B'],
    ]);
    expect(fields.size).toBe(3);
    expect(fields.get('host')).toBe('a');
    expect(fields.getAll('host')).toEqual(['a', 'B']);
    expect(fields.has('x-one')).toBe(true);
  });

  it('finds a field without a value', () => {
    const fields = new HeaderFields();
    fields.append('X', '');
    expect(fields.get('x')).toBe('');
    expect(fields.has('x')).toBe(true);
    expect(fields.getAll('x')).toEqual(['']);
  });

  it.each(PROTOTYPE_NAMES)('does not know %s before a peer has sent it, and then does', (name) => {
    const fields = new HeaderFields();
    const lower = name.toLowerCase();
    expect(fields.get(lower)).toBeUndefined();
    expect(fields.has(lower)).toBe(false);
    fields.append(name, 'x');
    expect(fields.get(lower)).toBe('x');
    expect([...fields]).toEqual([[lower, 'x']]);
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false);
  });

  it('gives a list of its own, so that its reader cannot change the fields', () => {
    const fields = HeaderFields.fromRaw(['A', '1']);
    fields.getAll('a').push('2');
    expect(fields.getAll('a')).toEqual(['1']);
  });

  it('takes over what the parser of Node found, in order and with duplicates', () => {
    const fields = HeaderFields.fromRaw([
      'Host',
      'x',
      'Set-A',
      '1',
      'SET-a',
      '2',
      '__proto__',
      '3',
    ]);
    expect([...fields]).toEqual([
      ['host', 'x'],
      ['set-a', '1'],
      ['set-a', '2'],
      ['__proto__', '3'],
    ]);
  });

  it('takes over nothing from an empty list, and no name without its value', () => {
    expect(HeaderFields.fromRaw([]).size).toBe(0);
    expect([...HeaderFields.fromRaw(['A', '1', 'B'])]).toEqual([['a', '1']]);
  });
});

describe('checkHeaders', () => {
  it.each<[what: string, headers: HeadersInput, expected: [string, string][]]>([
    ['an empty object', {}, []],
    ['an empty list', [], []],
    [
      'an object',
      { 'X-A': '1', b: '' },
      [
        ['X-A', '1'],
        ['b', ''],
      ],
    ],
    [
      'several values of a name',
      { 'Set-Cookie': ['a=1', 'b=2'] },
      [
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
      ],
    ],
    ['a name without values', { A: [] }, []],
    [
      'pairs',
      [
        ['A', '1'],
        ['a', '2'],
      ],
      [
        ['A', '1'],
        ['a', '2'],
      ],
    ],
    ['a Map', new Map([['A', '1']]), [['A', '1']]],
    ['the Headers of fetch', new Headers({ A: '1' }), [['a', '1']]],
    [
      'URLSearchParams, which are pairs',
      new URLSearchParams('A=1&A=2'),
      [
        ['A', '1'],
        ['A', '2'],
      ],
    ],
    ['bytes up to 0xff and tabs', { A: 'caf\u00e9\t\u00ff' }, [['A', 'caf\u00e9\t\u00ff']]],
  ])('takes %s', (_what, headers, expected) => {
    expect(checkHeaders(headers)).toEqual(expected);
  });

  it('reads pairs from an iterator that can be read only once', () => {
    const pairs = new Map([
      ['A', '1'],
      ['B', '2'],
    ]).entries();
    expect(checkHeaders(pairs)).toEqual([
      ['A', '1'],
      ['B', '2'],
    ]);
  });

  it('takes names of Object.prototype as names, from an object and from pairs', () => {
    const pairs = PROTOTYPE_NAMES.map((name): [string, string] => [name, 'x']);
    expect(checkHeaders(pairs)).toEqual(pairs);
    expect(checkHeaders(Object.fromEntries(pairs))).toEqual(pairs);
  });

  it('does not take what an object has inherited', () => {
    const headers: Record<string, string> = Object.create({ Inherited: 'x' });
    headers['Own'] = 'y';
    expect(checkHeaders(headers)).toEqual([['Own', 'y']]);
  });

  it.each(['', ' ', 'a b', 'a:', ':a', 'a\r\nb', 'a\n', '\u00e4', 'a\0', ' a', 'a\t', '(a)'])(
    'throws a TypeError for the name %j',
    (name) => {
      expect(() => checkHeaders([[name, 'x']])).toThrow(TypeError);
      expect(() => checkHeaders({ [name]: 'x' })).toThrow(TypeError);
      expect(() => checkHeaders({ [name]: [] })).toThrow(TypeError);
    },
  );

  it.each([
    'a\r\nSet-Cookie: b=c',
    'a\n',
    '\r',
    'a\0',
    '\x7f',
    '\x1b[0m',
    '\u0100',
    '\u010d\u010a',
  ])('throws a TypeError for the value %j', (value) => {
    expect(() => checkHeaders([['A', value]])).toThrow(TypeError);
    expect(() => checkHeaders({ A: value })).toThrow(TypeError);
    expect(() => checkHeaders({ A: ['fine', value] })).toThrow(TypeError);
  });

  it.each([
    'Connection',
    'Upgrade',
    'Content-Length',
    'Transfer-Encoding',
    'Sec-WebSocket-Accept',
    'Sec-WebSocket-Extensions',
    'Sec-WebSocket-Key',
    'Sec-WebSocket-Protocol',
    'Sec-WebSocket-Version',
  ])('throws a TypeError for %s in any case, which belongs to the handshake', (name) => {
    for (const written of [name, name.toLowerCase(), name.toUpperCase()]) {
      expect(() => checkHeaders([[written, 'x']])).toThrow(TypeError);
    }
  });

  it.each(['1', 'null', '{}', '[1]', '[null]', '[["a"]]', '{"0":"a","length":1}'])(
    'throws a TypeError for the value %s, which is no string',
    (json) => {
      const headers: Record<string, string> = JSON.parse(`{"A":${json}}`);
      expect(() => checkHeaders(headers)).toThrow(TypeError);
    },
  );

  it('throws a TypeError for a name that is no string', () => {
    const pairs: [string, string][] = JSON.parse('[[1,"x"]]');
    expect(() => checkHeaders(pairs)).toThrow(TypeError);
    const empty: [string, string][] = JSON.parse('[[]]');
    expect(() => checkHeaders(empty)).toThrow(TypeError);
  });

  it('names what is wrong, with no control character of it', () => {
    expect(() => checkHeaders([['a\r\nb', 'x']])).toThrow('"a\\r\\nb" is not the name');
    expect(() => checkHeaders([['A', 'x\r\n']])).toThrow(
      'the value of the header field A has a character it must not',
    );
    expect(() => checkHeaders([['UPGRADE', 'x']])).toThrow('UPGRADE belongs to the handshake');
  });
});
