/**
 * `npm run fuzz`: fuzzes all targets, or one, for some minutes. What is found is made small, printed
 * with its seed, and written to a file that can be run again.
 *
 *     npm run fuzz -- --minutes 10 --target frames --seed 7
 *     npm run fuzz -- --replay fuzz/found/frames.txt --target frames
 *     npm run fuzz -- --grow       keeps a case for each verdict that the corpus does not have
 *
 * @module
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { keepCase, readCase, readCorpus, writeCase } from './corpus.ts';
import { Coverage } from './coverage.ts';
import { Campaign } from './engine.ts';
import type { Target } from './target.ts';
import { TARGETS } from './targets/all.ts';
import { Watch } from './watchdog.ts';

/** The compiled library: fuzz/tsconfig.json writes it there. */
const LIBRARY = '/fuzz/.build/src/';

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string' },
    target: { type: 'string' },
    replay: { type: 'string' },
    grow: { type: 'boolean', default: false },
    unguided: { type: 'boolean', default: false },
  },
});

function numberOf(text: string, name: string): number {
  const value = Number(text);
  if (text === '' || !Number.isFinite(value) || value < 0) {
    throw new TypeError(`--${name} is a number, and not ${text}`);
  }
  return value;
}

function chosen(name: string | undefined): readonly Target[] {
  if (name === undefined) return TARGETS;
  const targets = TARGETS.filter((target) => target.name === name);
  const names = TARGETS.map((target) => target.name).join(', ');
  if (targets.length === 0) throw new TypeError(`--target is one of ${names}`);
  return targets;
}

async function replay(path: string, targets: readonly Target[]): Promise<void> {
  const [target] = targets;
  if (target === undefined || targets.length > 1) throw new TypeError('--replay needs a --target');
  const { input } = readCase(path, readFileSync(path, 'utf8'));
  console.log(await target.run(input));
}

function report({ target, runs, time, kept, verdicts }: Campaign): void {
  const rate = Math.round((1_000 * runs) / Math.max(1, time));
  console.log(`${target.name}: ${runs} inputs, ${rate}/s, ${kept} kept`);
  const counts = [...verdicts].toSorted(([, one], [, other]) => other - one);
  for (const [verdict, count] of counts) console.log(`  ${String(count).padStart(8)}  ${verdict}`);
}

async function tellFound(campaign: Campaign, seed: number): Promise<void> {
  const { found, target } = campaign;
  if (found === null) return;
  console.log(`${target.name}: found with --seed ${seed}`);
  console.log(found.error.stack ?? String(found.error));
  const input = await campaign.smallest(found.input);
  const [line = ''] = found.error.message.split('\n', 1);
  const text = writeCase(target.form, input, null, `Found with seed ${seed}: ${line}`);
  mkdirSync(join('fuzz', 'found'), { recursive: true });
  const path = join('fuzz', 'found', `${target.name}.txt`);
  writeFileSync(path, text);
  console.log(`\n${text}\nnpm run fuzz -- --target ${target.name} --replay ${path}`);
}

/** A small case for each verdict that no file of the corpus has. */
async function grow(campaign: Campaign, known: ReadonlySet<string | null>): Promise<void> {
  const { target } = campaign;
  for (const [verdict, example] of campaign.examples) {
    if (known.has(verdict)) continue;
    const input = await campaign.smallest(example);
    const name = verdict
      .replace(/^WS_ERR_/, '')
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-');
    const text = writeCase(target.form, input, verdict, 'The smallest that was found.');
    console.log(`kept ${keepCase(target.name, name, text)}`);
  }
}

async function fuzz(targets: readonly Target[]): Promise<void> {
  const seed = flags.seed === undefined ? Date.now() % 1e9 : numberOf(flags.seed, 'seed');
  const time = (60_000 * numberOf(flags.minutes, 'minutes')) / targets.length;
  const coverage = flags.unguided ? null : new Coverage(LIBRARY);
  const watch = new Watch();
  let running: Campaign | null = null;
  const onLoose = (error: unknown): void => {
    if (running === null) throw error;
    running.loose ??= error instanceof Error ? error : new Error(String(error));
  };
  process.on('uncaughtException', onLoose).on('unhandledRejection', onLoose);
  console.log(`fuzz: --seed ${seed}`);
  for (const target of targets) {
    const campaign = new Campaign(target, seed, coverage, watch.see);
    running = campaign;
    const cases = readCorpus(target.name);
    await campaign.begin(cases.map(({ input }) => input));
    const end = performance.now() + time;
    await campaign.fuzz(() => performance.now() >= end);
    report(campaign);
    if (campaign.found !== null) {
      process.exitCode = 1;
      await tellFound(campaign, seed);
    } else if (flags.grow) {
      await grow(campaign, new Set(cases.map(({ verdict }) => verdict)));
    }
  }
  if (coverage !== null) console.log(`${coverage.size} characters of the library were run`);
  await watch.close();
}

const targets = chosen(flags.target);
if (flags.replay === undefined) await fuzz(targets);
else await replay(flags.replay, targets);
// Timers of connections that never end keep nobody waiting.
process.exit();
