import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { ConformCase } from '../../src/conform/case.ts';
import { DEFLATE_12 } from '../../src/conform/cases/12-deflate.ts';
import { DEFLATE_13 } from '../../src/conform/cases/13-deflate.ts';
import { testServer } from '../../src/conform/fuzz-client.ts';
import { FuzzServer } from '../../src/conform/fuzz-server.ts';
import type { CaseResult } from '../../src/conform/result.ts';
import { DEFAULT_SETTINGS } from '../../src/conform/settings.ts';
import { echoAt, type Fault, FAULTS, serveEcho } from '../support/conform-deflate-peer.ts';

/** `CONFORM_MESSAGES=1000` is the official length. */
const MESSAGES = Number(process.env['CONFORM_MESSAGES'] ?? 20);
const CASES: readonly ConformCase[] = [...DEFLATE_12, ...DEFLATE_13];
const ECHO = fileURLToPath(new URL('../support/ws-echo.mjs', import.meta.url));

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill();
});

function run(...args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [ECHO, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

async function judgeWsServer(options: object, messages: number): Promise<CaseResult[]> {
  const child = run('server', JSON.stringify(options));
  const [port] = await once(child.stdout!, 'data');
  const url = new URL(`ws://127.0.0.1:${Number(port)}`);
  return testServer({
    url,
    agent: 'ws',
    cases: CASES,
    settings: { ...DEFAULT_SETTINGS, messages },
  });
}

async function judgeWsClient(options: object, messages: number): Promise<readonly CaseResult[]> {
  const settings = { ...DEFAULT_SETTINGS, messages };
  const server = new FuzzServer({ port: 0, cases: CASES, settings });
  const port = await server.listen();
  const url = `ws://127.0.0.1:${port}`;
  await once(run('client', url, String(CASES.length), JSON.stringify(options)), 'exit');
  const results = await server.collectResults();
  await server.close();
  return results.get('ws')!;
}

function expectAll(results: readonly CaseResult[], behavior: string): void {
  const others = results.filter(
    (result) => result.behavior !== behavior || result.behaviorClose !== 'OK',
  );
  expect(others.map(({ id, sentence, closeSentence }) => [id, sentence, closeSentence])).toEqual(
    [],
  );
  expect(results.length).toBe(216);
}

const LONG = 15 * 60_000;

describe('ws 8.23.0', () => {
  it('passes all 216 cases as a server', { timeout: LONG }, async () => {
    expectAll(await judgeWsServer({ perMessageDeflate: true }, MESSAGES), 'OK');
  });

  it('passes all 216 cases as a client', { timeout: LONG }, async () => {
    expectAll(await judgeWsClient({ perMessageDeflate: true }, MESSAGES), 'OK');
  });

  it('implements none of them without permessage-deflate', { timeout: LONG }, async () => {
    expectAll(await judgeWsServer({ perMessageDeflate: false }, 1), 'UNIMPLEMENTED');
    expectAll(await judgeWsClient({ perMessageDeflate: false }, 1), 'UNIMPLEMENTED');
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
    expectAll(await judge(CASES), 'OK');
  });

  it.each([...FAULTS.keys()])('with a fault fails wherever it shows: %s', async (fault) => {
    const cases = CASES.filter((conformCase) => showsIn(fault, conformCase));
    const results = await judge(cases, fault);
    const passed = results.filter(({ behavior }) => behavior !== 'FAILED');
    expect(passed.map(({ id }) => id)).toEqual([]);
    expect(results.length).toBeGreaterThan(0);
  });
});
