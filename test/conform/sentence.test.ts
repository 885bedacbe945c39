import { describe, expect, it } from 'vitest';
import { sentenceOf } from '../../src/conform/sentence.ts';

describe('a sentence', () => {
  it.each([
    [new Error('this'), 'this'],
    ['that', 'that'],
    [new AggregateError([new Error('one'), new Error('two')]), 'one, two'],
  ])('of %j', (thrown, sentence) => {
    expect(sentenceOf(thrown)).toBe(sentence);
  });
});
