import { describe, expect, it } from 'vitest';
import { MAX_PER_TURN, TurnBudget } from '../../src/extension/turn-budget.ts';

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

describe('what zlib may do for one connection in a turn', () => {
  it('is spent by what is inflated', () => {
    const budget = new TurnBudget();
    expect(budget.isSpent).toBe(false);
    budget.spend(MAX_PER_TURN - 1);
    expect(budget.isSpent).toBe(false);
    budget.spend(1);
    expect(budget.isSpent).toBe(true);
  });

  it('is spent by many messages of no bytes', () => {
    const budget = new TurnBudget();
    let count = 0;
    for (; !budget.isSpent; count++) budget.spendInflated(0);
    expect(count).toBe(256);
  });

  it('is spent sooner by what is compressed, and by both together', () => {
    const one = new TurnBudget();
    one.spendDeflated(MAX_PER_TURN / 4);
    expect(one.isSpent).toBe(true);
    const both = new TurnBudget();
    both.spendDeflated(MAX_PER_TURN / 8);
    expect(both.isSpent).toBe(false);
    both.spendInflated(MAX_PER_TURN / 2);
    expect(both.isSpent).toBe(true);
  });

  it('is there again in the next turn, and not before', async () => {
    const budget = new TurnBudget();
    for (let turn = 0; turn < 3; turn++) {
      budget.spend(MAX_PER_TURN);
      await Promise.resolve();
      expect(budget.isSpent).toBe(true);
      await nextTurn();
      expect(budget.isSpent).toBe(false);
      budget.spend(MAX_PER_TURN - 1);
      expect(budget.isSpent).toBe(false);
      await nextTurn();
    }
  });

  it('is that of one connection alone', () => {
    const budgets = [new TurnBudget(), new TurnBudget()];
    budgets[0]!.spend(MAX_PER_TURN);
    budgets[1]!.spend(1);
    expect(budgets.map(({ isSpent }) => isSpent)).toEqual([true, false]);
  });

  it('is there again by the time of a setImmediate that was asked for when it was spent', async () => {
    const budget = new TurnBudget();
    const seen: boolean[] = [];
    await new Promise<void>((resolve) => {
      const next = (): void => {
        seen.push(budget.isSpent);
        budget.spend(MAX_PER_TURN);
        if (seen.length < 5) setImmediate(next);
        else resolve();
      };
      next();
    });
    expect(seen).toEqual([false, false, false, false, false]);
  });
});
