import { describe, expect, it } from 'vitest';
import { hex } from '../support/bytes.ts';
import { Feed, breach, violationOf } from '../support/inbound-feed.ts';

/** U+1F600, four bytes of UTF-8. */
const SMILE = hex('f0 9f 98 80');

describe.each([
  ['that the decoder looked at', true],
  ['that nobody looked at', false],
])('a text %s', (_, looks) => {
  const invalid = breach('WS_ERR_INVALID_UTF8', 1007);
  let feed: Feed;

  function begin(): void {
    feed = new Feed();
    feed.looks = looks;
  }

  it('may be cut inside a character, by the network and by the sender', () => {
    begin();
    for (let at = 1; at <= 3; at++) {
      feed.frame(1, true, SMILE.subarray(0, at), SMILE.subarray(at));
      feed.frame(1, false, 'a', SMILE.subarray(0, at));
      feed.frame(0, true, SMILE.subarray(at));
    }
    feed.frame(1, true, ...[...SMILE, 0x61].map((byte) => Buffer.of(byte)));
    const twice = ['text f09f9880', 'text 61f09f9880'];
    expect(feed.calls).toEqual([...twice, ...twice, ...twice, 'text f09f988061']);
  });

  it('may have a control frame inside a character', () => {
    begin();
    feed.frame(1, false, SMILE.subarray(0, 2));
    feed.frame(9, true, hex('ff'));
    feed.frame(0, true, SMILE.subarray(2));
    expect(feed.calls).toEqual(['control 9 ff', 'text f09f9880']);
  });

  it.each([
    ['a byte that no character begins with', 'ff'],
    ['a continuation without its beginning', '80'],
    ['an overlong form', 'c0 af'],
    ['a surrogate', 'ed a0 80'],
    ['a code point above U+10FFFF', 'f4 90 80 80'],
    ['half a character', 'f0 9f 98'],
  ])('is refused for %s', (__, bytes) => {
    begin();
    expect(violationOf(() => feed.frame(1, true, hex(bytes)))).toEqual(invalid);
    begin();
    expect(violationOf(() => feed.frame(1, true, 'abc', hex(bytes)))).toEqual(invalid);
    begin();
    feed.frame(1, false, 'abc');
    expect(violationOf(() => feed.frame(0, true, hex(bytes)))).toEqual(invalid);
    expect(feed.calls).toEqual([]);
  });

  it('is refused at its first bad byte, and not at its end', () => {
    begin();
    feed.inbound.onHead(1, true, false, 1_000);
    feed.piece(Buffer.from('fine so far '), 988);
    feed.piece(SMILE.subarray(0, 2), 986);
    expect(violationOf(() => feed.piece(hex('41'), 985))).toEqual(invalid);
  });

  it('is refused in the fragment that has the bad byte', () => {
    begin();
    feed.frame(1, false, hex('ce ba e1 bd'));
    expect(violationOf(() => feed.frame(0, false, hex('e1')))).toEqual(invalid);
  });

  it('is refused when its last fragment is empty and a character is not whole', () => {
    begin();
    feed.frame(1, false, 'a', SMILE.subarray(0, 3));
    expect(violationOf(() => feed.frame(0, true, ''))).toEqual(invalid);
  });

  it('is judged without what came before it', () => {
    begin();
    feed.frame(1, true, 'é', 'a');
    feed.frame(2, true, hex('ff'), hex('f0 9f'));
    feed.frame(1, true, 'b', 'é');
    expect(violationOf(() => feed.frame(1, true, 'c', hex('98 80')))).toEqual(invalid);
    expect(feed.calls).toEqual(['text c3a961', 'binary fff09f', 'text 62c3a9']);
  });
});
