import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ServerProcess } from '../support/server-process.ts';

const ECHOES = [
  ['examples/echo.mjs', /^listening on (ws:\/\/localhost:[0-9]+\/echo)$/m],
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
