import { describe, expect, it } from 'vitest';
import { DEFLATE_12 } from '../../../src/conform/cases/12-deflate.ts';

describe('group 12', () => {
  it('has 5 parts of 18 cases, in order', () => {
    const ids = [1, 2, 3, 4, 5].flatMap((part) =>
      Array.from({ length: 18 }, (_, index) => `12.${part}.${index + 1}`),
    );
    expect(DEFLATE_12.map(({ id }) => id)).toEqual(ids);
  });

  it('asks nothing of the peer', () => {
    const offers = new Set(DEFLATE_12.map(({ extension }) => extension?.offer));
    expect([...offers]).toEqual([
      'permessage-deflate; client_no_context_takeover; client_max_window_bits',
    ]);
  });

  it('says what is sent', () => {
    const titles = DEFLATE_12.map(({ title }) => title);
    expect(titles[0]).toBe('Compressed messages of 16 bytes of JSON; nothing is asked of the peer');
    expect(titles.at(-1)).toBe(
      'Compressed messages of 131072 bytes of a PDF in fragments of 32768 bytes; nothing is asked of the peer',
    );
    expect(new Set(titles).size).toBe(90);
  });
});
