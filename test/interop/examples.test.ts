import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { connect } from 'tautline';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ServerProcess } from '../support/server-process.ts';

const ECHOES = [
  ['examples/echo.mjs', /^listening on (ws:\/\/localhost:[0-9]+)$/m],
  ['examples/own-transport.mjs', /^listening on (ws:\/\/localhost:[0-9]+)$/m],
] as const;

describe.each(ECHOES)('%s', (file, ready) => {
  it('echoes, answers a Ping and closes as it is asked to', async () => {
    const server = await ServerProcess.start(['node', file], ready);
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
    await server.stop();
  });

  it('refuses what is no handshake', async () => {
    const server = await ServerProcess.start(['node', file], ready);
    const response = await fetch(server.url.replace('ws', 'http'));
    expect(response.status).toBe(426);
    expect(await response.text()).toMatch(/RFC 6455/);
    await server.stop();
  });
});

describe('examples/behind-http.mjs', () => {
  it('serves a page and two WebSockets on one port', async () => {
    const server = await ServerProcess.start(
      ['node', 'examples/behind-http.mjs'],
      /^listening on (http:\/\/localhost:[0-9]+)$/m,
    );
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
    await server.stop();
    expect((await closed).map(([code]: unknown[]) => code)).toEqual([1001, 1001]);
  });
});

describe('examples/chat.mjs and examples/chat-client.mjs', () => {
  const CLIENT = 'examples/chat-client.mjs';
  const READY = /^listening on (ws:\/\/localhost:[0-9]+\/chat\/lobby)$/m;

  it('carry what one says to all in the room', async () => {
    const server = await ServerProcess.start(['node', 'examples/chat.mjs'], READY);
    const ann = await connect(server.url, { headers: { Cookie: 'session=secret%20of%20Ann' } });
    const heard: unknown[] = [];
    ann.on('message', (message) => void heard.push(message));
    const speaking = promisify(execFile)('node', [CLIENT, server.url, 'secret of Ben', 'hello']);
    expect((await speaking).stdout).toMatch(/^Ben came\nBen: hello\nclosed with 1000\n$/);
    await expect.poll(() => heard).toEqual(['Ann came', 'Ben came', 'Ben: hello', 'Ben left']);

    await server.stop();
    expect(await ann.closed).toMatchObject({ code: 1001, wasClean: true });
    expect(heard.at(-1)).toBe('the chat is closing');
  });

  it('let nobody in whom they do not know', async () => {
    const server = await ServerProcess.start(['node', 'examples/chat.mjs'], READY);
    await expect(connect(server.url)).rejects.toMatchObject({ status: 401 });
    await server.stop();
  });
});
