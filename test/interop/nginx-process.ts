/** nginx, with the file that the documentation shows, in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { portOf } from '../support/loopback.ts';

const EXECUTABLE = '/usr/sbin/nginx';
const PID_FILE = 'nginx.pid';
const SHOWN = fileURLToPath(new URL('../../examples/nginx/nginx.conf', import.meta.url));

/** What stands in the file, and what a test has instead. */
export type Changes = Readonly<Record<string, string>>;

/** Whoever takes a port between our look and nginx' is not there again and again. */
const ATTEMPTS = 3;

/**
 * Starts nginx, for as long as the test lasts, before a server on port `backend` of this machine.
 * Resolves with the origin of its pages, when it listens.
 *
 * @param tls - key and certificate: then nginx speaks TLS
 * @throws {Error} where nginx is not there, or the file lacks what is to be changed
 */
export async function startNginx(
  backend: number,
  changes: Changes = {},
  tls: { readonly key: string; readonly cert: string } | null = null,
): Promise<string> {
  await access(EXECUTABLE).catch((error: unknown) => {
    const message = `there is no ${EXECUTABLE}, which this test runs: apt-get install nginx`;
    throw new Error(message, { cause: error });
  });
  const shown = change(await readFile(SHOWN, 'utf8'), {
    '127.0.0.1:3000': `127.0.0.1:${backend}`,
    ...changes,
  });
  for (let attempt = 1; ; attempt++) {
    const address = `127.0.0.1:${await findPort()}`;
    const listen =
      tls === null
        ? `listen ${address};`
        : `listen ${address} ssl; ssl_certificate cert.pem; ssl_certificate_key key.pem;`;
    const errors = await run(change(shown, { 'listen 8080;': listen }), tls);
    if (errors === null) return `${tls === null ? 'http' : 'https'}://${address}`;
    if (attempt === ATTEMPTS || !errors.includes('Address already in use')) {
      throw new Error(`nginx does not start: ${errors}`);
    }
  }
}

/** Resolves with null when nginx listens, or with its errors where it does not. */
async function run(
  shown: string,
  tls: { readonly key: string; readonly cert: string } | null,
): Promise<string | null> {
  const folder = await mkdtemp(join(tmpdir(), 'tautline-nginx-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'shown.conf'), shown);
  if (tls !== null) {
    await writeFile(join(folder, 'cert.pem'), tls.cert);
    await writeFile(join(folder, 'key.pem'), tls.key);
  }
  // What a system's own nginx.conf holds, in a folder that is ours.
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const main = `
    daemon off;
    master_process off;
    pid ${PID_FILE};
    events {}
    http {
      access_log off;
      ${paths.map((name) => `${name}_temp_path ${name};`).join('\n')}
      include ${join(folder, 'shown.conf')};
    }`;
  await writeFile(join(folder, 'main.conf'), main);
  const flags = ['-p', folder, '-c', join(folder, 'main.conf'), '-e', 'stderr'];
  const child = spawn(EXECUTABLE, flags, { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const ended = once(child, 'close');
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  // It writes this file when it has its port.
  while (child.exitCode === null && !existsSync(join(folder, PID_FILE))) await setTimeout(20);
  if (child.exitCode === null) return null;
  await ended;
  return errors;
}

/** A port that was free just now. nginx cannot tell which one it was given. */
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
    if (changed.split(before).length !== 2) throw new Error(`not once in the file: ${before}`);
    changed = changed.replace(before, after);
  }
  return changed;
}
