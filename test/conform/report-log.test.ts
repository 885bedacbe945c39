import { describe, expect, it } from 'vitest';
import { renderLog } from '../../src/conform/report-log.ts';
import { WireLog } from '../../src/conform/wire-log.ts';
import { encodeFrames, type Frame, headerSizeOf } from '../../src/conform/wire.ts';

function add(log: WireLog, from: 'judge' | 'peer', frame: Frame): void {
  const bytes = encodeFrames([frame], from === 'judge');
  log.addFrame(from, bytes.subarray(0, headerSizeOf(frame, from === 'judge')), frame);
}

/** The cells of each row, without the time. */
function rowsOf(page: string): string[][] {
  return Array.from(page.matchAll(/<tr class="[a-z]+">(.*?)<\/tr>/gs), ([, row = '']) =>
    Array.from(row.matchAll(/<td[^>]*>(.*?)<\/td>/gs), ([, cell = '']) => cell).slice(1),
  );
}

describe('the log in the report', () => {
  it('shows each frame by its bytes, by its fields and by what it means', () => {
    const log = new WireLog();
    add(log, 'peer', { opcode: 1, payload: Buffer.from('Hello'), fin: false, rsv: 0b101 });
    add(log, 'judge', { opcode: 0xa });
    log.addNote('waits');
    const [first, second, third] = rowsOf(renderLog(log, true).text);
    expect(first).toEqual([
      'peer',
      '51 05',
      '0',
      '101',
      '1',
      'no',
      '5',
      '48 65 6c 6c 6f',
      'text, not final, RSV 5, 5 bytes: &#34;Hello&#34;',
    ]);
    const key = second![5]!;
    expect(key).toMatch(/^[0-9a-f]{8}$/);
    const spaced = key.match(/../g)!.join(' ');
    expect(second).toEqual([
      'judge',
      `8a 80 ${spaced}`,
      '1',
      '000',
      'A',
      key,
      '0',
      '',
      'Pong, 0 bytes',
    ]);
    expect(third).toEqual(['', '', 'waits']);
  });

  it('shows the opening handshake, its lines as lines', () => {
    const log = new WireLog();
    log.handshake.push(
      'GET / HTTP/1.1\r\nHost: <b>\r\n\r\n',
      `HTTP/1.1 101\r\n${'x'.repeat(9000)}`,
    );
    const page = renderLog(log, true).text;
    expect(page).toContain('<pre>GET / HTTP/1.1\nHost: &#60;b&#62;</pre>');
    expect(page).toContain('x…</pre>');
    expect(page.length).toBeLessThan(5000);
    expect(page).not.toContain('<table');
  });

  it('cuts what is long', () => {
    const log = new WireLog();
    add(log, 'peer', { opcode: 2, payload: Buffer.alloc(1000, 0xff) });
    log.addNote('y'.repeat(1000));
    const [frame, note] = rowsOf(renderLog(log, true).text);
    expect(frame![7]).toBe(`${Array.from({ length: 32 }, () => 'ff').join(' ')} …`);
    expect(frame![6]).toBe('1000');
    expect(note![2]).toBe(`${'y'.repeat(300)}…`);
  });

  it('may be of a header that was not whole', () => {
    const log = new WireLog();
    log.addFrame('peer', Buffer.alloc(0), { opcode: 1 });
    expect(rowsOf(renderLog(log, true).text)[0]!.slice(1, 6)).toEqual(['', '0', '000', '0', 'no']);
  });

  it.each([
    [true, 24, 16],
    [false, 80, 54],
  ])('shows the first and the last entries (good: %s)', (isGood, count, first) => {
    const log = new WireLog();
    for (let index = 0; index < 200; index++) log.addNote(`note ${index}`);
    const meanings = rowsOf(renderLog(log, isGood).text).map((row) => row.at(-1));
    expect(meanings.length).toBe(count + 1);
    expect(meanings[0]).toBe('note 0');
    expect(meanings[first - 1]).toBe(`note ${first - 1}`);
    expect(meanings[first]).toBe(`${200 - count} more, not shown`);
    expect(meanings.at(-1)).toBe('note 199');
  });

  it('says how many were only counted', () => {
    const log = new WireLog();
    log.addNote('before');
    log.pause();
    for (let count = 0; count < 7; count++) add(log, 'peer', { opcode: 1 });
    log.resume();
    log.addNote('after');
    const meanings = rowsOf(renderLog(log, true).text).map((row) => row.at(-1));
    expect(meanings).toEqual(['before', '7 more, not shown', 'after']);
  });
});
