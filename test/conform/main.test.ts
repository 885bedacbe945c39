import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type ConformClientsOptions,
  conformClients,
  conformServer,
  type ExitCode,
} from '../../src/conform/main.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { REAL } from '../support/conform-judge.ts';
import { TextOutput } from '../support/conform-results.ts';
import { startEchoServer, visit } from '../support/conform-servers.ts';

async function makeDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'conform-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  return directory;
}

describe('a run against a server', () => {
  it('says what it does, and that all is well', async () => {
    const { url } = await startEchoServer();
    const stdout = new TextOutput();
    const code = await conformServer({
      url,
      cases: '2,6.1',
      exclude: '2.5',
      settings: REAL,
      stdout,
    });
    expect(code).toBe(0);
    expect(stdout.text).toBe(`testing ${url.href}, cases: 13\nserver: 13 OK\n`);
  });

  it('fails by a verdict, and writes all of it down', async () => {
    const { url } = await startEchoServer({ flaw: 'sends Pongs without the payload' });
    const stdout = new TextOutput();
    const output = await makeDirectory();
    const options = { url, cases: '2.1,2.2', settings: REAL, stdout, output, agent: 'echo' };
    expect(await conformServer(options)).toBe(1);
    expect(stdout.text).toContain('\n2.2 FAILED: ');
    expect(stdout.text).toContain(`echo: 1 OK, 1 FAILED\nthe report is ${output}/index.html\n`);
    const index: unknown = JSON.parse(await readFile(join(output, 'index.json'), 'utf8'));
    expect(index).toMatchObject({
      echo: { '2.1': { behavior: 'OK' }, '2.2': { behavior: 'FAILED' } },
    });
  });

  it('fails from another verdict on, if one likes', async () => {
    const { url } = await startEchoServer();
    const stdout = new TextOutput();
    const options = { url, cases: '6.4.3', settings: { ...REAL, second: 200 }, stdout };
    expect(await conformServer(options)).toBe(0);
    expect(await conformServer({ ...options, failOn: 'non-strict' })).toBe(1);
  });

  it('fails when it was ended before its time', async () => {
    const { url } = await startEchoServer();
    const stdout = new TextOutput();
    const controller = new AbortController();
    const running = conformServer({
      url,
      cases: '1.1',
      settings: REAL,
      stdout,
      signal: controller.signal,
    });
    controller.abort();
    expect(await running).toBe(1);
    expect(stdout.text).toContain('server: 8 not run\n');
  });

  it('rejects where there is no server', async () => {
    const server = await startEchoServer();
    server.close();
    const options = { url: server.url, cases: '1.1', settings: REAL, stdout: new TextOutput() };
    await expect(conformServer(options)).rejects.toThrow(/did not open: connect ECONNREFUSED/);
  });

  it('has a report of a server that refuses every handshake', async () => {
    const { url } = await startEchoServer({
      respond: () => 'HTTP/1.1 404 \u{1b}]0;pwned\u{7}\r\n\r\n',
    });
    const stdout = new TextOutput();
    const output = await makeDirectory();
    const options = { url, cases: '1.1.1,1.1.2', settings: REAL, stdout, output };
    expect(await conformServer(options)).toBe(1);
    expect(stdout.text).toContain('server: 2 FAILED; closes: 2 FAILED\n');
    expect(stdout.text).toContain(String.raw`is not a 101: "HTTP/1.1 404 \u001b]0;pwned\u0007"`);
    expect(stdout.text).not.toContain('\u{1b}');
    expect(await readFile(join(output, 'index.html'), 'utf8')).toContain('HTTP/1.1 404');
  });

  it('rejects before it begins where there can be no report', async () => {
    const { url } = await startEchoServer();
    const stdout = new TextOutput();
    const options = { url, cases: '1.1.1', settings: REAL, stdout, output: '/dev/null/no' };
    await expect(conformServer(options)).rejects.toMatchObject({ code: 'ENOTDIR' });
    expect(stdout.text).toBe('');
  });

  it('says what came out, also where the report cannot be written', async () => {
    const { url } = await startEchoServer();
    const stdout = new TextOutput();
    const output = await makeDirectory();
    await mkdir(join(output, 'index.json'));
    const options = { url, cases: '1.1.1', settings: REAL, stdout, output };
    await expect(conformServer(options)).rejects.toMatchObject({ code: 'EISDIR' });
    expect(stdout.text).toContain('server: 1 OK\n');
  });

  it('rejects what is no pattern', async () => {
    const url = new URL('ws://127.0.0.1:1');
    const options = { url, cases: 'x', settings: REAL, stdout: new TextOutput() };
    await expect(conformServer(options)).rejects.toThrow(RangeError);
  });
});

/** Starts a run that listens, and resolves with its port. */
async function listen(
  options: Partial<ConformClientsOptions> = {},
): Promise<{ port: number; stdout: TextOutput; ended: Promise<ExitCode>; stop: () => void }> {
  const stdout = new TextOutput();
  const controller = new AbortController();
  const { signal } = controller;
  const listening = new Promise<number>((resolve) => {
    const write = stdout.write.bind(stdout);
    stdout.write = (text) => {
      write(text);
      const [, port] = /:([0-9]+), cases/.exec(text) ?? [];
      if (port !== undefined) resolve(Number(port));
    };
  });
  const ended = conformClients({
    port: 0,
    cases: '1.1.1,2.2',
    settings: REAL,
    stdout,
    signal,
    ...options,
  });
  const stop = (): void => controller.abort();
  return { port: await listening, stdout, ended, stop };
}

describe('a run for clients', () => {
  it('ends with the first client, if one likes', async () => {
    const { port, stdout, ended } = await listen({ isOnce: true });
    expect(await visit(port, '/getCaseCount')).toMatchObject({ texts: ['2'] });
    await visit(port, '/runCase?case=1&agent=echo');
    await visit(port, '/runCase?case=2&agent=echo');
    await visit(port, '/updateReports?agent=echo');
    expect(await ended).toBe(0);
    expect(stdout.text).toBe(`listening on ws://127.0.0.1:${port}, cases: 2\necho: 2 OK\n`);
  });

  it('has its reports ready when it says goodbye to a client', async () => {
    const output = await makeDirectory();
    const { port, stdout, ended, stop } = await listen({ output, agent: 'nameless' });
    await visit(port, '/runCase?case=1');
    await visit(port, '/updateReports');
    const index: unknown = JSON.parse(await readFile(join(output, 'index.json'), 'utf8'));
    expect(index).toMatchObject({ nameless: { '1.1.1': { behavior: 'OK' } } });
    expect(stdout.text).toContain('nameless: 1 OK, 1 not run\n');
    stop();
    // As not all cases were run.
    expect(await ended).toBe(1);
  });

  it('fails by a verdict', async () => {
    const { port, stdout, ended } = await listen({ isOnce: true });
    await visit(port, '/runCase?case=1');
    await visit(port, '/runCase?case=2', 'sends Pongs without the payload');
    await visit(port, '/updateReports');
    expect(await ended).toBe(1);
    expect(stdout.text).toContain('client: 1 OK, 1 FAILED\n');
  });

  it('counts also what comes after the last client was done', async () => {
    const output = await makeDirectory();
    const { port, stdout, ended, stop } = await listen({ output, cases: '2.2' });
    await visit(port, '/runCase?case=1&agent=A');
    await visit(port, '/updateReports?agent=A');
    await visit(port, '/runCase?case=1&agent=B', 'sends Pongs without the payload');
    stop();
    expect(await ended).toBe(1);
    expect(stdout.text).toContain('B: 2.2 FAILED: ');
    expect(stdout.text).toContain('A: 1 OK\nB: 1 FAILED\n');
    const index: unknown = JSON.parse(await readFile(join(output, 'index.json'), 'utf8'));
    expect(index).toMatchObject({ A: { '2.2': {} }, B: { '2.2': { behavior: 'FAILED' } } });
  });

  it('writes one report after another, however many are done at once', async () => {
    const output = await makeDirectory();
    const { port, stdout, ended, stop } = await listen({ output, cases: '2.2' });
    await visit(port, '/runCase?case=1&agent=A');
    await Promise.all([1, 2, 3].map(() => visit(port, '/updateReports?agent=A')));
    stop();
    expect(await ended).toBe(0);
    const once = `A: 1 OK\nthe report is ${output}/index.html\n`;
    expect(stdout.text.endsWith(once.repeat(3))).toBe(true);
  });

  it('shows the name of a client such as it cannot be a command', async () => {
    const { port, stdout, ended, stop } = await listen({ cases: '2.2' });
    await visit(port, '/runCase?case=1&agent=%1b%5d0%3bpwned%07%0a::error::injected');
    stop();
    expect(await ended).toBe(0);
    expect(stdout.text).toContain(
      String.raw`"\u001b]0;pwned\u0007\n::error::injected": 1 OK` + '\n',
    );
  });

  it('fails when nobody came', async () => {
    const { stdout, ended, stop } = await listen({ host: '::1' });
    stop();
    expect(await ended).toBe(1);
    expect(stdout.text).toMatch(
      /^listening on ws:\/\/\[::1\]:[0-9]+, cases: 2\nnobody was tested\n$/,
    );
  });

  it('does not begin to wait when it is over already', async () => {
    const signal = AbortSignal.abort();
    const { stdout, ended } = await listen({ signal, tls: { cert: CERTIFICATE, key: KEY } });
    expect(await ended).toBe(1);
    expect(stdout.text).toContain('listening on wss://127.0.0.1:');
  });

  it('rejects where a report cannot be written', async () => {
    const output = await makeDirectory();
    await mkdir(join(output, 'index.html'));
    const { port, ended } = await listen({ isOnce: true, output });
    const failed = expect(ended).rejects.toMatchObject({ code: 'EISDIR' });
    await visit(port, '/updateReports?agent=echo');
    await failed;
    const options = { port: 0, settings: REAL, stdout: new TextOutput(), output: '/dev/null/no' };
    await expect(conformClients(options)).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});
