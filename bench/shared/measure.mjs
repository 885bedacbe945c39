// One server under one load, for some seconds.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProgram, runProgram, CORE } from './processes.mjs';

/** Measures servers with a load generator, whose scripts it keeps in a folder until it is closed. */
export class Measurement {
  #generator;
  #seconds;
  #warmup;
  #scratch = mkdtempSync(join(tmpdir(), 'tautline-bench-'));

  /**
   * @param {{ command: string[], core: string }} generator
   * @param {{ seconds: string | number, warmup: string | number }} times
   */
  constructor(generator, { seconds, warmup }) {
    this.#generator = generator;
    this.#seconds = seconds;
    this.#warmup = Number(warmup);
  }

  /** Null where the server has nothing of the kind, or answered nothing. */
  async sample(server, id, workload) {
    const { mode, kind, connections, extensions, reads } = workload;
    const running = await startProgram(
      { ...server, command: [...server.command, kind] },
      CORE.measured,
    );
    try {
      if (running.refused !== undefined) return null;
      const settings = {
        port: running.port,
        pid: running.pid,
        connections,
        script: await this.#scriptOf(id, workload),
        seconds: this.#seconds,
        warmup: this.#warmup * (workload.warmups ?? 1),
        ...(extensions !== undefined && { extensions }),
        ...(reads !== undefined && { reads: reads ? 1 : 0 }),
      };
      const values = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, `${value}`]);
      const { command, core } = this.#generator;
      return sampleOf(await runProgram([...command, mode, ...values], core));
    } finally {
      await running.stop();
    }
  }

  close() {
    rmSync(this.#scratch, { recursive: true });
  }

  async #scriptOf(id, { bursts }) {
    const file = join(this.#scratch, id);
    if (!existsSync(file)) writeFileSync(file, (await bursts?.()) ?? '');
    return file;
  }
}

/** What was printed by who counted, for one message. */
export function sampleOf({ messages, seconds, cpu, user, system, own, latency, closed }) {
  if (messages === 0) return latency === undefined ? null : { latency, closed };
  const share = user + system === 0 ? 0 : system / (user + system);
  const microseconds = cpu / messages / 1e3;
  return {
    microseconds,
    user: microseconds * (1 - share),
    system: microseconds * share,
    perSecond: messages / seconds,
    load: own / 1e9 / seconds,
    ...(latency !== undefined && { latency, closed }),
  };
}

/**
 * Samples of each name, taken in rounds: in every round all, one after the other. What fails is said,
 * and is a null among the samples.
 *
 * @template T
 * @param {string[]} names
 * @param {number} rounds
 * @param {(name: string) => Promise<T | null>} take
 * @returns {Promise<Record<string, (T | null)[]>>}
 */
export async function interleave(names, rounds, take) {
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let i = 0; i < rounds; i++) {
    for (const name of names) {
      try {
        samples[name].push(await take(name));
      } catch (error) {
        console.error(`${name}: ${error.message}`);
        samples[name].push(null);
      }
    }
  }
  return samples;
}
