import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';

type Body = string | Buffer;
interface Numbers {
  next(): number;
  between(least: number, most: number): number;
  pick<T>(values: readonly T[]): T;
  weigh(weights: Record<string, number>): string;
}
interface Content {
  kind: string;
  sender: number;
  sequence: number;
  body: Body;
}
interface Shape {
  size: number;
  binary: boolean;
  random: Numbers;
}
interface MessageModule {
  anySize: (random: Numbers) => number;
  tinyMessage: (sender: number, sequence: number, size: number) => string;
  makeMessage: (kind: string, sender: number, sequence: number, body: Body) => Body;
  makeSized: (kind: string, sender: number, sequence: number, shape: Shape) => Body;
  readMessage: (message: Body) => Content | null;
  sizeOf: (message: Body) => number;
}
interface RandomModule {
  Random: new (seed: string) => Numbers;
}

const urlOf = (file: string) => pathToFileURL(`soak/${file}`).href;
const messages: MessageModule = await import(urlOf('message.mjs'));
const { anySize, makeMessage, makeSized, readMessage, sizeOf, tinyMessage } = messages;
const { Random }: RandomModule = await import(urlOf('random.mjs'));

/** The smallest that says what it is. */
const HEAD_SIZE = makeMessage('E', 0, 0, '').length;

describe('the random choices of a soak', () => {
  it('are the same for the same seed, and others for another', () => {
    const numbers = (seed: string) => {
      const random = new Random(seed);
      return Array.from({ length: 5 }, () => random.between(0, 1_000_000));
    };
    expect(numbers('a')).toEqual(numbers('a'));
    expect(numbers('a')).not.toEqual(numbers('b'));
  });

  it('reach both ends of what they may be, and nothing beyond', () => {
    const random = new Random('ends');
    const seen = new Set(Array.from({ length: 200 }, () => random.between(2, 4)));
    expect(seen).toEqual(new Set([2, 3, 4]));
    expect(random.pick(['only'])).toBe('only');
  });

  it('are as frequent as their weights', () => {
    const random = new Random('weights');
    const names = Array.from({ length: 4000 }, () => random.weigh({ never: 0, one: 1, three: 3 }));
    const count = (name: string) => names.filter((other) => other === name).length;
    expect(count('never')).toBe(0);
    expect(count('three') / count('one')).toBeCloseTo(3, 0);
  });
});

describe('a message of a soak', () => {
  const random = new Random('messages');

  it.each(['text', 'binary'])('tells what it is about: %s', (type) => {
    const body = type === 'text' ? 'grüße, 語' : Buffer.from([0, 255, 128]);
    const message = makeMessage('E', 0xfedc_ba98, 17, body);
    expect(readMessage(message)).toMatchObject({
      kind: 'E',
      sender: 0xfedc_ba98,
      sequence: 17,
      body,
    });
  });

  it.each(['text', 'binary'])('is not read where any byte of it is another: %s', (type) => {
    const message = Buffer.from(makeMessage('E', 1, 2, 'abc'));
    for (let at = 0; at < message.length; at++) {
      const changed = Buffer.from(message);
      changed[at]! ^= 1;
      expect(readMessage(type === 'text' ? changed.toString() : changed)).toBeNull();
    }
  });

  it('is not read where its end is missing', () => {
    const message = Buffer.from(makeMessage('E', 1, 2, 'abc'));
    for (let end = 0; end < message.length; end++) {
      expect(readMessage(message.subarray(0, end))).toBeNull();
    }
  });

  it('has the size that was asked for, in bytes, whatever it is made of', () => {
    for (const size of [0, 1, HEAD_SIZE - 1, HEAD_SIZE, HEAD_SIZE + 1, 126, 65_537, 1024 * 1024]) {
      for (let i = 0; i < 8; i++) {
        const message = makeSized('E', 1, 2, { size, binary: i % 2 === 0, random });
        expect(sizeOf(message)).toBe(size);
        expect(typeof message).toBe(i % 2 === 0 ? 'object' : 'string');
        expect(readMessage(message) === null).toBe(size < HEAD_SIZE);
      }
    }
  });

  it('is of its sender and its number alone where it is too short to say more', () => {
    expect(makeSized('E', 1, 2, { size: 24, binary: false, random })).toBe(tinyMessage(1, 2, 24));
    expect(tinyMessage(1, 2, 8)).not.toBe(tinyMessage(1, 3, 8));
    expect(tinyMessage(1, 2, 8)).not.toBe(tinyMessage(2, 2, 8));
  });

  it('has any size up to the largest that the server takes', () => {
    const sizes = Array.from({ length: 5000 }, () => anySize(random));
    expect(Math.min(...sizes)).toBe(0);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1024 * 1024);
    expect(Math.max(...sizes)).toBeGreaterThan(1024 * 1024 - 101);
  });
});
