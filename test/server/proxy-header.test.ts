import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BAD, MORE, ProxyHeaderParser } from '../../src/server/proxy-header.ts';
import { cuts, hex } from '../support/bytes.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const V4 = 'c0000201 7f000001 1267 0050';
const V6 = '20010db8000000000000000000000001 00000000000000000000000000000001 1267 0050';

/** A header of version 2. */
function binary(command: string, family: string, body: string, length?: number): Buffer {
  const bytes = hex(body);
  const size = (length ?? bytes.length).toString(16).padStart(4, '0');
  return hex(`${SIGNATURE}${command}${family}${size}${body}`);
}

const GOOD: readonly [string, Buffer, string | null][] = [
  ['TCP4', Buffer.from('PROXY TCP4 192.0.2.1 127.0.0.1 4711 80\r\n'), '192.0.2.1'],
  ['TCP6', Buffer.from('PROXY TCP6 2001:db8::1 ::1 65535 0\r\n'), '2001:db8::1'],
  ['TCP6 of IPv4', Buffer.from('PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n'), '192.0.2.1'],
  ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), null],
  ['UNKNOWN with more', Buffer.from('PROXY UNKNOWN 192.0.2.1 x\r\n'), null],
  ['the longest line', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`), null],
  ['version 2, IPv4', binary('21', '11', V4), '192.0.2.1'],
  ['version 2, IPv6', binary('21', '21', V6), '2001:db8::1'],
  ['version 2, with extensions', binary('21', '11', `${V4} 040003 616263`), '192.0.2.1'],
  ['version 2, LOCAL', binary('20', '00', ''), null],
  ['version 2, LOCAL with addresses', binary('20', '11', V4), null],
  ['version 2, LOCAL of any family', binary('20', 'ff', '010203'), null],
  ['version 2, of no family', binary('21', '00', '040003616263'), null],
  ['version 2, a Unix socket', binary('21', '31', '00'.repeat(216)), null],
  ['version 2, datagrams', binary('21', '12', V4), null],
  ['version 2, the longest', binary('21', '11', V4 + '00'.repeat(4084)), '192.0.2.1'],
];

describe('a header', () => {
  it.each(GOOD)('%s says for whom the proxy speaks, however it is cut', (_what, bytes, source) => {
    for (const chunks of bytes.length > 200 ? [[bytes]] : cuts(bytes)) {
      const parser = new ProxyHeaderParser();
      const ends = chunks.map((chunk) => [chunk.length, parser.push(chunk)] as const);
      const last = ends.find(([, end]) => end !== MORE);
      expect(last?.[1]).toBe(last?.[0]);
      expect(parser.source).toBe(source);
    }
  });

  it.each(GOOD)('%s ends before what follows it', (_what, bytes, source) => {
    const parser = new ProxyHeaderParser();
    expect(parser.push(Buffer.concat([bytes, Buffer.from('\r\nGET / HTTP')]))).toBe(bytes.length);
    expect(parser.source).toBe(source);
  });

  it('whose extensions come in many pieces is skipped', () => {
    const parser = new ProxyHeaderParser();
    const bytes = binary('21', '11', V4, 4096);
    expect(parser.push(bytes)).toBe(MORE);
    for (let i = 0; i < 4083; i++) expect(parser.push(Buffer.of(0))).toBe(MORE);
    expect(parser.push(Buffer.from('\0GET'))).toBe(1);
    expect(parser.source).toBe('192.0.2.1');
  });
});

describe('what is no header', () => {
  it.each([
    'GET / HTTP/1.1\r\n',
    'PROXX',
    'proxy ',
    'PROXY\r',
    'PROXY \r\n',
    'PROXY TCP4 192.0.2.1 127.0.0.1 4711\r\n',
    'PROXY TCP4 192.0.2.1 127.0.0.1 4711 80 \r\n',
    'PROXY TCP4  192.0.2.1 127.0.0.1 4711 80\r\n',
    'PROXY TCP4 192.0.2.1 127.0.0.1 4711 80\n',
    'PROXY TCP4 192.0.2.256 127.0.0.1 4711 80\r\n',
    'PROXY TCP4 192.0.2.1 localhost 4711 80\r\n',
    'PROXY TCP4 192.0.2.1 127.0.0.1 65536 80\r\n',
    'PROXY TCP4 192.0.2.1 127.0.0.1 0080 80\r\n',
    'PROXY TCP4 192.0.2.1 127.0.0.1 1 -1\r\n',
    'PROXY TCP4 ::1 ::1 1 2\r\n',
    'PROXY TCP6 192.0.2.1 127.0.0.1 1 2\r\n',
    'PROXY TCP6 fe80::1%lo ::1 1 2\r\n',
    'PROXY TCP5 192.0.2.1 127.0.0.1 1 2\r\n',
    'PROXY UNKNOWNS\r\n',
    'PROXY UNKNOWN\r\r\n',
    `PROXY UNKNOWN ${'x'.repeat(92)}\r\n`,
    'x'.repeat(200),
    '\r\n\r\n\0\r\nQUIT\r',
    '\r\nGET',
  ])('is %j', (text) => {
    expect(new ProxyHeaderParser().push(Buffer.from(text))).toBe(BAD);
  });

  it.each([
    ['a version that there is not', binary('11', '11', V4)],
    ['a command that there is not', binary('22', '11', V4)],
    ['a family that there is not', binary('21', '41', V4)],
    ['a transport that there is not', binary('21', '13', V4)],
    ['IPv4 that is too short', binary('21', '11', V4.slice(5))],
    ['IPv6 that is too short', binary('21', '21', V4)],
    ['a Unix socket that is too short', binary('21', '31', V6)],
    ['more than 4 KiB', binary('21', '11', V4, 4097)],
    ['more than 4 KiB of LOCAL', binary('20', '00', '', 65_535)],
  ])('is %s', (_what, bytes) => {
    expect(new ProxyHeaderParser().push(bytes)).toBe(BAD);
  });

  it('is known as such at its first wrong byte', () => {
    for (const text of ['G', 'PROXZ', '\r\n\r\r']) {
      const parser = new ProxyHeaderParser();
      const answers = [...Buffer.from(text)].map((byte) => parser.push(Buffer.of(byte)));
      expect(answers.indexOf(BAD)).toBe(text.length - 1);
    }
  });

  it('never throws, and has one answer, however it is cut', () => {
    const begin = fc.constantFrom('', 'PROXY ', 'PROXY TCP4 1.2.3.4 ', 'PROXY UNKNOWN');
    const line = fc.tuple(begin, fc.stringMatching(/^[PROXY TC46:.12\r\n]*$/));
    const lines = line.map((parts) => Buffer.from(parts.join('')));
    const binaries = fc
      .uint8Array({ maxLength: 60 })
      .map((bytes) => Buffer.concat([hex(SIGNATURE), bytes]));
    fc.assert(
      fc.property(fc.oneof(lines, binaries), (bytes) => {
        const whole = new ProxyHeaderParser();
        const end = whole.push(bytes);
        const single = new ProxyHeaderParser();
        let at = 0;
        let answer: number = MORE;
        while (answer === MORE && at < bytes.length) answer = single.push(Buffer.of(bytes[at++]!));
        expect(answer === 1 ? at : answer).toBe(end);
        if (end !== BAD) expect(single.source).toBe(whole.source);
      }),
    );
  });
});
