import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';

const { argv, exitCode } = process;

beforeEach(() => {
  // The module runs once for each import.
  vi.resetModules();
});

afterEach(() => {
  process.argv = argv;
  process.exitCode = exitCode;
  vi.restoreAllMocks();
});

interface Outcome {
  readonly output: string[];
  readonly errors: string[];
  readonly exitCode: typeof process.exitCode;
}

/** Runs the command. */
async function run(...flags: string[]): Promise<Outcome> {
  const log = vi.spyOn(console, 'log').mockReturnValue();
  const error = vi.spyOn(console, 'error').mockReturnValue();
  process.argv = [process.execPath, 'autobahn-client.js', ...flags];
  await import('../../src/cli/autobahn-client.ts');
  const outcome = {
    output: log.mock.calls.map(([line]) => String(line)),
    errors: error.mock.calls.map(([line]) => String(line)),
    exitCode: process.exitCode,
  };
  process.exitCode = exitCode;
  return outcome;
}

/** What one case does with its connection; it has to end it. */
type Case = (socket: WebSocket) => void;

interface FakeSuite {
  readonly url: string;
  /** The requests, in order. */
  readonly targets: string[];
  readonly server: WebSocketServer;
}

/** A fuzzing server of these cases. The answer to `/getCaseCount` may be another. */
async function startSuite(cases: readonly Case[], count?: string): Promise<FakeSuite> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  await once(server, 'listening');
  onTestFinished(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  const targets: string[] = [];
  server.on('connection', (socket, request) => {
    const target = request.url ?? '';
    targets.push(target);
    const url = new URL(target, 'ws://localhost');
    if (url.pathname === '/getCaseCount') {
      if (count !== '') socket.send(count ?? String(cases.length));
      socket.close();
    } else if (url.pathname === '/runCase') {
      cases[Number(url.searchParams.get('case')) - 1]!(socket);
    } else {
      socket.close();
    }
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  return { url: `ws://127.0.0.1:${address.port}`, targets, server };
}

/** A case that sends a message, and keeps what comes back. */
function echoes(data: string | Buffer, echoed: unknown[]): Case {
  return (socket) => {
    socket.on('message', (message: Buffer, isBinary) => {
      echoed.push(isBinary ? message : message.toString());
      socket.close(1000);
    });
    socket.send(data);
  };
}

describe('the client for Autobahn', () => {
  it('runs every case, sends back what it gets, and asks for the report', async () => {
    const echoed: unknown[] = [];
    const messages = ['', 'Grüße 🌍', '\ufeffmark', Buffer.from([0, 255]), Buffer.alloc(0)];
    const { url, targets } = await startSuite(messages.map((data) => echoes(data, echoed)));
    const { output, errors, exitCode: code } = await run('--url', `${url}/`, '--agent', 'a b&c');
    expect(echoed).toEqual(messages);
    expect(targets).toEqual([
      '/getCaseCount?agent=a+b%26c',
      ...messages.map((_, i) => `/runCase?case=${i + 1}&agent=a+b%26c`),
      '/updateReports?agent=a+b%26c',
    ]);
    expect(output).toEqual(['ran 5 cases as a b&c, of which 0 did not open']);
    expect(errors).toEqual([]);
    expect(code).toBeUndefined();
  });

  it('goes on whatever becomes of a case', async () => {
    const echoed: unknown[] = [];
    const invalid: Case = (socket) => socket.send(Buffer.from([0xff]), { binary: false });
    const { url, targets } = await startSuite([
      invalid,
      (socket) => socket.terminate(),
      echoes('still here', echoed),
    ]);
    const { output, exitCode: code } = await run('--url', url);
    expect(echoed).toEqual(['still here']);
    expect(targets.at(-1)).toBe('/updateReports?agent=tautline');
    expect(output).toEqual(['ran 3 cases as tautline, of which 0 did not open']);
    expect(code).toBeUndefined();
  });

  it('counts the cases that do not open', async () => {
    const server = new WebSocketServer({
      host: '127.0.0.1',
      port: 0,
      verifyClient: ({ req }: { req: IncomingMessage }) => !req.url!.includes('case=1&'),
    });
    await once(server, 'listening');
    onTestFinished(() => server.close());
    server.on('connection', (socket, request) => {
      if (request.url!.startsWith('/getCaseCount')) socket.send('2');
      socket.close();
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP port');
    const { output, errors } = await run('--url', `ws://127.0.0.1:${address.port}`);
    expect(output).toEqual(['ran 2 cases as tautline, of which 1 did not open']);
    expect(errors).toEqual([
      'case 1 did not open: the server answered 401 and not 101 (RFC 6455, section 4.1)',
    ]);
  });

  it('shows that it lives, every 50 cases', async () => {
    const { url } = await startSuite(
      Array.from({ length: 101 }, () => (socket: WebSocket) => socket.close()),
    );
    const { output } = await run('--url', url);
    expect(output).toEqual([
      '50 of 101 cases',
      '100 of 101 cases',
      'ran 101 cases as tautline, of which 0 did not open',
    ]);
  });

  it('holds the limits that it is told', async () => {
    const echoed: unknown[] = [];
    const codes: number[] = [];
    const closes =
      (send: Case): Case =>
      (socket) => {
        socket.on('close', (code) => codes.push(code));
        send(socket);
      };
    const { url } = await startSuite([
      closes(echoes('four', echoed)),
      closes(echoes('5five', echoed)),
      closes((socket) => {
        for (const fin of [false, false, true]) socket.send('', { fin });
      }),
    ]);
    await run('--url', url, '--max-payload', '4', '--max-fragments', '2');
    expect(echoed).toEqual(['four']);
    expect(codes).toEqual([1000, 1009, 1008]);
  });

  it.each([
    [['--deflate'], 'permessage-deflate; client_max_window_bits'],
    [[], undefined],
  ])('with %j offers the extensions %s', async (flags, extensions) => {
    const offered: unknown[] = [];
    const { url, server } = await startSuite([(socket) => socket.close()]);
    server.on('headers', (_headers, { headers }) => {
      offered.push(headers['sec-websocket-extensions']);
    });
    await run('--url', url, ...flags);
    expect(new Set(offered)).toEqual(new Set([extensions]));
    expect(offered.length).toBeGreaterThan(1);
  });

  it.each([
    ['', 'that is no number of cases: ""'],
    ['many', 'that is no number of cases: "many"'],
  ])('ends with 1 where the number of cases is %j', async (count, message) => {
    const { url } = await startSuite([], count);
    expect(await run('--url', url)).toEqual({ output: [], errors: [message], exitCode: 1 });
  });

  it('ends with 1 where nobody listens', async () => {
    const outcome = await run('--url', 'ws://localhost:1');
    expect(outcome).toMatchObject({ output: [], exitCode: 1 });
    expect(outcome.errors).toEqual([expect.stringContaining('ECONNREFUSED')]);
  });

  it.each([
    [['--url', 'localhost'], 'that is not an absolute URL'],
    [['--max-payload', '1e3'], '--max-payload takes a whole number, not "1e3"'],
    [['--max-fragments', '-1'], '--max-fragments'],
    [['--max-fragments', '0'], 'maxFragments must be a whole number'],
    [['--deflat'], "Unknown option '--deflat'"],
    [['ws://127.0.0.1:9001'], 'Unexpected argument'],
  ])('ends with 1 for %j', async (flags, message) => {
    expect(await run(...flags)).toEqual({
      output: [],
      errors: [expect.stringContaining(message)],
      exitCode: 1,
    });
  });

  it('asks the port of Autobahn by default, and says all that was wrong there', async () => {
    const connect = vi.fn<(url: string) => Promise<never>>();
    vi.doMock('../../src/index.ts', () => ({ connect }));
    onTestFinished(() => vi.doUnmock('../../src/index.ts'));
    // What Node has for a host with two addresses, at which nobody listens.
    connect.mockRejectedValue(new AggregateError([new Error('no ::1'), 'no 127.0.0.1']));
    expect(await run()).toEqual({ output: [], errors: ['no ::1, no 127.0.0.1'], exitCode: 1 });
    expect(connect.mock.calls[0]![0]).toBe('ws://127.0.0.1:9001/getCaseCount?agent=tautline');
  });
});
