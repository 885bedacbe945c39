import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';

const run = promisify(execFile);

interface Bursts {
  burstOf(message: string | Buffer, count: number): Buffer;
  fragmentsOf(count: number, size: number): Buffer;
  burstsIn(script: Buffer): { bytes: Buffer; frames: number; payload: number }[];
}
const bursts: Bursts = await import(pathToFileURL('bench/load/bursts.mjs').href);

interface Figures {
  messages: number;
}

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()));
});

/** A server that writes back what it reads, behind a handshake. Resolves with its port and process. */
async function startFloor(): Promise<{ port: number; pid: number }> {
  const child = spawn(process.execPath, ['bench/servers/net.mjs', 'echo']);
  ends.push(() => {
    child.kill();
    return once(child, 'exit');
  });
  const line = await new Promise<string>((resolve) => {
    createInterface(child.stdout).once('line', resolve);
  });
  return JSON.parse(line);
}

async function load(mode: string, script: Buffer, ...flags: string[]): Promise<Figures> {
  const folder = await mkdtemp(join(tmpdir(), 'load-'));
  ends.push(() => rm(folder, { recursive: true }));
  const file = join(folder, 'script');
  await writeFile(file, script);
  const { port } = await startFloor();
  const values = ['--port', String(port), '--script', file, '--seconds', '0.1', '--warmup', '0'];
  const { stdout } = await run(process.execPath, [
    'bench/load/load.mjs',
    mode,
    ...values,
    ...flags,
  ]);
  return JSON.parse(stdout);
}

const anyNumber: unknown = expect.any(Number);
const FIGURES = {
  messages: anyNumber,
  seconds: anyNumber,
  // Of no process.
  cpu: 0,
  user: 0,
  system: 0,
  own: anyNumber,
};

describe('the load generator in Node', () => {
  it('counts the answers to bursts, in as many threads as it has processors', async () => {
    const result = await load('echo', bursts.burstOf('hello', 16), '--connections', '4');
    expect(result).toEqual(FIGURES);
    // A burst counts when all of it is there.
    expect(result.messages % 16).toBe(0);
    expect(result.messages).toBeGreaterThan(0);
  });

  it('counts a message in fragments once', async () => {
    const [burst] = bursts.burstsIn(bursts.fragmentsOf(3, 16));
    expect(burst).toMatchObject({ frames: 1, payload: 48 });
    // Three headers of 2 bytes, masking-keys of 4, and payloads.
    expect(burst!.bytes).toHaveLength(3 * (2 + 4 + 16));
    expect([0, 22, 44].map((at) => burst!.bytes[at])).toEqual([0x02, 0x00, 0x80]);
    expect(await load('echo', bursts.fragmentsOf(3, 16))).toEqual(FIGURES);
  });

  it('tells how long an honest peer waits beside one that floods', async () => {
    const flood = Buffer.concat([bursts.burstOf('hello', 1), bursts.burstOf(Buffer.alloc(1), 64)]);
    const result = await load('flood', flood, '--connections', '2', '--reads', '0');
    const latency = { p50: anyNumber, p99: anyNumber, max: anyNumber };
    expect(result).toEqual({ ...FIGURES, latency, closed: 0 });
  });

  it('fails where the answers are not those that were expected', async () => {
    const script = bursts.burstOf('hello', 1);
    script.writeUInt32LE(6, 8);
    await expect(load('echo', script)).rejects.toThrow('another size than was expected');
  });

  it('fails where there is no such mode', async () => {
    await expect(load('sing', bursts.burstOf('hello', 1))).rejects.toThrow('there is no mode sing');
  });
});
