import { describe, expect, it } from 'vitest';
import { hex } from '../support/bytes.ts';
import { Feed, breach, violationOf } from '../support/inbound-feed.ts';

const TEXT = 1;
const BINARY = 2;

/** Gives a frame that lies whole in its chunk, as a decoder does. */
function whole(feed: Feed, opcode: number, payload: string | Uint8Array, ascii = false): void {
  const bytes = Buffer.from(payload);
  const chunk = Buffer.concat([hex('ee ee'), bytes, hex('dd')]);
  feed.inbound.onWhole(opcode, chunk, 2, 2 + bytes.length, ascii);
}

describe('a message that comes whole', () => {
  it('is passed on where it lies', () => {
    const feed = new Feed();
    const chunk = Buffer.from('..hello.');
    feed.inbound.onWhole(TEXT, chunk, 2, 7, true);
    expect(feed.calls).toEqual(['ascii 68656c6c6f']);
    expect(feed.sink.sources[0]).toBe(chunk);
  });

  it('is a text or a binary, and may be empty', () => {
    const feed = new Feed();
    whole(feed, TEXT, '', true);
    whole(feed, BINARY, '');
    whole(feed, TEXT, 'plain');
    whole(feed, TEXT, 'é');
    whole(feed, TEXT, 'x'.repeat(200));
    whole(feed, BINARY, hex('ff'));
    const long = `text ${'78'.repeat(200)}`;
    expect(feed.calls).toEqual([
      'ascii ',
      'binary ',
      'ascii 706c61696e',
      'text c3a9',
      long,
      'binary ff',
    ]);
  });

  it('must be UTF-8 where it is a text', () => {
    for (const bad of [hex('ff'), Buffer.concat([Buffer.alloc(200, 'x'), hex('c3')])]) {
      expect(violationOf(() => whole(new Feed(), TEXT, bad))).toEqual(
        breach('WS_ERR_INVALID_UTF8', 1007),
      );
    }
  });

  it('must not stand within another', () => {
    for (const opcode of [TEXT, BINARY]) {
      const feed = new Feed();
      feed.frame(TEXT, false, 'begun');
      const refused = violationOf(() => whole(feed, opcode, 'another'));
      expect(refused).toEqual(breach('WS_ERR_CONTINUATION_EXPECTED', 1002));
    }
  });

  it('may be as large as maxPayload, and not larger', () => {
    const feed = new Feed({ maxPayload: 5 });
    whole(feed, TEXT, '12345', true);
    expect(feed.calls).toEqual(['ascii 3132333435']);
    expect(violationOf(() => whole(feed, TEXT, '123456', true))).toEqual(
      breach('WS_ERR_MESSAGE_TOO_BIG', 1009),
    );
  });

  it('is a fragment, of which there may be none', () => {
    const refused = violationOf(() => whole(new Feed({ maxFragments: 0 }), TEXT, 'x', true));
    expect(refused).toEqual(breach('WS_ERR_TOO_MANY_FRAGMENTS', 1008));
    const feed = new Feed({ maxFragments: 1 });
    whole(feed, TEXT, 'a', true);
    whole(feed, TEXT, 'b', true);
    expect(feed.calls).toEqual(['ascii 61', 'ascii 62']);
  });

  it('is one piece where pieces are wanted', () => {
    const feed = new Feed();
    feed.inbound.giveInPieces(true);
    whole(feed, TEXT, 'abc', true);
    whole(feed, BINARY, hex('ff'));
    feed.inbound.giveInPieces(false);
    whole(feed, BINARY, hex('00'));
    expect(feed.calls).toEqual(['last piece text 616263', 'last piece binary ff', 'binary 00']);
  });

  it('leaves nothing behind, whatever comes next', () => {
    const feed = new Feed();
    whole(feed, TEXT, 'a', true);
    feed.frame(TEXT, false, 'b');
    feed.frame(0, true, 'c');
    whole(feed, BINARY, hex('01'));
    expect(feed.calls).toEqual(['ascii 61', 'ascii 6263', 'binary 01']);
  });
});
