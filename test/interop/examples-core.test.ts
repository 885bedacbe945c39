import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { connect } from 'tautline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ExampleProcess } from './example-process.ts';

const run = promisify(execFile);

describe('examples/without-io.mjs', () => {
  it('prints what docs/core.md says', async () => {
    const [, expected] = /It prints:\n\n```text\n([\s\S]*?)```/.exec(
      await readFile('docs/core.md', 'utf8'),
    )!;
    expect(await run('node', ['examples/without-io.mjs'])).toEqual({
      stdout: expected,
      stderr: '',
    });
  });

  it('has a transport of 40 lines at the most', async () => {
    const [transport = ''] = /^class MemoryTransport[\s\S]*?^}/m.exec(
      await readFile('examples/without-io.mjs', 'utf8'),
    )!;
    expect(transport).toContain('carryTo');
    expect(transport.split('\n').length).toBeLessThanOrEqual(40);
  });
});

describe('examples/client.mjs', () => {
  it('speaks with examples/echo.mjs', async () => {
    const server = await ExampleProcess.start('examples/echo.mjs');
    const { stdout } = await run('node', ['examples/client.mjs', server.url]);
    expect(stdout).toBe('hello\nclosed with 1000\n');
    expect(await server.stop()).toBe('0: ');
  });

  it('says why it cannot connect', async () => {
    const server = await ExampleProcess.start('examples/chat.mjs');
    await expect(run('node', ['examples/client.mjs', server.url])).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/HandshakeError.*status/s),
    });
    expect(await server.stop()).toBe('0: ');
  });
});

describe('examples/typed.ts', () => {
  /** Compiled as its reader does it, into the repository, where `tautline` is this package. */
  async function compile(): Promise<string> {
    await mkdir('coverage', { recursive: true });
    const folder = await mkdtemp('coverage/typed-');
    onTestFinished(() => rm(folder, { recursive: true }));
    const config = {
      extends: '../../tsconfig.json',
      compilerOptions: { noEmit: false, outDir: '.', rootDir: '../../examples' },
      include: ['../../examples/typed.ts'],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
    await run('npx', ['tsc', '-p', folder]);
    return join(folder, 'typed.js');
  }

  it('compiles, greets whom it knows, and nobody else', async () => {
    const server = await ExampleProcess.start(await compile());
    const socket = await connect(`${server.url}?token=secret`);
    socket.send('louder');
    socket.send(Buffer.alloc(2000, 'x'));
    const heard: unknown[] = [];
    for await (const message of socket) {
      heard.push(message);
      if (heard.length === 3) break;
    }
    expect(heard).toEqual(['hello, Ann', 'LOUDER', Buffer.alloc(1024, 'x')]);
    await expect(connect(server.url)).rejects.toMatchObject({ status: 401 });
    expect(await server.stop()).toBe('0: ');
    expect(await socket.closed).toMatchObject({ code: 1001 });
  });
});
