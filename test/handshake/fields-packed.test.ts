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

  it('are the same before, and in lists, whatever case they have and are asked in', () => {
    const raw = ['Host', 'a', 'X-~^', '', 'x-~^', 'b', 'without a value'];
    const ask = (fields: HeaderFields): unknown =>
      ['host', 'Host', 'x-~^', 'X-~^', 'none', 'without a value'].map((name) => [
        fields.size,
        fields.get(name),
        fields.getAll(name),
        fields.has(name),
      ]);
    const fields = HeaderFields.fromRaw(raw);
    const before = ask(fields);
    expect(fields.getAll('x-~^')).toEqual(['', 'b']);
    fields.pack();
    expect(ask(fields)).toEqual(before);
    const listed = HeaderFields.fromRaw(raw);
    expect([...listed].length).toBe(3);
    expect(ask(listed)).toEqual(before);
    listed.append('X', 'y');
    listed.pack();
    expect([...listed].at(-1)).toEqual(['x', 'y']);
  });

  it('are not changed with the list that they come from', () => {
    const raw = ['Host', 'a'];
    const fields = HeaderFields.fromRaw(raw);
    raw[1] = 'b';
    expect(fields.get('host')).toBe('a');
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
    for (const raw of [
      ['a', 'b\nc'],
      ['a\nb', 'c'],
    ] as const) {
      const fields = HeaderFields.fromRaw(raw);
      fields.pack();
      expect([...fields]).toEqual([raw]);
    }
  });
});

describe('header fields of a head', () => {
  const start = 'GET / HTTP/1.1\r\n';
  const text = `${start}Host: a\r\nCOOKIE:b=c:d \r\nX-Empty:\t\r\ncookie:d=e\r\n\r\n`;
  const expected = [
    ['host', 'a'],
    ['cookie', 'b=c:d'],
    ['x-empty', ''],
    ['cookie', 'd=e'],
  ];

  it('are read when somebody asks, as often as they are packed', () => {
    const fields = HeaderFields.fromHead(text, start.length);
    for (let i = 0; i < 3; i++) {
      expect([...fields]).toEqual(expected);
      expect(fields.getAll('cookie')).toEqual(['b=c:d', 'd=e']);
      fields.pack();
    }
  });

  it('may be none', () => {
    const fields = HeaderFields.fromHead(`${start}\r\n`, start.length);
    expect([fields.size, fields.has('host')]).toEqual([0, false]);
  });

  it('are read where they lie, where somebody has marked them', () => {
    const head = `${start}Host: a\r\nCo-Okie:b=c:d \r\nX~A^:1\r\nX\x01:\t\r\nco-okie:d=e\r\n\r\n`;
    const marks: number[] = [];
    for (let at = start.length; at < head.length - 2; at = marks.at(-1)! + 2) {
      marks.push(at, head.indexOf(':', at), head.indexOf('\r', at));
    }
    const names = [
      'host',
      'Host',
      'co-okie',
      'cookie',
      'x-empty',
      'x~a^',
      'x^a~',
      'xa',
      'x!',
      'x\x01',
    ];
    const ask = (fields: HeaderFields): unknown => [
      fields.size,
      names.map((name) => [fields.get(name), fields.getAll(name), fields.has(name)]),
    ];
    const marked = HeaderFields.fromHead(head, start.length, marks);
    const asked = ask(HeaderFields.fromHead(head, start.length));
    expect(ask(marked)).toEqual(asked);
    expect(marked.getAll('co-okie')).toEqual(['b=c:d', 'd=e']);
    marked.pack();
    expect(ask(marked)).toEqual(asked);
  });

  it('keep what is added to them', () => {
    const fields = HeaderFields.fromHead(text, start.length);
    fields.append('X', 'y');
    fields.pack();
    expect([...fields]).toEqual([...expected, ['x', 'y']]);
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
