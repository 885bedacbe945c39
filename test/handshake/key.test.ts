import { describe, expect, it } from 'vitest';
import { acceptValue, generateKey, isKey } from '../../src/handshake/key.ts';
import { SAMPLE_ACCEPT, SAMPLE_KEY, acceptOf } from '../support/raw-http.ts';

describe('generateKey', () => {
  it('gives 16 bytes in base64', () => {
    const key = generateKey();
    const bytes = Buffer.from(key, 'base64');
    expect(bytes).toHaveLength(16);
    expect(bytes.toString('base64')).toBe(key);
  });

  it('gives another one for every connection', () => {
    expect(new Set(Array.from({ length: 1000 }, generateKey)).size).toBe(1000);
  });

  it('leaves no byte the same: all 16 are random', () => {
    const keys = Array.from({ length: 200 }, () => Buffer.from(generateKey(), 'base64'));
    for (let i = 0; i < 16; i++) {
      expect(new Set(keys.map((bytes) => bytes[i])).size).toBeGreaterThan(1);
    }
  });

  it('gives what isKey takes', () => {
    expect(isKey(generateKey())).toBe(true);
  });
});

describe('isKey', () => {
  it.each([
    SAMPLE_KEY,
    // The example of RFC 6455, section 4.1, item 7: its last character has bits that count nothing.
    'AQIDBAUGBwgJCgsMDQ4PEC==',
    'AAAAAAAAAAAAAAAAAAAAAA==',
    '//////////////////////==',
    '+++++++++++++++++++++w==',
  ])('takes %s', (key) => {
    expect(Buffer.from(key, 'base64')).toHaveLength(16);
    expect(isKey(key)).toBe(true);
  });

  it.each([
    ['nothing', ''],
    ['15 bytes', 'AAAAAAAAAAAAAAAAAAAA'],
    ['17 bytes', 'AAAAAAAAAAAAAAAAAAAAAAA='],
    ['no padding', 'dGhlIHNhbXBsZSBub25jZQ'],
    ['half the padding', 'dGhlIHNhbXBsZSBub25jZQ='],
    ['too much padding', 'dGhlIHNhbXBsZSBub25jZQ==='],
    ['padding in front', '==dGhlIHNhbXBsZSBub25jZQ'],
    ['white space in front', ' dGhlIHNhbXBsZSBub25jZQ=='],
    ['a line feed behind', 'dGhlIHNhbXBsZSBub25jZQ==\n'],
    ['white space inside', 'dGhlIHNhbXBs ZSBub25jZQ=='],
    ['base64url', '____________________-w=='],
    ['a character that base64 has not', 'dGhlIHNhbXBsZSBub25jZ!=='],
    ['a letter beyond ASCII', 'dGhlIHNhbXBsZSBub25jZ\u00df=='],
    ['padding in the middle', 'dGhlIHNhbXBs==Bub25jZQ=='],
    ['two keys', `${SAMPLE_KEY}, ${SAMPLE_KEY}`],
  ])('refuses %s', (_what, key) => {
    expect(isKey(key)).toBe(false);
  });
});

describe('acceptValue', () => {
  it('is that of RFC 6455, section 1.3, for the key of its example', () => {
    expect(acceptValue(SAMPLE_KEY)).toBe(SAMPLE_ACCEPT);
  });

  it.each(['AQIDBAUGBwgJCgsMDQ4PEC==', 'AQIDBAUGBwgJCgsMDQ4PEA==', generateKey()])(
    'takes %s exactly as received, not the bytes that it stands for',
    (key) => {
      expect(acceptValue(key)).toBe(acceptOf(key));
    },
  );
});
