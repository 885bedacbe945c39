import { describe, expect, it } from 'vitest';
import type { ConformCase } from '../../src/conform/case.ts';
import { DEFLATE_12 } from '../../src/conform/cases/12-deflate.ts';
import { DEFLATE_13 } from '../../src/conform/cases/13-deflate.ts';
import { testServer } from '../../src/conform/fuzz-client.ts';
import { FuzzServer } from '../../src/conform/fuzz-server.ts';
import type { CaseResult } from '../../src/conform/result.ts';
import { DEFAULT_SETTINGS } from '../../src/conform/settings.ts';
import {
  judgeClient as judgeClientProcess,
  judgeServer as judgeServerProcess,
} from '../support/conform-process.ts';
import { echoAt, type Fault, FAULTS, serveEcho } from '../support/conform-deflate-peer.ts';

/** `CONFORM_MESSAGES=1000` is the official length. */
const MESSAGES = Number(process.env['CONFORM_MESSAGES'] ?? 20);
const LONG = 40 * 60_000;
const CASES: readonly ConformCase[] = [...DEFLATE_12, ...DEFLATE_13];

/** As `ws-server.mjs` and `ws-client.mjs` are started with these options of ws. */
async function judgeWs(options: object, messages: number): Promise<unknown[]> {
  const settings = { ...DEFAULT_SETTINGS, messages };
  const flags = JSON.stringify(options);
  const server = ['node', 'test/conform-full/ws-server.mjs', flags];
  const client = ['node', 'test/conform-full/ws-client.mjs', 'URL', flags];
  const outcomes = [
    await judgeServerProcess(server, '12,13', settings),
    await judgeClientProcess(client, '12,13', settings),
  ];
  return outcomes.map(({ summary, closes }) => [summary, closes]);
}

describe('ws 8.23.0', () => {
  it('passes all 216 cases in both roles', { timeout: LONG }, async () => {
    const outcomes = await judgeWs({ perMessageDeflate: true }, MESSAGES);
    expect(outcomes).toEqual([
      ['216 OK', []],
      ['216 OK', []],
    ]);
  });

  it('implements none of them without permessage-deflate', async () => {
    const outcomes = await judgeWs({ perMessageDeflate: false }, 1);
    expect(outcomes).toEqual([
      ['216 UNIMPLEMENTED', []],
      ['216 UNIMPLEMENTED', []],
    ]);
  });
});

/** The part of group 13, or 0. */
function partOf({ id }: ConformCase): number {
  return id.startsWith('13.') ? Number(id.split('.')[1]) : 0;
}

function sizeOf({ title }: ConformCase): number {
  return Number(/of (\d+) bytes/.exec(title)![1]);
}

/** Whether the fault must show in so few messages of such a case. */
function showsIn(fault: Fault, conformCase: ConformCase): boolean {
  const part = partOf(conformCase);
  const size = sizeOf(conformCase);
  if (fault === 'a context that should be forgotten') {
    return [2, 5, 6, 7].includes(part) && size >= 256;
  }
  if (fault === 'a window that is too large') return [3, 5, 7].includes(part) && size >= 1024;
  // The noise of the bitmap hardly repeats.
  if (fault === 'an inflater that forgets')
    return !conformCase.id.startsWith('12.2') && size >= 1024;
  // Whoever is silent is waited for.
  return fault !== 'silence' || conformCase.id.endsWith('.1');
}

const OFFER = 'permessage-deflate; client_max_window_bits';
/** The silent are waited for. */
const SETTINGS = { second: 20, messages: 4 };

async function judgeServer(cases: readonly ConformCase[], fault?: Fault): Promise<CaseResult[]> {
  const { url, server } = await serveEcho({ fault });
  const results = await testServer({ url, agent: 'a', cases, settings: SETTINGS });
  server.close();
  return results;
}

async function judgeClient(
  cases: readonly ConformCase[],
  fault?: Fault,
): Promise<readonly CaseResult[]> {
  const server = new FuzzServer({ port: 0, cases, settings: SETTINGS });
  const port = await server.listen();
  for (let number = 1; number <= cases.length; number++) {
    const url = new URL(`ws://127.0.0.1:${port}/runCase?case=${number}&agent=a`);
    await echoAt(url, OFFER, fault);
  }
  const results = await server.collectResults();
  await server.close();
  return results.get('a')!;
}

describe.each([
  ['server', judgeServer],
  ['client', judgeClient],
])('a %s', (_role, judge) => {
  it('without a fault passes', async () => {
    const results = await judge(CASES);
    const others = results.filter(
      ({ behavior, behaviorClose }) => behavior !== 'OK' || behaviorClose !== 'OK',
    );
    expect(others.map(({ id, sentence }) => [id, sentence])).toEqual([]);
    expect(results.length).toBe(216);
  });

  it.each([...FAULTS.keys()])('with a fault fails wherever it shows: %s', async (fault) => {
    const cases = CASES.filter((conformCase) => showsIn(fault, conformCase));
    const results = await judge(cases, fault);
    const passed = results.filter(({ behavior }) => behavior !== 'FAILED');
    expect(passed.map(({ id }) => id)).toEqual([]);
    expect(results.length).toBeGreaterThan(0);
  });
});
