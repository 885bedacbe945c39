import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { type ConnectOptions, connect } from 'tautline';
import { describe, expect, it } from 'vitest';
import { ExampleProcess } from './example-process.ts';

const SECRET = 'the secret of this test';

function start(): Promise<ExampleProcess> {
  return ExampleProcess.start('examples/authenticated.mjs', { SECRET });
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
});
