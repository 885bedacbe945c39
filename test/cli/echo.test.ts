import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';
import { RawPeer } from '../support/raw-peer.ts';

const { argv } = process;
const clients: WebSocket[] = [];

beforeEach(() => {
  // The module runs once for each import.
  vi.resetModules();
});

afterEach(() => {
  process.argv = argv;
  for (const client of clients.splice(0)) client.terminate();
  process.emit('SIGTERM');
  vi.restoreAllMocks();
});

/** Runs the command, and returns the line that it prints. */
async function run(...flags: string[]): Promise<string> {
  const log = vi.spyOn(console, 'log').mockReturnValue();
  process.argv = [process.execPath, 'echo.js', ...flags];
  await import('../../src/cli/echo.ts');
  expect(log).toHaveBeenCalledTimes(1);
  return String(log.mock.calls[0]![0]);
}

/** The same on a free port. Returns its URL. */
async function start(...flags: string[]): Promise<string> {
  const line = await run('--port', '0', ...flags);
  expect(line).toMatch(/^listening on wss?:\/\/127\.0\.0\.1:[1-9][0-9]*$/);
  return line.slice('listening on '.length);
}

async function connect(url: string, options: ClientOptions = {}): Promise<WebSocket> {
  const client = new WebSocket(url, { origin: 'https://example.com', ...options });
  clients.push(client);
  await once(client, 'open');
  return client;
}

async function expectEchoes(client: WebSocket): Promise<void> {
  for (const [sent, isBinary] of [
    ['Grüße 🌍', false],
    ['', false],
    [Buffer.from([0, 1, 255]), true],
    [Buffer.alloc(0), true],
  ] as const) {
    client.send(sent);
    expect(await once(client, 'message')).toEqual([Buffer.from(sent), isBinary]);
  }
}

describe('the echo server', () => {
  it('prints where it listens, and echoes texts and binaries to any origin at any path', async () => {
    await expectEchoes(await connect(`${await start()}/any/path?and=query`, { origin: 'null' }));
  });

  it('speaks TLS with --tls, by a certificate of its own for this machine', async () => {
    const url = await start('--tls');
    expect(url).toMatch(/^wss:/);
    await expect(connect(url)).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    await expectEchoes(await connect(url, { rejectUnauthorized: false }));
    const { port } = new URL(url);
    const transport = connectTls({
      host: '127.0.0.1',
      port: Number(port),
      rejectUnauthorized: false,
    });
    await once(transport, 'secureConnect');
    const certificate = transport.getPeerCertificate();
    expect(certificate.subjectaltname).toBe(
      'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    );
    transport.destroy();
  });

  it.each([
    [['--deflate'], 'permessage-deflate'],
    [[], ''],
  ])('with %j has the extensions "%s"', async (flags, extensions) => {
    const client = await connect(await start(...flags));
    expect(client.extensions).toBe(extensions);
    await expectEchoes(client);
  });

  it('says nothing on stderr otherwise', async () => {
    const error = vi.spyOn(console, 'error').mockReturnValue();
    await start('--tls', '--max-payload', '10');
    expect(error).not.toHaveBeenCalled();
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('says goodbye and stops at %s', async (signal) => {
    const before = process.listenerCount(signal);
    const url = await start();
    expect(process.listenerCount(signal)).toBe(before + 1);
    const client = await connect(url);
    const closed = once(client, 'close');
    process.emit(signal);
    expect(await closed).toEqual([1001, Buffer.alloc(0)]);
    // A second signal does what it does to any process.
    expect(process.listenerCount('SIGTERM')).toBe(before);
    expect(process.listenerCount('SIGINT')).toBe(before);
    await expect(RawPeer.connect(Number(new URL(url).port))).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
  });

  it('holds the limit of --max-payload', async () => {
    const client = await connect(await start('--max-payload', '10'));
    client.send('ten bytes!');
    expect(await once(client, 'message')).toEqual([Buffer.from('ten bytes!'), false]);
    client.send('ten bytes!!');
    expect((await once(client, 'close'))[0]).toBe(1009);
  });

  it('holds the limit of --max-fragments', async () => {
    const client = await connect(await start('--max-fragments', '2'));
    client.send('a', { fin: false });
    client.send('b', { fin: true });
    expect(await once(client, 'message')).toEqual([Buffer.from('ab'), false]);
    for (const fin of [false, false, true]) client.send('c', { fin });
    expect((await once(client, 'close'))[0]).toBe(1008);
  });

  it.each([
    [[], '127.0.0.1', 'listening on ws://127.0.0.1:9001'],
    [['--host', '::1'], '::1', 'listening on ws://[::1]:9001'],
    [['--host', 'localhost'], 'localhost', 'listening on ws://localhost:9001'],
  ])('listens on port 9001 by default: %j', async (flags, host, line) => {
    const { WebSocketServer } = await import('../../src/index.ts');
    const listen = vi.spyOn(WebSocketServer.prototype, 'listen').mockResolvedValue();
    // What it asked for is what it says, where the server does not tell.
    vi.spyOn(WebSocketServer.prototype, 'address').mockReturnValue(null);
    expect(await run(...flags)).toBe(line);
    expect(listen.mock.calls).toEqual([[{ port: 9001, host, tls: undefined }]]);
  });

  it.each([
    [['--port', 'http'], '--port takes a whole number, not "http"'],
    [['--port', ''], '--port takes a whole number, not ""'],
    [['--port=-1'], '--port takes a whole number, not "-1"'],
    [['--port', '65536'], 'port'],
    [['--port', '0', '--max-payload', '1e3'], '--max-payload takes a whole number, not "1e3"'],
    [['--port', '0', '--max-fragments', '0.5'], '--max-fragments takes a whole number'],
    [['--port', '0', '--max-fragments', '0'], 'maxFragments must be a whole number'],
    [['--prot', '0'], "Unknown option '--prot'"],
    [['9001'], 'Unexpected argument'],
  ])('refuses %j, and does not listen', async (flags, message) => {
    const log = vi.spyOn(console, 'log').mockReturnValue();
    const before = process.listenerCount('SIGTERM');
    process.argv = [process.execPath, 'echo.js', ...flags];
    await expect(import('../../src/cli/echo.ts')).rejects.toThrow(message);
    expect(log).not.toHaveBeenCalled();
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });
});
