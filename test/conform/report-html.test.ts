import { describe, expect, it } from 'vitest';
import { renderHtml } from '../../src/conform/report-html.ts';
import { anchorOf, type Report } from '../../src/conform/report.ts';
import type { Ending } from '../../src/conform/peer.ts';
import type { CaseResult } from '../../src/conform/result.ts';
import { DEFAULT_SETTINGS } from '../../src/conform/settings.ts';
import { WireLog } from '../../src/conform/wire-log.ts';

const ENDING: Ending = {
  isByJudge: true,
  isDroppedByJudge: false,
  wasClean: true,
  hasPeerClosed: true,
  peerCode: 1000,
  peerReason: '',
  judgeCode: 1000,
  breach: undefined,
  isWithinMessage: false,
};

function result(id: string, changes: Partial<CaseResult> = {}): CaseResult {
  return {
    id,
    agent: 'one',
    title: `Case ${id}`,
    behavior: 'OK',
    behaviorClose: 'OK',
    sentence: 'All came as it must.',
    closeSentence: 'The connection was closed as it must be.',
    started: new Date(0),
    duration: 12,
    expected: new Map([['OK', ['text, 5 bytes: "Hello"']]]),
    received: ['text, 5 bytes: "Hello"'],
    ending: ENDING,
    log: new WireLog(),
    ...changes,
  };
}

function render(
  agents: Readonly<Record<string, readonly CaseResult[]>>,
  more: Partial<Report> = {},
): string {
  return renderHtml({
    tested: 'server',
    agents: new Map(Object.entries(agents)),
    settings: DEFAULT_SETTINGS,
    created: new Date('2020-02-02T02:02:02Z'),
    ...more,
  });
}

/** What a reader sees: no markup, and spaces as one. */
function textOf(page: string): string {
  const body = page.slice(page.indexOf('<body>'));
  return body
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll('&#34;', '"')
    .replaceAll(/\s+/g, ' ');
}

describe('the page of the verdicts', () => {
  it('is one document that needs nothing else', () => {
    const page = render({ one: [result('1.1.1')] });
    expect(page).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(page).not.toMatch(/<script|<link|<img|\ssrc=|href="(?!#)/);
    expect(page).toContain("default-src 'none'");
  });

  it('says what was run, and how many messages that were', () => {
    const page = render({ one: [result('1.1.1')] });
    expect(textOf(page)).toContain(
      'against a server. 2020-02-02T02:02:02.000Z. ' +
        'Each case of 12.* and 13.* sent 100 messages (officially 1000).',
    );
    const settings = { ...DEFAULT_SETTINGS, messages: 1000 };
    const official = render({ one: [result('1.1.1')] }, { settings, tested: 'client' });
    expect(textOf(official)).toContain('sent 1000 messages (the official number).');
  });

  it('counts by group and by implementation', () => {
    const page = render({
      one: [
        result('1.1.1'),
        result('1.1.2', { behavior: 'FAILED', behaviorClose: 'UNCLEAN' }),
        result('7.1.6', { behavior: 'INFORMATIONAL', behaviorClose: 'INFORMATIONAL' }),
        result('12.1.1', { behavior: 'UNIMPLEMENTED' }),
      ],
      two: [result('1.1.1', { agent: 'two' }), result('99.1', { behavior: 'NON-STRICT' })],
    });
    const table = page.slice(page.indexOf('<table>'), page.indexOf('</table>'));
    const rows = Array.from(table.matchAll(/<tr>(.*?)<\/tr>/gs), ([, row = '']) =>
      Array.from(row.matchAll(/<t[hd]>(.*?)<\/t[hd]>/gs), ([, cell = '']) =>
        textOf(`<body>${cell}`).trim(),
      ),
    );
    expect(rows).toEqual([
      ['', 'one', 'two'],
      ['1 Messages of one frame', '1 OK 1 FAILED 1 closed wrongly', '1 OK'],
      ['7 The closing handshake', '1 INFORMATIONAL', ''],
      ['12 Compression of different contents', '1 UNIMPLEMENTED', ''],
      ['99', '', '1 NON-STRICT'],
      [
        'all',
        '1 OK 1 INFORMATIONAL 1 UNIMPLEMENTED 1 FAILED 1 closed wrongly',
        '1 OK 1 NON-STRICT',
      ],
    ]);
  });

  it('shows of each case what was done, what should come, what came, and the verdicts', () => {
    const log = new WireLog();
    log.addNote('a note');
    const changes = { behavior: 'NON-STRICT', behaviorClose: 'WRONG CODE', log } as const;
    const expected = new Map([
      ['OK', ['Pong, 0 bytes']],
      ['NON-STRICT', []],
    ]);
    const text = textOf(render({ one: [result('6.4.1', { ...changes, expected, received: [] })] }));
    expect(text).toContain('6.4.1 Case 6.4.1 NON-STRICT close WRONG CODE 12 ms');
    expect(text).toContain('Expected OK: Pong, 0 bytes NON-STRICT: nothing');
    expect(text).toContain('Received nothing');
    expect(text).toContain('Verdict NON-STRICT All came as it must.');
    expect(text).toContain('Closing WRONG CODE The connection was closed as it must be.');
    expect(text).toContain('a note');
  });

  it('leaves to the verdict what a case decides by itself', () => {
    const page = render({ one: [result('12.1.1', { expected: new Map(), received: [] })] });
    expect(textOf(page)).toContain('Expected the case decides by itself: see its verdict');
    expect(textOf(page)).toContain('Received see the verdict');
    const other = render({ one: [result('12.1.1', { expected: new Map(), received: ['text'] })] });
    expect(textOf(other)).toContain('Received text');
  });

  it('says how the connection ended', () => {
    const endings = [
      ENDING,
      { ...ENDING, isByJudge: false, judgeCode: undefined, peerReason: 'no "reason"' },
      { ...ENDING, peerCode: undefined, wasClean: false },
      { ...ENDING, hasPeerClosed: false, peerReason: undefined },
    ];
    const page = render({ one: endings.map((ending, index) => result(`1.${index}`, { ending })) });
    const found = Array.from(textOf(page).matchAll(/\(first: .*?\)/g), ([text]) => text);
    expect(found).toEqual([
      '(first: the judge; code of the judge: 1000; code of the peer: 1000; clean)',
      '(first: the peer; code of the judge: none; code of the peer: 1000; reason: "no "reason""; clean)',
      '(first: the judge; code of the judge: 1000; code of the peer: none; not clean)',
      '(first: the judge; code of the judge: 1000; no Close frame of the peer; clean)',
    ]);
    expect(textOf(render({ one: [result('1.1.1', { ending: undefined })] }))).not.toContain(
      'first',
    );
  });

  it('can be linked to, case by case, and links to its groups', () => {
    const agent = 'a "b" <c>/ä';
    const page = render({ [agent]: [result('1.1.1', { agent })] });
    expect(page).toContain(`<details id="${anchorOf(agent, '1.1.1')}">`);
    expect(page).toContain(`href="#${anchorOf(agent, '1')}"`);
    expect(page).toContain(`id="${anchorOf(agent, '1')}"`);
  });

  it('may be of nobody', () => {
    expect(textOf(render({}))).toContain('Conformance of nobody');
  });
});

describe('a hostile peer', () => {
  const HOSTILE = `</style></script><script>alert("1")</script><img src=x onerror='alert(2)'>\u202e\u0000`;

  it('puts no markup on the page, wherever it says something', () => {
    const log = new WireLog();
    log.handshake.push(HOSTILE);
    log.addNote(HOSTILE);
    log.addFrame('peer', Buffer.from('8150', 'hex'), { opcode: 1, payload: Buffer.from(HOSTILE) });
    const hostile = result('1.1.1', {
      agent: HOSTILE,
      title: HOSTILE,
      sentence: HOSTILE,
      closeSentence: HOSTILE,
      expected: new Map([[HOSTILE, [HOSTILE]]]),
      received: [HOSTILE],
      ending: { ...ENDING, peerReason: HOSTILE },
      log,
    });
    const page = render({ [HOSTILE]: [hostile] });
    expect(page).not.toMatch(/<script|<img|onerror='/);
    expect(page.match(/<\/style>/g)).toHaveLength(1);
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    expect(page).not.toMatch(/[\u0000\u202e]/);
    const tags = new Set(Array.from(page.matchAll(/<\/?([a-z0-9]+)/g), ([, name]) => name));
    const own =
      'html head meta title style body h1 p div table thead tbody tfoot tr th td a span h2 h3 details summary dl dt dd ul li pre';
    for (const tag of tags) expect(own.split(' ')).toContain(tag);
  });

  it('does not make the page long', () => {
    const long = 'x'.repeat(100_000);
    const log = new WireLog();
    log.handshake.push(long, long);
    for (let count = 0; count < 500; count++) log.addNote(long);
    const page = render({
      one: [
        result('1.1.1', {
          behavior: 'FAILED',
          sentence: long,
          closeSentence: long,
          received: Array.from({ length: 51 }, () => long),
          ending: { ...ENDING, peerReason: long.slice(0, 123) },
          log,
        }),
      ],
    });
    expect(page.length).toBeLessThan(100_000);
  });
});
