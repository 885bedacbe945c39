import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { Turns } from '../../src/client/turns.ts';
import { HandshakeError } from '../../src/errors.ts';

/** Takes a turn, and writes down when it came. */
function queue(turns: Turns, place: string, name: string, log: string[]): Promise<void> {
  return turns.take(place).then(() => void log.push(name));
}

/** All microtasks have run. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('Turns', () => {
  it('gives the turns of a place one by one, first come, first served', async () => {
    const turns = new Turns();
    const log: string[] = [];
    for (const name of ['first', 'second', 'third']) void queue(turns, 'a', name, log);
    await settle();
    expect(log).toEqual(['first']);
    turns.give('a');
    await settle();
    expect(log).toEqual(['first', 'second']);
    turns.give('a');
    turns.give('a');
    await settle();
    expect(log).toEqual(['first', 'second', 'third']);
  });

  it('lets nobody overtake the one whose turn has just come', async () => {
    const turns = new Turns();
    const log: string[] = [];
    await turns.take('a');
    void queue(turns, 'a', 'waited', log);
    turns.give('a');
    void queue(turns, 'a', 'came later', log);
    await settle();
    expect(log).toEqual(['waited']);
  });

  it('keeps places apart, and forgets those where nobody is', async () => {
    const turns = new Turns();
    await turns.take('a');
    await turns.take('b');
    expect(turns.size).toBe(2);
    turns.give('a');
    expect(turns.size).toBe(1);
    turns.give('b');
    expect(turns.size).toBe(0);
    await turns.take('a');
  });

  it('refuses more than may wait', async () => {
    const turns = new Turns(2);
    await turns.take('a');
    const log: string[] = [];
    void queue(turns, 'a', 'first', log);
    void queue(turns, 'a', 'second', log);
    const refused = turns.take('a');
    await expect(refused).rejects.toBeInstanceOf(HandshakeError);
    await expect(refused).rejects.toMatchObject({ code: 'WS_ERR_TOO_MANY_WAITING', status: 0 });
    await turns.take('b');
    turns.give('a');
    void queue(turns, 'a', 'third', log);
    turns.give('a');
    turns.give('a');
    await settle();
    expect(log).toEqual(['first', 'second', 'third']);
  });

  it('has room for 1,000', async () => {
    const turns = new Turns();
    const log: string[] = [];
    for (let i = 0; i <= 1_000; i++) void queue(turns, 'a', String(i), log);
    await expect(turns.take('a')).rejects.toMatchObject({ code: 'WS_ERR_TOO_MANY_WAITING' });
    for (let i = 0; i <= 1_000; i++) turns.give('a');
    await settle();
    expect(log).toHaveLength(1_001);
    expect(turns.size).toBe(0);
  });

  it('lets an attempt that is aborted leave the queue', async () => {
    const turns = new Turns(2);
    const log: string[] = [];
    const controller = new AbortController();
    await turns.take('a');
    const aborted = turns.take('a', controller.signal);
    void queue(turns, 'a', 'behind', log);
    controller.abort('enough');
    await expect(aborted).rejects.toBe('enough');
    // Its room is free again.
    void queue(turns, 'a', 'last', log);
    turns.give('a');
    turns.give('a');
    await settle();
    expect(log).toEqual(['behind', 'last']);
    turns.give('a');
    expect(turns.size).toBe(0);
  });

  it('does not take a turn away by a signal', async () => {
    const turns = new Turns();
    const controller = new AbortController();
    await turns.take('a', controller.signal);
    const second = turns.take('a', controller.signal);
    turns.give('a');
    await second;
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    controller.abort();
    expect(turns.size).toBe(1);
  });
});
