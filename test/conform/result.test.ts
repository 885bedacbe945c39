import { describe, expect, it } from 'vitest';
import { CLOSING, type ConformCase } from '../../src/conform/case.ts';
import { answered } from '../../src/conform/cases/kinds.ts';
import { pong, text } from '../../src/conform/peer-event.ts';
import { failedToOpen, runCase } from '../../src/conform/result.ts';
import { WireLog } from '../../src/conform/wire-log.ts';
import { judge, REAL } from '../support/conform-judge.ts';
import { openPeer } from '../support/conform-peer.ts';

const PING = { opcode: 9, payload: Buffer.from('x') };

describe('the result of a case', () => {
  it('says what was expected, what came, and how it ended', async () => {
    const frames = [{ opcode: 1, payload: Buffer.from('hi') }];
    const before = Date.now();
    const result = await judge(
      answered({ id: '0.1', title: 'a test', frames }, [text('hi')]),
      'server',
    );
    expect(result).toMatchObject({
      id: '0.1',
      title: 'a test',
      agent: 'echo',
      behavior: 'OK',
      behaviorClose: 'OK',
      sentence: 'All came as it must.',
      closeSentence: 'The connection was closed as it must be.',
      received: ['text, 2 bytes: "hi"'],
      ending: { wasClean: true },
    });
    expect([...result.expected]).toEqual([['OK', ['text, 2 bytes: "hi"']]]);
    expect(result.started.getTime()).toBeGreaterThanOrEqual(before);
    expect(Number.isInteger(result.duration)).toBe(true);
    expect(result.log.entries).toHaveLength(5);
  });

  it('tells of fifty events, and counts the others', async () => {
    const frames = Array.from({ length: 60 }, () => PING);
    const answer = frames.map(() => pong('x'));
    const { behavior, received, expected } = await judge(
      answered({ id: '0.1', title: 'a test', frames }, answer),
      'server',
    );
    expect(behavior).toBe('OK');
    expect(received).toHaveLength(51);
    expect(received.at(-1)).toBe('and 10 more');
    expect(expected.get('OK')).toHaveLength(51);
  });

  it('drops a connection that the case has left open', async () => {
    const lazy: ConformCase = {
      id: '0.1',
      title: 'a test',
      expected: { OK: [] },
      closing: CLOSING.NORMAL,
      run: () => Promise.resolve(undefined),
    };
    const { behaviorClose, ending, log } = await judge(lazy, 'server');
    expect(behaviorClose).toBe('FAILED');
    expect(ending?.isDroppedByJudge).toBe(true);
    expect(log.entries.at(-1)?.meaning).toBe('drops TCP: the case is over');
  });

  it('has an end, whatever the case and the peer do', async () => {
    const endless: ConformCase = {
      id: '0.1',
      title: 'a test',
      expected: {},
      closing: CLOSING.NORMAL,
      run: async (peer) => {
        await peer.ended;
        return undefined;
      },
    };
    // 600 seconds.
    const settings = { second: 0.1, messages: 1 };
    const { behavior, log } = await judge(endless, 'server', undefined, settings);
    expect(behavior).toBe('FAILED');
    expect(log.entries.at(-1)?.meaning).toBe('drops TCP: the case takes too long');
  });

  it.each(['before', 'meanwhile'])('is none where the run was ended %s', async (when) => {
    const { peer } = openPeer('client');
    const controller = new AbortController();
    const { signal } = controller;
    if (when === 'before') controller.abort();
    const conformCase = answered({ id: '0.1', title: 'a test', frames: [PING] }, [pong('x')]);
    const running = runCase(conformCase, 'echo', peer, REAL, signal);
    controller.abort();
    expect(await running).toBeUndefined();
    expect(peer.log.entries.at(-1)?.meaning).toBe('drops TCP: the run is ended');
  });

  it('is FAILED where there was no connection', () => {
    const conformCase = answered({ id: '0.1', title: 'a test', frames: [] }, []);
    const log = new WireLog();
    expect(failedToOpen(conformCase, 'echo', 'Nobody there.', log)).toMatchObject({
      id: '0.1',
      agent: 'echo',
      behavior: 'FAILED',
      behaviorClose: 'FAILED',
      sentence: 'Nobody there.',
      duration: 0,
      received: [],
      ending: undefined,
      log,
    });
  });
});
