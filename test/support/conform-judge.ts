/**
 * The judge and one whom it judges, in memory: no sockets, and seconds that are short.
 */
import { duplexPair } from 'node:stream';
import type { ConformCase } from '../../src/conform/case.ts';
import { Peer } from '../../src/conform/peer.ts';
import { type CaseResult, runCase } from '../../src/conform/result.ts';
import type { Settings } from '../../src/conform/settings.ts';
import { FrameReader } from '../../src/conform/wire.ts';
import { isFailure } from '../../src/conform/fail-on.ts';
import { ConformEcho, type Flaw, type Habit } from './conform-echo.ts';

/** In memory nothing is slow, however busy the machine is: what comes back is there at once. */
export const CALM: Settings = { second: 20, messages: 3 };
/** Over sockets: a machine that is busy with other tests is slow. */
export const REAL: Settings = { second: 1000, messages: 3 };
/** For those who do not do it. */
const SHORT: Settings = { second: 2, messages: 3 };

/** Runs a case against a server, or a client, that has this flaw. */
export async function judge(
  conformCase: ConformCase,
  tested: 'server' | 'client',
  flaw?: Flaw | Habit,
  settings: Settings = flaw === undefined ? CALM : SHORT,
): Promise<CaseResult> {
  const [ours, theirs] = duplexPair();
  new ConformEcho(theirs, tested, flaw).begin();
  const peer = new Peer(ours, { role: tested === 'server' ? 'client' : 'server', settings });
  const result = await runCase(conformCase, 'echo', peer, settings);
  theirs.destroy();
  return result!;
}

/** The verdicts on a conforming echo, as lines; empty where all is well. */
export async function objectionsTo(
  cases: readonly ConformCase[],
  tested: 'server' | 'client',
  flaw?: Flaw,
): Promise<string[]> {
  const objections: string[] = [];
  for (const conformCase of cases) {
    const result = await judge(conformCase, tested, flaw);
    if (result.behavior === 'NON-STRICT' || isFailure(result, 'failed')) {
      objections.push(`${result.id} ${result.behavior} ${result.behaviorClose}`);
    }
  }
  return objections;
}

export function findCase(cases: readonly ConformCase[], id: string): ConformCase {
  const found = cases.find((one) => one.id === id);
  if (found === undefined) throw new Error(`There is no case ${id}`);
  return found;
}

export interface SentFrame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly rsv: number;
  readonly size: number;
}

/** What the judge sent to a server: its frames, and the sizes of its writes. */
export async function recordOf(
  conformCase: ConformCase,
  flaw?: Flaw,
): Promise<{ frames: SentFrame[]; writes: number[] }> {
  const [ours, theirs] = duplexPair();
  const writes: number[] = [];
  const reader = new FrameReader();
  theirs.prependListener('data', (chunk: Buffer) => {
    writes.push(chunk.length);
    // The echo unmasks the same bytes where they lie.
    reader.push(Buffer.from(chunk));
  });
  new ConformEcho(theirs, 'server', flaw).begin();
  const settings = flaw === undefined ? CALM : SHORT;
  const peer = new Peer(ours, { role: 'client', settings });
  await runCase(conformCase, 'echo', peer, settings);
  theirs.destroy();
  const frames: SentFrame[] = [];
  for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
    const { opcode, fin, rsv, payload } = frame;
    frames.push({ opcode, fin, rsv, size: payload.length });
  }
  return { frames, writes };
}
