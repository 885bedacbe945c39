import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { connect } from 'tautline';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ExampleProcess, PATIENT } from './example-process.ts';

const ECHOES = ['examples/echo.mjs', 'examples/own-transport.mjs'] as const;

describe.each(ECHOES)('%s', (file) => {
  it('echoes, answers a Ping and closes as it is asked to', async () => {
    const server = await ExampleProcess.start(file);
    const socket = new WebSocket(server.url);
    await once(socket, 'open');

    socket.send('héllo');
    const [text, textIsBinary]: unknown[] = await once(socket, 'message');
    expect([String(text), textIsBinary]).toEqual(['héllo', false]);

    const bytes = Buffer.alloc(60_000, 'bytes');
    socket.send(bytes);
    expect(await once(socket, 'message')).toEqual([bytes, true]);

    socket.ping('are you there');
    expect(await once(socket, 'pong')).toEqual([Buffer.from('are you there')]);

    socket.close(4000, 'enough');
    const [code]: unknown[] = await once(socket, 'close');
    expect(code).toBe(4000);
    expect(await server.stop()).toBe('0: ');
  });

  it('sends back all that comes at once, in order, whole and in fragments', async () => {
    const server = await ExampleProcess.start(file);
    const socket = new WebSocket(server.url);
    const heard: string[] = [];
    socket.on('message', (data: Buffer) => void heard.push(data.toString()));
    await once(socket, 'open');
    const sent = Array.from({ length: 500 }, (_, i) => `${i} ${'ä'.repeat(i)}`);
    for (const text of sent) {
      const at = Math.trunc(text.length / 2);
      socket.send(text.slice(0, at), { fin: false });
      socket.ping();
      socket.send(text.slice(at), { fin: true });
      socket.send('');
    }
    await expect.poll(() => heard.length, PATIENT).toBe(1000);
    expect(heard).toEqual(sent.flatMap((text) => [text, '']));
    socket.close();
    await once(socket, 'close');
    expect(await server.stop()).toBe('0: ');
  });

  it('refuses what is no handshake', async () => {
    const server = await ExampleProcess.start(file);
    const response = await fetch(server.url.replace('ws', 'http'));
    expect(response.status).toBe(426);
    expect(await response.text()).toMatch(/RFC 6455/);
    expect(await server.stop()).toBe('0: ');
  });
});

describe('examples/echo.mjs', () => {
  it('takes a message of 1 MiB, refuses one byte more, and goes on for the others', async () => {
    const server = await ExampleProcess.start('examples/echo.mjs');
    const [tooMuch, other] = await Promise.all([connect(server.url), connect(server.url)]);
    const whole = Buffer.alloc(1024 * 1024, 'bytes');
    tooMuch.send(whole);
    const [message]: unknown[] = await once(tooMuch, 'message');
    expect(Buffer.isBuffer(message) && whole.equals(message)).toBe(true);
    tooMuch.send(Buffer.alloc(1024 * 1024 + 1));
    expect(await tooMuch.closed).toMatchObject({ code: 1009 });
    other.send('still there?');
    expect(await once(other, 'message')).toEqual(['still there?', false]);
    expect(await server.stop()).toBe('0: ');
  });

  it('refuses foreign pages, and tells by 1001 that it stops', async () => {
    const server = await ExampleProcess.start('examples/echo.mjs');
    const foreign = connect(server.url, { origin: 'https://example.com' });
    await expect(foreign).rejects.toMatchObject({ status: 403 });
    const socket = await connect(server.url, { origin: server.url.replace('ws', 'http') });
    expect(await server.stop()).toBe('0: ');
    expect(await socket.closed).toMatchObject({ code: 1001, wasClean: true });
  });
});

describe('examples/behind-http.mjs', () => {
  it('serves a page and two WebSockets on one port', async () => {
    const server = await ExampleProcess.start('examples/behind-http.mjs');
    expect(await (await fetch(server.url)).text()).toBe('a page\n');

    const time = new WebSocket(`${server.url}/time`);
    const [now]: unknown[] = await once(time, 'message');
    expect(new Date(String(now)).toISOString()).toBe(String(now));

    const echo = new WebSocket(`${server.url}/echo`);
    await once(echo, 'open');
    echo.send('héllo');
    expect(String((await once(echo, 'message'))[0])).toBe('héllo');

    const [, answer]: unknown[] = await once(
      new WebSocket(`${server.url}/other`),
      'unexpected-response',
    );
    expect(answer).toMatchObject({ statusCode: 404 });

    const closed = Promise.all([once(time, 'close'), once(echo, 'close')]);
    expect(await server.stop()).toBe('0: ');
    expect((await closed).map(([code]: unknown[]) => code)).toEqual([1001, 1001]);
  });
});

describe('examples/chat.mjs and examples/chat-client.mjs', () => {
  const CLIENT = 'examples/chat-client.mjs';

  it('carry what one says to all in the room', async () => {
    const server = await ExampleProcess.start('examples/chat.mjs');
    const ann = await connect(server.url, { headers: { Cookie: 'session=secret%20of%20Ann' } });
    const heard: unknown[] = [];
    ann.on('message', (message) => void heard.push(message));
    const speaking = promisify(execFile)('node', [CLIENT, server.url, 'secret of Ben', 'hello']);
    expect((await speaking).stdout).toMatch(/^Ben came\nBen: hello\nclosed with 1000\n$/);
    await expect
      .poll(() => heard, PATIENT)
      .toEqual(['Ann came', 'Ben came', 'Ben: hello', 'Ben left']);

    expect(await server.stop()).toBe('0: ');
    expect(await ann.closed).toMatchObject({ code: 1001, wasClean: true });
    expect(heard.at(-1)).toBe('the chat is closing');
  });

  it('let nobody in whom they do not know', async () => {
    const server = await ExampleProcess.start('examples/chat.mjs');
    await expect(connect(server.url)).rejects.toMatchObject({ status: 401 });
    expect(await server.stop()).toBe('0: ');
  });
});
