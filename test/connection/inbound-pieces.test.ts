import { afterEach, describe, expect, it, vi } from 'vitest';
import { hex } from '../support/bytes.ts';
import { Feed, breach, violationOf } from '../support/inbound-feed.ts';

/** U+1F600, four bytes of UTF-8. */
const SMILE = hex('f0 9f 98 80');
const invalid = breach('WS_ERR_INVALID_UTF8', 1007);
const tooBig = breach('WS_ERR_MESSAGE_TOO_BIG', 1009);
const tooMany = breach('WS_ERR_TOO_MANY_FRAGMENTS', 1008);

/** One that is given pieces from the first message on. */
function piecewise(limits: ConstructorParameters<typeof Feed>[0] = {}): Feed {
  const feed = new Feed(limits);
  feed.inbound.giveInPieces(true);
  return feed;
}

/** What the pieces of each message are together: `text hex` or `binary hex`. */
function joined(calls: string[]): string[] {
  const messages: string[] = [];
  let rest = '';
  for (const call of calls) {
    const [, last, kind, bytes] = /^(last )?piece (\w+) ([0-9a-f]*)$/.exec(call)!;
    rest += bytes!;
    if (last === undefined) continue;
    messages.push(`${kind} ${rest}`);
    rest = '';
  }
  expect(rest, 'a message without its last piece').toBe('');
  return messages;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a message that is given in pieces', () => {
  it('is passed on as it comes, where it lies, and nothing of it is kept', () => {
    const allocated = vi.spyOn(Buffer, 'allocUnsafeSlow');
    const { sink, inbound } = piecewise();
    const chunk = Buffer.from('..hello.');
    inbound.onHead(2, false, false, 5);
    inbound.onPayload(chunk, 2, 4, 3, true);
    inbound.onPayload(chunk, 4, 7, 0, true);
    inbound.onHead(0, true, false, 1);
    inbound.onPayload(chunk, 7, 8, 0, true);
    expect(sink.calls).toEqual([
      'piece binary 6865',
      'piece binary 6c6c6f',
      'last piece binary 2e',
    ]);
    expect(sink.sources.every((source) => source === chunk)).toBe(true);
    expect(allocated).not.toHaveBeenCalled();
  });

  it('may be a single frame, and may be empty', () => {
    const feed = piecewise();
    feed.frame(1, true, 'whole');
    feed.frame(1, true, '');
    feed.frame(2, true, '');
    feed.frame(2, false, '');
    feed.frame(0, false, '');
    feed.frame(0, true, '');
    expect(feed.calls).toEqual([
      'last piece text 77686f6c65',
      'last piece text ',
      'last piece binary ',
      'piece binary ',
      'piece binary ',
      'last piece binary ',
    ]);
  });

  it('has the type of its first frame in every piece', () => {
    const feed = piecewise();
    feed.frame(1, false, 'a');
    feed.frame(0, true, 'b');
    feed.frame(2, false, 'c');
    feed.frame(0, true, 'd');
    expect(feed.calls).toEqual([
      'piece text 61',
      'last piece text 62',
      'piece binary 63',
      'last piece binary 64',
    ]);
  });

  it('ends with its last frame, and not with any other', () => {
    const feed = piecewise();
    feed.frame(2, false, 'a', 'b');
    feed.frame(0, false, 'c');
    expect(feed.calls.some((call) => call.startsWith('last'))).toBe(false);
    feed.frame(0, true, 'd', 'e');
    expect(feed.calls.filter((call) => call.startsWith('last'))).toEqual(['last piece binary 65']);
  });

  it('lets control frames pass between its fragments', () => {
    const feed = piecewise();
    feed.frame(1, false, SMILE.subarray(0, 1));
    feed.frame(9, true, hex('ff'), hex('fe'));
    feed.frame(0, false, SMILE.subarray(1, 3));
    feed.frame(10, true, '');
    feed.frame(0, true, SMILE.subarray(3));
    expect(feed.calls).toEqual([
      'piece text f0',
      'control 9 fffe',
      'piece text 9f98',
      'control 10 ',
      'last piece text 80',
    ]);
  });

  it('must not begin inside another, nor be continued when there is none', () => {
    const feed = piecewise();
    feed.frame(1, false, 'a');
    expect(violationOf(() => feed.inbound.onHead(2, true, false, 0))).toEqual(
      breach('WS_ERR_CONTINUATION_EXPECTED', 1002),
    );
    const next = piecewise();
    next.frame(1, false, 'a');
    next.frame(0, true, 'b');
    expect(violationOf(() => next.inbound.onHead(0, true, false, 0))).toEqual(
      breach('WS_ERR_CONTINUATION_UNEXPECTED', 1002),
    );
  });

  it('is over before the sink is called with its last piece, which may throw', () => {
    const feed = piecewise();
    feed.sink.during = () => {
      throw new Error('from the sink');
    };
    expect(() => feed.frame(1, true, 'é')).toThrow('from the sink');
    expect(() => feed.frame(1, false, 'é')).toThrow('from the sink');
    feed.sink.during = () => {};
    feed.frame(0, true, 'b');
    feed.frame(1, true, 'c');
    expect(joined(feed.calls.slice(1))).toEqual(['text c3a962', 'text 63']);
  });

  it('is forgotten by release', () => {
    const feed = piecewise({ maxPayload: 4 });
    feed.frame(1, false, 'abc');
    feed.inbound.release();
    feed.frame(1, true, 'defg');
    expect(feed.calls).toEqual(['piece text 616263', 'last piece text 64656667']);
  });

  it('is still checked to its end where messages are discarded', () => {
    const feed = piecewise({ maxPayload: 5 });
    feed.frame(1, false, 'ab');
    feed.inbound.discardMessages();
    feed.frame(0, false, 'cd');
    expect(violationOf(() => feed.frame(0, true, hex('ff')))).toEqual(invalid);
    expect(violationOf(() => feed.inbound.onHead(0, true, false, 10))).toEqual(tooBig);
  });
});

describe.each([
  ['that the decoder looked at', true],
  ['that nobody looked at', false],
])('a text in pieces %s', (_, looks) => {
  function begin(): Feed {
    const feed = piecewise();
    feed.looks = looks;
    return feed;
  }

  it('has the same bytes wherever it is cut, by the network and by the sender', () => {
    const text = Buffer.from('aé語\u{1f600}z');
    for (let one = 0; one <= text.length; one++) {
      for (let two = one; two <= text.length; two++) {
        const parts = [text.subarray(0, one), text.subarray(one, two), text.subarray(two)];
        const feed = begin();
        feed.frame(1, true, ...parts.filter(({ length }) => length > 0));
        feed.frame(1, false, parts[0]!, parts[1]!);
        feed.frame(0, true, parts[2]!);
        expect(joined(feed.calls)).toEqual(Array(2).fill(`text ${text.toString('hex')}`));
      }
    }
  });

  it.each([
    ['a byte that no character begins with', 'ff'],
    ['a continuation without its beginning', '80'],
    ['an overlong form', 'c0 af'],
    ['a surrogate', 'ed a0 80'],
    ['a code point above U+10FFFF', 'f4 90 80 80'],
    ['half a character', 'f0 9f 98'],
  ])('is refused for %s, wherever it is cut', (__, bytes) => {
    const text = Buffer.concat([Buffer.from('ok é'), hex(bytes)]);
    for (let at = 0; at <= text.length; at++) {
      const feed = begin();
      expect(
        violationOf(() => {
          feed.frame(1, false, text.subarray(0, at));
          feed.frame(0, true, text.subarray(at));
        }),
      ).toEqual(invalid);
      expect(feed.calls.some((call) => call.startsWith('last'))).toBe(false);
    }
  });

  it('is refused at its first bad byte: what came before was given out', () => {
    const feed = begin();
    feed.inbound.onHead(1, true, false, 1_000);
    feed.piece(Buffer.from('fine'), 996);
    feed.piece(SMILE.subarray(0, 2), 994);
    expect(violationOf(() => feed.piece(hex('41'), 993))).toEqual(invalid);
    expect(feed.calls).toEqual(['piece text 66696e65', 'piece text f09f']);
  });

  it('is refused where its last piece is empty and a character is not whole', () => {
    const feed = begin();
    feed.frame(1, false, SMILE.subarray(0, 3));
    expect(violationOf(() => feed.frame(0, true, ''))).toEqual(invalid);
  });

  it('is judged without what came before it', () => {
    const feed = begin();
    feed.frame(1, true, 'é');
    feed.frame(2, true, hex('ff'), hex('f0 9f'));
    feed.frame(1, true, 'b');
    expect(violationOf(() => feed.frame(1, true, 'c', hex('98 80')))).toEqual(invalid);
  });
});

describe('the limits of a message in pieces', () => {
  it('allow just so many bytes, in one frame and in many', () => {
    const feed = piecewise({ maxPayload: 10 });
    feed.frame(2, true, Buffer.alloc(6), Buffer.alloc(4));
    feed.frame(2, false, Buffer.alloc(4), Buffer.alloc(1));
    feed.frame(9, true, Buffer.alloc(100));
    feed.frame(0, true, Buffer.alloc(5));
    feed.frame(2, true, Buffer.alloc(10));
    const binaries = feed.calls.filter((call) => call.includes('piece'));
    expect(joined(binaries)).toEqual(Array(3).fill(`binary ${'00'.repeat(10)}`));
  });

  it('refuse from the header what will be too big', () => {
    expect(
      violationOf(() => piecewise({ maxPayload: 10 }).inbound.onHead(2, true, false, 11)),
    ).toEqual(tooBig);
    const feed = piecewise({ maxPayload: 10 });
    feed.frame(2, false, Buffer.alloc(6));
    expect(violationOf(() => feed.inbound.onHead(0, false, false, 5))).toEqual(tooBig);
  });

  it('count fragments, empty ones too', () => {
    const feed = piecewise({ maxFragments: 3 });
    for (let i = 0; i < 2; i++) {
      feed.frame(1, false, '');
      feed.frame(0, false, '');
      feed.frame(0, true, '');
    }
    feed.frame(1, false, '');
    feed.frame(0, false, '');
    feed.frame(0, false, '');
    expect(violationOf(() => feed.inbound.onHead(0, true, false, 0))).toEqual(tooMany);
  });

  it('do not count the pieces that the network makes', () => {
    const feed = piecewise({ maxFragments: 1 });
    feed.frame(2, true, ...Array.from({ length: 100 }, () => 'x'));
    expect(joined(feed.calls)).toEqual([`binary ${'78'.repeat(100)}`]);
  });
});

describe('to be given pieces', () => {
  it('counts from the next message on', () => {
    const feed = new Feed();
    feed.frame(1, true, 'a');
    feed.inbound.giveInPieces(true);
    feed.frame(1, true, 'b');
    feed.inbound.giveInPieces(false);
    feed.frame(1, true, 'c');
    expect(feed.calls).toEqual(['ascii 61', 'last piece text 62', 'ascii 63']);
  });

  it('leaves a message that has begun as it began', () => {
    const feed = new Feed();
    feed.frame(1, false, 'a');
    feed.inbound.giveInPieces(true);
    feed.frame(9, true, '');
    feed.frame(0, true, 'é');
    feed.frame(1, false, SMILE.subarray(0, 2));
    feed.inbound.giveInPieces(false);
    feed.frame(0, false, SMILE.subarray(2));
    feed.inbound.giveInPieces(true);
    feed.inbound.giveInPieces(false);
    feed.frame(0, true, 'b');
    feed.frame(1, false, 'c');
    feed.frame(0, true, 'd');
    expect(feed.calls).toEqual([
      'control 9 ',
      'text 61c3a9',
      'piece text f09f',
      'piece text 9880',
      'last piece text 62',
      'ascii 6364',
    ]);
  });

  it('may be asked for from inside a call, in the middle of a message', () => {
    const feed = new Feed();
    feed.sink.during = () => feed.inbound.giveInPieces(true);
    feed.frame(1, true, 'a');
    feed.sink.during = () => feed.inbound.giveInPieces(false);
    feed.frame(1, true, 'b', 'c');
    feed.frame(1, true, 'd', 'e');
    expect(feed.calls).toEqual(['ascii 61', 'piece text 62', 'last piece text 63', 'ascii 6465']);
  });
});
