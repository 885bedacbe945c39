import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'tautline';
import { describe, expect, it, onTestFinished } from 'vitest';

/** A script of npm, with the server that it starts. */
class Script {
  readonly npm: ChildProcess;
  /** When neither npm nor anything in its shell holds its output any more. */
  readonly closed: Promise<unknown>;
  #output = '';

  constructor(script: readonly string[]) {
    this.npm = spawn('npm', ['run', '-s', ...script], {
      env: { ...process.env, PORT: '0' },
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.npm.stdout!.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    let isOver = false;
    this.closed = once(this.npm, 'close').then(() => (isOver = true));
    onTestFinished(() => {
      if (!isOver) process.kill(-this.npm.pid!, 'SIGKILL');
    });
  }

  /** The address that it prints. */
  async url(): Promise<string> {
    const printed = (): string => /(?:ws|http):\/\/\S+/.exec(this.#output)?.[0] ?? '';
    await expect.poll(printed, { timeout: 30_000 }).not.toBe('');
    return printed();
  }
}

describe('SIGTERM to npm alone', () => {
  it.each([
    ['npm run echo', ['echo', '--', '--port', '0'], ''],
    ['npm start', ['start'], '/live/lobby'],
  ])('stops the server of %s as well', async (_name, names, path) => {
    const script = new Script(names);
    const url = await script.url();
    const address = url.replace('http', 'ws');
    const page = path === '' ? null : await fetch(url);
    const Cookie = page?.headers.getSetCookie()[0]?.split(';')[0];
    const socket = await connect(
      address + path,
      Cookie === undefined ? {} : { headers: { Cookie } },
    );
    script.npm.kill('SIGTERM');
    expect(await socket.closed).toMatchObject({ code: 1001, wasClean: true });
    await script.closed;
    await expect(connect(address)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
