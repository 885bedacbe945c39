import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { conform, USAGE } from '../../src/cli/conform.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { TextOutput } from '../support/conform-results.ts';
import { startEchoServer } from '../support/conform-servers.ts';

const main = vi.hoisted(() => ({ conformServer: vi.fn(), conformClients: vi.fn() }));
vi.mock(import('../../src/conform/main.ts'), async (original) => {
  const real = await original();
  main.conformServer.mockImplementation(real.conformServer);
  main.conformClients.mockImplementation(real.conformClients);
  return { ...real, ...main };
});

afterEach(() => {
  vi.clearAllMocks();
});

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const stdout = new TextOutput();
  const stderr = new TextOutput();
  const code = await conform(args, { stdout, stderr, signal: AbortSignal.timeout(60_000) });
  return { code, out: stdout.text, err: stderr.text };
}

async function writeFiles(): Promise<{ cert: string; key: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'conform-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
  await Promise.all([writeFile(cert, CERTIFICATE), writeFile(key, KEY)]);
  return { cert, key };
}

describe('tautline conform', () => {
  it('says how it is used', async () => {
    for (const flag of ['--help', '-h']) {
      expect(await run(flag)).toEqual({ code: 0, out: USAGE, err: '' });
    }
  });

  it('tests a server', async () => {
    const { url } = await startEchoServer();
    const { code, out, err } = await run(url.href, '--cases', '1.1.1,1.2.1', '--exclude', '1.2');
    expect([code, err]).toEqual([0, '']);
    expect(out).toBe(`testing ${url.href}, cases: 1\nserver: 1 OK\n`);
  });

  it('ends with 1 where something failed', async () => {
    const { url } = await startEchoServer({ flaw: 'echoes twice' });
    expect(await run(url.href, '--cases', '1.1.1')).toMatchObject({ code: 1, err: '' });
  });

  it('ends with 2 where there is nothing to test', async () => {
    const server = await startEchoServer();
    server.close();
    const { code, err } = await run(server.url.href, '--cases', '1.1.1');
    expect(code).toBe(2);
    expect(err).toMatch(/^The connection did not open: connect ECONNREFUSED .*\n$/);
  });

  it('takes the flags for a server', async () => {
    main.conformServer.mockResolvedValueOnce(0);
    const { cert } = await writeFiles();
    const flags = [
      '--messages',
      '7',
      '--fail-on',
      'non-strict',
      '--output',
      'out',
      '--agent',
      'me',
    ];
    expect(await run('wss://localhost:1', ...flags, '--insecure', '--ca', cert)).toMatchObject({
      code: 0,
    });
    expect(main.conformServer.mock.lastCall?.[0]).toMatchObject({
      url: new URL('wss://localhost:1'),
      settings: { second: 1000, messages: 7 },
      failOn: 'non-strict',
      output: 'out',
      agent: 'me',
      isInsecure: true,
      ca: Buffer.from(CERTIFICATE),
    });
  });

  it('takes the flags for clients', async () => {
    main.conformClients.mockResolvedValue(1);
    const { cert, key } = await writeFiles();
    const flags = ['--host', '::1', '--once', '--cert', cert, '--key', key];
    expect(await run('--listen', '9001', ...flags)).toMatchObject({ code: 1 });
    expect(main.conformClients.mock.lastCall?.[0]).toMatchObject({
      port: 9001,
      host: '::1',
      isOnce: true,
      tls: { cert: Buffer.from(CERTIFICATE), key: Buffer.from(KEY) },
      settings: { messages: 100 },
      failOn: 'failed',
    });
    await run('--listen', '0');
    const [last] = main.conformClients.mock.lastCall ?? [];
    expect(last).toMatchObject({ isOnce: undefined, tls: undefined });
  });

  it.each([
    [[], 'either one URL or --listen PORT'],
    [['ws://a', '--listen', '1'], 'either one URL or --listen PORT'],
    [['ws://a', 'ws://b'], 'either one URL or --listen PORT'],
    [['http://a'], 'This is no URL of a WebSocket server: "http://a"'],
    [['nonsense'], 'This is no URL of a WebSocket server: "nonsense"'],
    [['ws://a', '--fail-on', 'x'], '--fail-on takes one of failed, non-strict, unimplemented'],
    [['ws://a', '--messages', '0'], '--messages takes a whole number from 1 on, not "0"'],
    [['--listen', 'x'], '--listen takes a whole number from 0 on, not "x"'],
    [['--listen', '1', '--cert', 'package.json'], '--cert and --key go together'],
    [['--listen', '1', '--key', '/no/such/file'], 'ENOENT'],
    [['ws://a', '--once'], '--once is for --listen'],
    [['ws://a', '--host', '::1'], '--host is for --listen'],
    [['--listen', '1', '--insecure'], '--insecure is for a URL'],
    [['--listen', '1', '--ca', 'package.json'], '--ca is for a URL'],
    [['ws://a:secret@b'], 'A user and a password in the URL would not be sent'],
    [['--nonsense'], "Unknown option '--nonsense'"],
  ])('does not take %j', async (args, reason) => {
    const { code, out, err } = await run(...args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(reason);
  });

  it('says what was thrown, whatever that is', async () => {
    main.conformServer.mockRejectedValueOnce('a string');
    expect(await run('ws://a')).toMatchObject({ code: 2, err: 'a string\n' });
  });
});
