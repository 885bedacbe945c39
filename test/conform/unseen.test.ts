import { describe, expect, it } from 'vitest';
import { showInLine, showName, showUnseen } from '../../src/conform/unseen.ts';

describe('words of a peer', () => {
  it('are shown as they are, where they can be seen', () => {
    expect(showUnseen('Größe 😀\tin\nlines')).toBe('Größe 😀\tin\nlines');
  });

  it('are shown by their numbers otherwise', () => {
    expect(showUnseen('\u{1b}]0;x\u{7}\u{202e}\r')).toBe(String.raw`\u001b]0;x\u0007\u202e\u000d`);
  });

  it('stay in one line', () => {
    expect(showInLine('a\n::error::\u2028b\tc\r')).toBe(
      String.raw`a\u000a::error::\u2028b\u0009c\u000d`,
    );
  });

  it('are no commands', () => {
    expect(showName('tautline 0.1.0 (own)')).toBe('tautline 0.1.0 (own)');
    expect(showName('::error::x')).toBe('"::error::x"');
    expect(showName('##vso[x')).toBe('"##vso[x"');
    expect(showName('a\n\u{202e}')).toBe(String.raw`"a\n\u202e"`);
    expect(showName('')).toBe('""');
  });
});
