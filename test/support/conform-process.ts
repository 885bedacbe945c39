/** Runs of all cases against implementations in processes of their own, and what came of them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { CASES } from '../../src/conform/cases/all.ts';
import { isFailure } from '../../src/conform/fail-on.ts';
import { testServer } from '../../src/conform/fuzz-client.ts';
import { FuzzServer } from '../../src/conform/fuzz-server.ts';
import { summarize } from '../../src/conform/progress.ts';
import type { CaseResult } from '../../src/conform/result.ts';
import { selectCases } from '../../src/conform/select.ts';
import { DEFAULT_SETTINGS, type Settings } from '../../src/conform/settings.ts';
import { ServerProcess } from './server-process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Outcome {
  /** `514 OK, 3 INFORMATIONAL`. */
  readonly summary: string;
  /** The ids of the cases that were not OK, by what they were. */
  readonly others: Readonly<Record<string, readonly string[]>>;
  /** Those whose connection was not closed well, though the case was not failed. */
  readonly closes: readonly string[];
}

/** All cases against what this command starts, which prints `listening on` its URL. */
export async function judgeServer(
  command: readonly string[],
  patterns: string,
  settings: Settings = DEFAULT_SETTINGS,
): Promise<Outcome> {
  const server = await ServerProcess.start(
    command,
    /^listening on (wss?:\/\/127\.0\.0\.1:[0-9]+)$/m,
  );
  try {
    const results = await testServer({
      url: new URL(server.url),
      agent: 'server',
      cases: selectCases(CASES, patterns),
      settings,
      isInsecure: true,
    });
    return outcomeOf(results);
  } finally {
    await server.stop();
  }
}

/** All cases against a client: the command, which is given the URL in place of `URL`. */
export async function judgeClient(
  command: readonly string[],
  patterns: string,
  settings: Settings = DEFAULT_SETTINGS,
): Promise<Outcome> {
  const cases = selectCases(CASES, patterns);
  const server = new FuzzServer({ port: 0, cases, settings });
  const url = `ws://127.0.0.1:${await server.listen()}`;
  try {
    const [program = '', ...flags] = command.map((word) => (word === 'URL' ? url : word));
    const child = spawn(program, flags, { cwd: ROOT, stdio: 'ignore' });
    await once(child, 'close');
    const [results = []] = (await server.collectResults()).values();
    return outcomeOf(results);
  } finally {
    await server.close();
  }
}

function outcomeOf(results: readonly CaseResult[]): Outcome {
  const others: Record<string, string[]> = {};
  for (const { id, behavior } of results) {
    if (behavior !== 'OK') (others[behavior] ??= []).push(id);
  }
  const closes = results.filter(
    ({ behavior, behaviorClose }) =>
      behavior !== 'FAILED' && isFailure({ behavior: 'OK', behaviorClose }, 'non-strict'),
  );
  return {
    summary: summarize(results),
    others,
    closes: closes.map(({ id, behaviorClose }) => `${id} ${behaviorClose}`),
  };
}
