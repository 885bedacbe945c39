import { describe, expect, it } from 'vitest';
import {
  areSubprotocols,
  chooseSubprotocol,
  parseSubprotocols,
} from '../../src/handshake/subprotocol.ts';

const PROTOTYPE_NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];

describe('parseSubprotocols', () => {
  it.each([
    ['no field', [], []],
    ['one name', ['chat'], ['chat']],
    ['a list in order', ['chat, superchat ,\tv2.chat'], ['chat', 'superchat', 'v2.chat']],
    ['several fields', ['b', 'a, c'], ['b', 'a', 'c']],
    ['empty elements among others', [',a,,b,'], ['a', 'b']],
    ['an empty field beside another', ['', 'a'], ['a']],
    ['names that differ in case, which matters', ['chat, Chat'], ['chat', 'Chat']],
    ['names of Object.prototype', [PROTOTYPE_NAMES.join(', ')], PROTOTYPE_NAMES],
  ])('reads %s', (_what, values, expected) => {
    expect(parseSubprotocols(values)).toEqual(expected);
  });

  it.each([
    ['an empty field', ['']],
    ['a field of commas', [' , ,']],
    ['two empty fields', ['', '']],
    ['a name with a space', ['a b']],
    ['a name with a separator', ['a/b']],
    ['a quoted name', ['"chat"']],
    ['a name beyond ASCII', ['ch\u00e4t']],
    ['a name twice', ['a, b, a']],
    ['a name twice in two fields', ['a', 'a']],
    ['one bad name among good ones', ['a, b=c, d']],
    ['a name of Object.prototype twice', ['constructor, constructor']],
  ])('refuses %s', (_what, values) => {
    expect(parseSubprotocols(values)).toBeNull();
  });
});

describe('areSubprotocols', () => {
  it.each([[[]], [['a']], [['a', 'A', 'b']], [PROTOTYPE_NAMES]])('takes %j', (names) => {
    expect(areSubprotocols(names)).toBe(true);
  });

  it.each([[['']], [['a', '']], [['a', 'a']], [['a b']], [['a,b']], [['a\r\nX: y']], [['\u00e9']]])(
    'refuses %j',
    (names) => {
      expect(areSubprotocols(names)).toBe(false);
    },
  );
});

describe('chooseSubprotocol', () => {
  it('takes the first that the client prefers, whatever the order of the server', () => {
    expect(chooseSubprotocol(['a', 'b', 'c'], ['c', 'b'])).toBe('b');
  });

  it.each([
    [[], ['a']],
    [['a'], []],
    [['a'], ['A']],
    [['constructor', '__proto__'], ['chat']],
  ])('finds none among %j for a server that speaks %j', (offered, spoken) => {
    expect(chooseSubprotocol(offered, spoken)).toBeUndefined();
  });

  it('takes a name of Object.prototype where both say it', () => {
    expect(chooseSubprotocol(['x', '__proto__'], ['__proto__'])).toBe('__proto__');
  });
});
