import { describe, expect, it } from 'vitest';
import { Campaign } from '../../fuzz/engine.ts';
import { mutateBytes } from '../../fuzz/mutation.ts';
import { Random } from '../../fuzz/random.ts';
import { type Target, check, checkSame } from '../../fuzz/target.ts';

/** Has a fault where three bytes stand one behind the other, and notes what it was given. */
class Faulty implements Target {
  readonly name = 'faulty';
  readonly form = 'bytes';
  readonly inputs: string[] = [];

  generate(random: Random): Buffer {
    return random.bytes(20);
  }

  mutate(random: Random, input: Buffer, other: Buffer): Buffer {
    return mutateBytes(random, input, other);
  }

  run(input: Buffer): string {
    this.inputs.push(input.toString('hex'));
    const at = input.indexOf(0xff);
    if (at === -1) return 'nothing';
    check(input[at + 1] !== 0xff, 'two of them', at);
    input.fill(0);
    return 'one';
  }
}

function campaign(seed: number): { target: Faulty; run: Campaign } {
  const target = new Faulty();
  return { target, run: new Campaign(target, seed, null) };
}

/** Ends it after so many inputs. */
function after(run: Campaign, count: number): () => boolean {
  return () => run.runs >= count;
}

describe('a campaign', () => {
  it('finds a fault, and makes the input small that shows it', async () => {
    const { run } = campaign(1);
    await run.fuzz(after(run, 50_000));
    expect(run.found?.error.message).toContain('two of them');
    expect(run.found?.input.includes(Buffer.of(0xff, 0xff))).toBe(true);
    expect(await run.smallest(run.found!.input)).toEqual(Buffer.of(0xff, 0xff));
  });

  it('runs the same inputs for the same seed, and others for another', async () => {
    const [one, same, other] = await Promise.all(
      [7, 7, 8].map(async (seed) => {
        const { target, run } = campaign(seed);
        await run.fuzz(after(run, 60));
        return target.inputs;
      }),
    );
    expect(one!.length).toBeGreaterThan(20);
    expect(same).toEqual(one);
    expect(other).not.toEqual(one);
  });

  it('counts what became of the inputs, with an example of each as it was given', async () => {
    const { run } = campaign(1);
    await run.begin([Buffer.of(1), Buffer.of(2), Buffer.of(0xff)]);
    expect([...run.verdicts]).toEqual([
      ['nothing', 2],
      ['one', 1],
    ]);
    expect(run.examples.get('one')).toEqual(Buffer.of(0xff));
  });

  it('finds what was thrown where nobody could catch it', async () => {
    const { run } = campaign(1);
    run.loose = new Error('from a callback');
    await run.begin([Buffer.of(1)]);
    expect(run.found?.error.message).toBe('from a callback');
  });

  it('has each input shown to who watches, before it is run', async () => {
    const seen: Buffer[] = [];
    const run = new Campaign(new Faulty(), 1, null, (input) => seen.push(input));
    await run.begin([Buffer.of(1), Buffer.of(2)]);
    expect(seen).toEqual([Buffer.of(1), Buffer.of(2)]);
  });
});

describe('a check', () => {
  it('says what does not hold, with the values', () => {
    expect(() => checkSame([1], [2], 'they differ')).toThrow('they differ\n    [1]\n    [2]');
    expect(() => checkSame([1], [1], 'they differ')).not.toThrow();
  });
});

describe('chance', () => {
  it('is the same for the same seed, and spread over all values', () => {
    const values = Array.from(
      { length: 2_000 },
      (
        (random) => () =>
          random.below(10)
      )(new Random(3)),
    );
    const again = new Random(3);
    expect(values.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => again.below(10)));
    for (let value = 0; value < 10; value++) {
      expect(values.filter((one) => one === value).length).toBeGreaterThan(100);
    }
  });

  it('has nothing to pick from an empty list', () => {
    expect(() => new Random(1).pick([])).toThrow(RangeError);
  });
});
