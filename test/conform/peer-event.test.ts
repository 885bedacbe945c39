import { describe, expect, it } from 'vitest';
import {
  binary,
  describeEvent,
  isSameEvent,
  pong,
  text,
  timeout,
} from '../../src/conform/peer-event.ts';

const EVENTS = [text('a'), text('b'), binary(Buffer.from('a')), pong('a'), pong('b'), timeout('a')];

describe('an event', () => {
  it('is the same as one of its kind and content, and as no other', () => {
    for (const [index, event] of EVENTS.entries()) {
      const same = EVENTS.map((other) => isSameEvent(event, other));
      expect(same).toEqual(EVENTS.map((_, other) => other === index));
    }
    expect(isSameEvent(timeout('a'), timeout('b'))).toBe(false);
  });

  it.each([
    [text('Hello'), 'text, 5 bytes: "Hello"'],
    [text(''), 'text, 0 bytes'],
    [binary(Buffer.from([1])), 'binary, 1 byte: "\\u0001"'],
    [pong('x'), 'Pong, 1 byte: "x"'],
    [timeout('A'), 'nothing until timeout A'],
  ])('has words: %j', (event, words) => {
    expect(describeEvent(event)).toBe(words);
  });
});
