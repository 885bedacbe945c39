/** HAProxy, with the file that the documentation shows, in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { portOf } from '../support/loopback.ts';

const EXECUTABLE = '/usr/sbin/haproxy';
const SHOWN = fileURLToPath(new URL('../../examples/haproxy/haproxy.cfg', import.meta.url));

/** Where its two listeners are. */
export interface Haproxy {
  readonly httpPort: number;
  readonly tcpPort: number;
}

/** What stands in the file, and what a test has instead. */
export type Changes = Readonly<Record<string, string>>;

/**
 * Starts HAProxy, for as long as the test lasts, before two servers of this machine.
 *
 * @param certificate - key and certificate in PEM: then both listeners speak TLS
 * @throws {Error} where HAProxy is not there, or the file lacks what is to be changed
 */
export async function startHaproxy(
  backends: Haproxy,
  changes: Changes = {},
  certificate: string | null = null,
): Promise<Haproxy> {
  await access(EXECUTABLE).catch((error: unknown) => {
    const message = `there is no ${EXECUTABLE}, which this test runs: apt-get install haproxy`;
    throw new Error(message, { cause: error });
  });
  const folder = await mkdtemp(join(tmpdir(), 'tautline-haproxy-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const [httpPort, tcpPort] = [await findPort(), await findPort()];
  const pem = join(folder, 'both.pem');
  if (certificate !== null) await writeFile(pem, certificate);
  const tls = certificate === null ? '' : ` ssl crt ${pem}`;
  const shown = change(await readFile(SHOWN, 'utf8'), {
    '127.0.0.1:3000': `127.0.0.1:${backends.httpPort}`,
    '127.0.0.1:3001': `127.0.0.1:${backends.tcpPort}`,
    'bind :8080': `bind 127.0.0.1:${httpPort}${tls}`,
    'bind :8081': `bind 127.0.0.1:${tcpPort}${tls}`,
    ...changes,
  });
  const file = join(folder, 'haproxy.cfg');
  await writeFile(file, shown);
  const child = spawn(EXECUTABLE, ['-db', '-q', '-f', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const ended = once(child, 'close');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  while (child.exitCode === null && !(await isThere(httpPort))) await setTimeout(20);
  if (child.exitCode !== null) throw new Error(`HAProxy does not start: ${errors}`);
  return { httpPort, tcpPort };
}

/** It does not tell when it listens. */
async function isThere(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' });
  const isOpen = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  });
  socket.destroy();
  return isOpen;
}

/** A port that was free just now. */
async function findPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

function change(text: string, changes: Changes): string {
  let changed = text;
  for (const [before, after] of Object.entries(changes)) {
    const times = changed.split(before).length - 1;
    if (times !== 1) throw new Error(`${times} times in the file: ${before}`);
    changed = changed.replace(before, after);
  }
  return changed;
}
