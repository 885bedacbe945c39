import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeaderFields } from '../../src/handshake/fields.ts';
import { type ForwardedFields, type Hop, readHops } from '../../src/handshake/forwarded.ts';

type Words = readonly [
  node: string | undefined,
  host: string | undefined,
  scheme: string | undefined,
];

function read(which: ForwardedFields, ...lines: string[]): Words[] {
  const fields = new HeaderFields();
  for (const line of lines) {
    const colon = line.indexOf(':');
    fields.append(line.slice(0, colon), line.slice(colon + 1).trimStart());
  }
  const hops: Hop[] = [...readHops(fields, which)];
  return hops.map(({ node, host, scheme }) => [node, host, scheme]);
}

function readForwarded(...values: string[]): Words[] {
  return read('forwarded', ...values.map((value) => `Forwarded: ${value}`));
}

describe('the field Forwarded', () => {
  it.each<[string, Words[]]>([
    ['for=192.0.2.1', [['192.0.2.1', undefined, undefined]]],
    ['For="[2001:db8::1]:443"', [['[2001:db8::1]:443', undefined, undefined]]],
    ['for=_hidden;by=x;secret=y', [['_hidden', undefined, undefined]]],
    [
      'for=192.0.2.1;proto=HTTPS;by=10.0.0.1;host="a.example:8080"',
      [['192.0.2.1', 'a.example:8080', 'https']],
    ],
    [
      'for=192.0.2.1, for=10.0.0.2;host=b.example',
      [
        ['10.0.0.2', 'b.example', undefined],
        ['192.0.2.1', undefined, undefined],
      ],
    ],
    ['proto=http', [[undefined, undefined, 'http']]],
    ['for="a\\"b\\\\,;c"', [['a"b\\,;c', undefined, undefined]]],
    ['for=""', [['', undefined, undefined]]],
    [' ;; for=a ; ;\t,, ;, ', [['a', undefined, undefined]]],
    ['', []],
    [',', []],
  ])('%s is understood', (value, hops) => {
    expect(readForwarded(value)).toEqual(hops);
  });

  it.each([
    'for',
    'for=',
    'for =a',
    'for= a',
    '=a',
    'for=a b',
    'for="a',
    'for="a\\',
    'for="a"b',
    'for=a;for=a',
    'for=a;FOR=b',
    'for=[::1]',
    'for=a:80',
    'for=a, "',
    'for=a for=b',
    '"for"=a',
    'for=\u00E9',
  ])('%s is malformed, and says nothing', (value) => {
    expect(readForwarded(value)).toEqual([]);
  });

  it('in several lines is one list, from its end', () => {
    const nodes = readForwarded('for=a, for=b', 'for=c').map(([node]) => node);
    expect(nodes).toEqual(['c', 'b', 'a']);
  });

  it('ends before a line that is malformed, since that may be the client’s', () => {
    const nodes = readForwarded('for=a', 'for="', 'for=c').map(([node]) => node);
    expect(nodes).toEqual(['c']);
  });

  it('gives back what was written, whatever it was', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary-ascii' }), { minLength: 1 }), (nodes) => {
        const quote = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
        const value = nodes.map((node) => `for=${quote(node)}`).join(',');
        expect(readForwarded(value).map(([node]) => node)).toEqual(nodes.toReversed());
      }),
    );
  });

  it('never throws, and takes nothing from the fields beside it', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[for=";,\\ \t[:\]_1]*$/), (value) => {
        for (const [, host, scheme] of readForwarded(value)) {
          expect([host, scheme]).toEqual([undefined, undefined]);
        }
      }),
    );
    expect(read('forwarded', 'X-Forwarded-For: 192.0.2.1')).toEqual([]);
  });
});

describe('the fields X-Forwarded-*', () => {
  it('give their nodes from the end, and the last host and scheme with the nearest', () => {
    expect(
      read(
        'x-forwarded',
        'X-Forwarded-For: 192.0.2.1, 10.0.0.1',
        'X-Forwarded-Host: spoofed.example, a.example',
        'X-Forwarded-Proto: http',
        'x-forwarded-proto: HTTPS',
        'X-Forwarded-For:  , 10.0.0.2 ,',
      ),
    ).toEqual([
      ['10.0.0.2', 'a.example', 'https'],
      ['10.0.0.1', undefined, undefined],
      ['192.0.2.1', undefined, undefined],
    ]);
  });

  it('may come without each other', () => {
    expect(read('x-forwarded', 'X-Forwarded-Proto: https')).toEqual([
      [undefined, undefined, 'https'],
    ]);
    expect(read('x-forwarded', 'X-Forwarded-Host: a.example')).toEqual([
      [undefined, 'a.example', undefined],
    ]);
    expect(read('x-forwarded', 'X-Forwarded-For: a')).toEqual([['a', undefined, undefined]]);
    expect(read('x-forwarded')).toEqual([[undefined, undefined, undefined]]);
  });

  it('take nothing from Forwarded', () => {
    expect(read('x-forwarded', 'Forwarded: for=192.0.2.1;host=a;proto=https')).toEqual([
      [undefined, undefined, undefined],
    ]);
  });
});
