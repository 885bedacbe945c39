import { describe, expect, it } from 'vitest';
import { readCase, readCorpus, writeCase } from '../../fuzz/corpus.ts';
import { TARGETS } from '../../fuzz/targets/all.ts';
import { DIFFERENCES } from '../../fuzz/targets/receiver.ts';

describe.each(TARGETS)('the corpus of $name', (target) => {
  const cases = readCorpus(target.name);

  it.each(cases)('has $name, of which becomes what it says', async ({ verdict, input }) => {
    expect(await target.run(input)).toBe(verdict);
  });
});

describe('the corpus', () => {
  it('has a case for each difference to ws that is explained', () => {
    const verdicts = new Set(readCorpus('receiver').map(({ verdict }) => verdict));
    const missing = DIFFERENCES.filter(({ name }) => !verdicts.has(`differs: ${name}`));
    expect(missing.map(({ name }) => name)).toEqual([]);
  });
});

describe('a case', () => {
  const BYTES = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

  it.each(['text', 'bytes'] as const)('is read as it was written (%s)', (form) => {
    const text = writeCase(form, BYTES, 'a verdict', 'Why.');
    expect(readCase('name', text)).toEqual({ name: 'name', verdict: 'a verdict', input: BYTES });
    expect(text).toMatch(/^# Why\.\n> a verdict\n[\x20-\x7e\n]*\n$/);
  });

  it('need not say what becomes of it', () => {
    const text = writeCase('bytes', Buffer.of(1), null, 'Why.');
    expect(readCase('name', text).verdict).toBeNull();
  });

  it('is refused where a line is neither bytes nor text', () => {
    expect(() => readCase('name', '8a 0')).toThrow(SyntaxError);
    expect(() => readCase('name', '"unfinished')).toThrow(SyntaxError);
  });
});
