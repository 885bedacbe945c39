/**
 * A whole run: which cases, against whom, what is shown and written, and what the exit code is. The
 * command line is read elsewhere.
 *
 * @module
 */

import { once } from 'node:events';
import { CASES } from './cases/all.ts';
import type { ConformCase } from './case.ts';
import { type FailOn, isFailure } from './fail-on.ts';
import { testServer } from './fuzz-client.ts';
import { FuzzServer } from './fuzz-server.ts';
import { type Output, Progress, summarize } from './progress.ts';
import type { Report } from './report.ts';
import type { CaseResult } from './result.ts';
import { selectCases } from './select.ts';
import type { Settings } from './settings.ts';
import { showInLine, showName } from './unseen.ts';
import { prepareReport, writeReport } from './write-report.ts';

export interface CommonOptions {
  /** Patterns, separated by commas. Default: all. */
  readonly cases?: string | undefined;
  readonly exclude?: string | undefined;
  /** The name of what is tested, in the reports. */
  readonly agent?: string | undefined;
  /** A directory for the reports. Default: none are written. */
  readonly output?: string | undefined;
  /** Default: `failed`. */
  readonly failOn?: FailOn | undefined;
  readonly settings: Settings;
  /** Where to say what is going on. */
  readonly stdout: Output;
  /** Ends the run; what came so far counts, and what is under way does not. */
  readonly signal?: AbortSignal | undefined;
}

export interface ConformServerOptions extends CommonOptions {
  readonly url: URL;
  readonly ca?: string | Buffer | undefined;
  readonly isInsecure?: boolean | undefined;
}

export interface ConformClientsOptions extends CommonOptions {
  /** 0 takes any that is free. */
  readonly port: number;
  readonly host?: string | undefined;
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer } | undefined;
  /** Whether to end when the first client says that it is done. Default: `false`. */
  readonly isOnce?: boolean | undefined;
}

export { FAIL_ON, type FailOn } from './fail-on.ts';
export type { Output } from './progress.ts';

/** 0: nothing failed. 1: something did. */
export type ExitCode = 0 | 1;

/**
 * Tests a server.
 *
 * @throws {RangeError} for a pattern that is none
 * @throws {Error} (the promise rejects) where there is no server, or a report cannot be written
 */
export async function conformServer(options: ConformServerOptions): Promise<ExitCode> {
  const {
    url,
    agent = 'server',
    settings,
    stdout,
    failOn = 'failed',
    ca,
    isInsecure,
    signal,
  } = options;
  const cases = selectFrom(options);
  if (options.output !== undefined) await prepareReport(options.output);
  stdout.write(`testing ${url.href}, cases: ${cases.length}\n`);
  const progress = new Progress(stdout, { count: cases.length, failOn });
  const results = await testServer({
    url,
    agent,
    cases,
    settings,
    ca,
    isInsecure,
    signal,
    onResult: (result) => progress.add(result),
  });
  progress.finish();
  const [first] = results;
  // Who answers the opening handshake, however wrongly, is there, and has a report.
  if (first !== undefined && results.every(({ log }) => log.handshake.length === 0)) {
    throw new Error(showInLine(first.sentence));
  }
  const agents = new Map([[agent, results]]);
  return conclude(options, cases, { tested: 'server', agents, settings, created: new Date() });
}

/**
 * Tests clients, for as long as the signal does not say otherwise.
 *
 * @throws {RangeError} for a pattern that is none
 * @throws {Error} (the promise rejects) where it cannot listen, or a report cannot be written
 */
export async function conformClients(options: ConformClientsOptions): Promise<ExitCode> {
  const { port, host, tls, agent, settings, stdout, failOn = 'failed', signal } = options;
  const cases = selectFrom(options);
  if (options.output !== undefined) await prepareReport(options.output);
  const progress = new Progress(stdout, { count: cases.length, failOn, hasManyAgents: true });
  const done = new AbortController();
  const ended = AbortSignal.any(signal === undefined ? [done.signal] : [signal, done.signal]);
  let lastReport: Promise<ExitCode> | undefined;
  /** What stands in it. */
  let reported: readonly unknown[] = [];
  /** One after another: they are written to the same files. */
  const addReport = (): Promise<ExitCode> => {
    const before = Promise.allSettled([lastReport]);
    lastReport = before.then(createReport);
    return lastReport;
  };
  const createReport = async (): Promise<ExitCode> => {
    const agents = await server.collectResults();
    reported = entriesOf(agents);
    return conclude(options, cases, { tested: 'client', agents, settings, created: new Date() });
  };
  const server = new FuzzServer({
    port,
    host,
    tls,
    cases,
    settings,
    agent,
    onResult: (result) => progress.add(result),
    onUpdate: async () => {
      progress.finish();
      // That it could not be written is for the end of the run to say.
      await Promise.allSettled([addReport()]);
      if (options.isOnce === true) done.abort();
    },
  });
  const boundPort = await server.listen();
  const address = (host ?? '127.0.0.1').includes(':') ? `[${host}]` : (host ?? '127.0.0.1');
  const scheme = tls === undefined ? 'ws' : 'wss';
  stdout.write(`listening on ${scheme}://${address}:${boundPort}, cases: ${cases.length}\n`);
  if (!ended.aborted) await once(ended, 'abort');
  await server.close();
  // What came after the last client was done counts as well.
  const entries = entriesOf(await server.collectResults());
  const hasNews =
    entries.length !== reported.length || entries.some((entry, index) => entry !== reported[index]);
  return hasNews || lastReport === undefined ? addReport() : lastReport;
}

/** All that a report of clients is made of. */
function entriesOf(agents: Report['agents']): unknown[] {
  const entries: unknown[] = [];
  for (const [agent, results] of agents) entries.push(agent, ...results);
  return entries;
}

function selectFrom({ cases = '*', exclude }: CommonOptions): ConformCase[] {
  return selectCases(CASES, cases, exclude);
}

/** Says what came out, and writes it down. */
async function conclude(
  { output, stdout, failOn = 'failed' }: CommonOptions,
  cases: readonly ConformCase[],
  report: Report,
): Promise<ExitCode> {
  let hasFailed = report.agents.size === 0;
  if (hasFailed) stdout.write('nobody was tested\n');
  for (const [agent, results] of report.agents) {
    const missing = cases.length - results.length;
    const parts = [summarize(results), missing === 0 ? '' : `${missing} not run`];
    stdout.write(`${showName(agent)}: ${parts.filter((part) => part !== '').join(', ')}\n`);
    hasFailed ||= missing > 0 || hasFailure(results, failOn);
  }
  if (output !== undefined) {
    await writeReport(output, report);
    stdout.write(`the report is ${output}/index.html\n`);
  }
  return hasFailed ? 1 : 0;
}

function hasFailure(results: readonly CaseResult[], failOn: FailOn): boolean {
  return results.some((result) => isFailure(result, failOn));
}
