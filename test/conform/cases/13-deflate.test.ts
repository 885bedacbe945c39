import { describe, expect, it } from 'vitest';
import { DEFLATE_13 } from '../../../src/conform/cases/13-deflate.ts';

describe('group 13', () => {
  it('has 7 parts of 18 cases, in order', () => {
    const ids = [1, 2, 3, 4, 5, 6, 7].flatMap((part) =>
      Array.from({ length: 18 }, (_, index) => `13.${part}.${index + 1}`),
    );
    expect(DEFLATE_13.map(({ id }) => id)).toEqual(ids);
  });

  it('asks something else in each part', () => {
    const asked = [1, 2, 3, 4, 5, 6, 7].map((part) => {
      const conformCase = DEFLATE_13.find(({ id }) => id === `13.${part}.1`)!;
      const offers = conformCase.extension!.offer.split(', ').map((offer) => {
        const bits = /server_max_window_bits=(\d+)/.exec(offer)?.[1] ?? '0';
        return [offer.includes('server_no_context_takeover'), Number(bits)];
      });
      return [conformCase.title.split('; ')[1], offers];
    });
    expect(asked).toEqual([
      ['asked of the peer: nothing', [[false, 0]]],
      ['asked of the peer: no context takeover', [[true, 0]]],
      ['asked of the peer: a window of at most 512 bytes', [[false, 9]]],
      ['asked of the peer: a window of at most 32768 bytes', [[false, 15]]],
      ['asked of the peer: no context takeover and a window of at most 512 bytes', [[true, 9]]],
      ['asked of the peer: no context takeover and a window of at most 32768 bytes', [[true, 15]]],
      [
        'asked of the peer: no context takeover and a window of at most 512 bytes, or no context takeover, or nothing',
        [
          [true, 9],
          [true, 0],
          [false, 0],
        ],
      ],
    ]);
  });
});
