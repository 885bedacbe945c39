import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ConnectOptions, connect } from 'tautline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ExampleProcess } from './example-process.ts';

const SECRET = 'the secret of this test';

function start(): Promise<ExampleProcess> {
  return ExampleProcess.start('examples/authenticated.mjs', { SECRET });
}

/** The example, pasted into a program that has a second route, without data. */
async function startBesideOthers(): Promise<ExampleProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'tautline-authenticated-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, 'node_modules'));
  const root = fileURLToPath(new URL('../..', import.meta.url));
  await symlink(root, join(folder, 'node_modules/tautline'));
  const example = await readFile(join(root, 'examples/authenticated.mjs'), 'utf8');
  const file = join(folder, 'server.mjs');
  await writeFile(file, example.replace('await server.listen', "server.route('/public', {});\n$&"));
  return await ExampleProcess.start(file, { SECRET });
}

/** A cookie as the login makes it, of which `secret` may be wrong. */
function cookieOf(user: string, expires: number, secret: string = SECRET): string {
  const payload = Buffer.from(JSON.stringify({ user, expires })).toString('base64url');
  return `${payload}.${createHmac('sha256', secret).update(payload).digest('base64url')}`;
}

const HOUR = 3_600_000;

const withCookie = (cookie: string): ConnectOptions => ({
  headers: { Cookie: `session=${cookie}` },
});
const withToken = (Authorization: string): ConnectOptions => ({ headers: { Authorization } });

describe('examples/authenticated.mjs', () => {
  it('knows a page by its cookie, and a program by its token', async () => {
    const server = await start();
    const origin = 'https://example.com';
    const page = await connect(server.url, {
      ...withCookie(cookieOf('Änn', Date.now() + HOUR)),
      origin,
    });
    page.send('hello');
    expect(await once(page, 'message')).toEqual(['Änn said hello', false]);

    const program = await connect(server.url, withToken('bearer token of Ben'));
    program.send('hello');
    expect(await once(program, 'message')).toEqual(['Ben said hello', false]);

    expect(await server.stop()).toBe('0: ');
    expect(await page.closed).toMatchObject({ code: 1001 });
  });

  it('takes a token that is valid beside a cookie that is not', async () => {
    const server = await start();
    for (const cookie of [cookieOf('Ann', Date.now() - 1), cookieOf('Ann', 0, 'another'), 'x']) {
      const headers = { Cookie: `session=${cookie}`, Authorization: 'Bearer token of Ben' };
      const program = await connect(server.url, { headers });
      program.send('hello');
      expect(await once(program, 'message')).toEqual(['Ben said hello', false]);
    }
    expect(await server.stop()).toBe('0: ');
  });

  it('answers 401 to everybody else, before there is a WebSocket', async () => {
    const server = await start();
    const later = Date.now() + HOUR;
    const [payload = '', signature = ''] = cookieOf('Ann', later).split('.');
    const forged = Buffer.from(JSON.stringify({ user: 'Ben', expires: later }));
    const strangers: ConnectOptions[] = [
      {},
      withCookie(''),
      withCookie('.'),
      withCookie(payload),
      withCookie(`${payload}.`),
      withCookie(`${payload}.${signature.slice(1)}`),
      withCookie(`${forged.toString('base64url')}.${signature}`),
      withCookie(cookieOf('Ann', later, 'another secret')),
      withCookie(cookieOf('Ann', Date.now() - 1)),
      withToken('Bearer'),
      withToken('Bearer '),
      withToken('Bearer token of Ann'),
      withToken('Basic token of Ben'),
    ];
    for (const options of strangers) {
      const refused = connect(server.url, options);
      await expect(refused).rejects.toMatchObject({
        status: 401,
        headers: expect.arrayContaining([['www-authenticate', 'Bearer']]),
      });
    }
    expect(await server.stop()).toBe('0: ');
  });

  it('lets no other page use the cookie', async () => {
    const server = await start();
    const cookie = withCookie(cookieOf('Ann', Date.now() + HOUR));
    for (const origin of ['https://example.org', 'http://example.com', 'null', server.at('/')]) {
      const refused = connect(server.url, { ...cookie, origin });
      await expect(refused).rejects.toMatchObject({ status: 403 });
    }
    expect(await server.stop()).toBe('0: ');
  });

  it('closes the sockets of a session that is over, and no others', async () => {
    const server = await start();
    const soon = withCookie(cookieOf('Ann', Date.now() + 2000));
    const [first, second, other] = await Promise.all([
      connect(server.url, soon),
      connect(server.url, soon),
      connect(server.url, withToken('Bearer token of Ben')),
    ]);
    const end = { code: 4401, reason: 'the session is over', wasClean: true };
    expect(await Promise.all([first.closed, second.closed])).toEqual([end, end]);
    other.send('hello');
    expect(await once(other, 'message')).toEqual(['Ben said hello', false]);
    await expect(connect(server.url, soon)).rejects.toMatchObject({ status: 401 });
    expect(await server.stop()).toBe('0: ');
  });

  it('leaves alone the sockets of other routes, which have no session', async () => {
    const server = await startBesideOthers();
    const anyone = await connect(server.at('/public'));
    const ann = await connect(server.url, withCookie(cookieOf('Ann', Date.now() + 2000)));
    // By then, all sockets have been looked at.
    expect(await ann.closed).toMatchObject({ code: 4401 });
    await anyone.ping();
    expect(await server.stop()).toBe('0: ');
  });
});
