import { describe, expect, it } from 'vitest';
import { HeaderFields, checkHeaders } from '../../src/handshake/fields.ts';

const RAW = ['Host', 'a', 'Cookie', 'b=c', 'X-Empty', '', 'cookie', 'd=e'];

describe('header fields that are packed', () => {
  const reads: [string, (fields: HeaderFields) => unknown][] = [
    ['size', (fields) => fields.size],
    ['get', (fields) => [fields.get('host'), fields.get('x-empty'), fields.get('none')]],
    ['getAll', (fields) => fields.getAll('cookie')],
    ['has', (fields) => [fields.has('host'), fields.has('none')]],
    ['a loop', (fields) => [...fields]],
  ];

  it.each(reads)('answer %s as before', (_name, read) => {
    const packed = HeaderFields.fromRaw(RAW);
    packed.pack();
    packed.pack();
    expect(read(packed)).toEqual(read(HeaderFields.fromRaw(RAW)));
  });

  it('take more, and share nothing', () => {
    const one = HeaderFields.fromRaw(RAW);
    const other = HeaderFields.fromRaw([]);
    one.pack();
    other.pack();
    other.append('X', 'y');
    expect([one.size, other.size, [...other]]).toEqual([4, 1, [['x', 'y']]]);
  });

  it('stay as they are where a line break was let through', () => {
    const fields = HeaderFields.fromRaw(['a', 'b\nc']);
    fields.pack();
    expect([...fields]).toEqual([['a', 'b\nc']]);
  });
});

describe('header fields of an application', () => {
  it('are left out where they are undefined', () => {
    const headers = { authorization: undefined, 'x-a': 'b', 'set-cookie': ['c=d', 'e=f'] };
    expect(checkHeaders(headers)).toEqual([
      ['x-a', 'b'],
      ['set-cookie', 'c=d'],
      ['set-cookie', 'e=f'],
    ]);
  });
});
