import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';

type Soak = ChildProcessByStdio<null, Readable, Readable>;

function startSoak(flags: string[], environment: Record<string, string> = {}): Soak {
  const load = ['--connections', '16', '--pace', '300', '--seed', 'short'];
  return spawn(process.execPath, ['soak/run.mjs', ...load, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
}

async function endOf(soak: Soak): Promise<{ code: unknown; output: string; errors: string }> {
  const [[code], output, errors] = await Promise.all([
    once(soak, 'exit'),
    text(soak.stdout),
    text(soak.stderr),
  ]);
  return { code, output, errors };
}

/** How often, as the table says. */
function countOf(output: string, name: string): number {
  const [, count = ''] = new RegExp(`^ +${name} +([0-9,]+)$`, 'm').exec(output) ?? [];
  return Number(count.replaceAll(',', ''));
}

describe('a short soak', () => {
  it.each([
    { where: 'in networks of their own, where they can be had', flags: [] },
    { where: 'on one machine', flags: ['--no-networks'] },
  ])(
    'finds that nothing is lost and nothing left behind $where',
    async ({ flags }) => {
      const { code, output, errors } = await endOf(startSoak(['--minutes', '0.1', ...flags]));
      expect(code, output).toBe(0);
      expect(errors).toBe('');
      for (const name of ['echoed', 'honest', 'hostile', 'to the server', 'to clients'])
        expect(countOf(output, name), name).toBeGreaterThan(0);
      expect(output).not.toContain('not as it must be');
    },
    120_000,
  );

  it('fails, and says by which seed, where a server sends a message twice', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'soak-'));
    try {
      const file = join(folder, 'twice.mjs');
      const library = pathToFileURL(resolve('dist/index.js')).href;
      await writeFile(
        file,
        `import { Socket } from '${library}';
        const { sendText } = Socket.prototype;
        let count = 0;
        Socket.prototype.sendText = function (...values) {
          if (process.argv[1].endsWith('server.mjs') && count++ % 10 === 0) sendText.apply(this, values);
          return sendText.apply(this, values);
        };`,
      );
      const soak = startSoak(['--minutes', '0.1'], {
        NODE_OPTIONS: `--import=${pathToFileURL(file).href}`,
      });
      const { code, output } = await endOf(soak);
      expect(code, output).toBe(1);
      expect(output).toContain('not as it must be (--seed short):');
      expect(countOf(output, 'duplicated')).toBeGreaterThan(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  }, 120_000);

  it('ends before its time at a signal, with what it has seen', async () => {
    const soak = startSoak(['--minutes', '60']);
    const ended = endOf(soak);
    await once(soak.stdout, 'data');
    soak.kill('SIGINT');
    const { code, output } = await ended;
    expect(code, output).toBe(0);
    expect(output).toContain('close codes at the server');
  }, 120_000);

  it('does not begin with what is no number', async () => {
    const { code, errors } = await endOf(startSoak(['--minutes', 'many']));
    expect(code).toBe(1);
    expect(errors).toContain('--minutes takes a number above 0, not "many"');
  });
});
