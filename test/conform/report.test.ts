import { describe, expect, it } from 'vitest';
import { anchorOf } from '../../src/conform/report.ts';

describe('the place of a case in a report', () => {
  it('has a name that is good in a URL, whatever the implementation is called', () => {
    expect(anchorOf('tautline', '1.1.1')).toBe('tautline-1.1.1');
    expect(anchorOf('a b/"c"', '9.1')).toBe('a_20b_2F_22c_22-9.1');
  });
});
