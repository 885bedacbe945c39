/** What Web IDL asks of a class, beside what it does. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from '../../src/client/websocket.ts';
import { WebSocketServer } from '../../src/server/server.ts';

async function open(protocols: string[] = []): Promise<{ websocket: WebSocket; codes: number[] }> {
  const server = new WebSocketServer();
  const codes: number[] = [];
  server.on('connection', (socket) => {
    socket.on('close', (code) => codes.push(code));
  });
  await server.listen(0, '127.0.0.1');
  onTestFinished(async () => void (await server.shutdown({ timeout: 0 })));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  const websocket = new WebSocket(`ws://127.0.0.1:${address.port}`, protocols);
  await new Promise((resolve) => {
    for (const type of ['open', 'close']) websocket.addEventListener(type, resolve);
  });
  return { websocket, codes };
}

describe('the class WebSocket', () => {
  it('needs a URL, and something to send', async () => {
    expect(() => Reflect.construct(WebSocket, [])).toThrow(TypeError);
    const { websocket } = await open();
    expect(() => Reflect.apply(websocket.send.bind(websocket), undefined, [])).toThrow(TypeError);
  });

  it('shows its members, and its name', async () => {
    const names: string[] = [];
    for (const name in WebSocket.prototype) names.push(name);
    expect(names).toEqual(expect.arrayContaining(['url', 'send', 'close', 'onmessage', 'OPEN']));
    expect(WebSocket.prototype.close.length).toBe(0);
    const { websocket } = await open();
    expect(Object.prototype.toString.call(websocket)).toBe('[object WebSocket]');
  });

  it.each([
    [3000.5, 3000],
    [3001.5, 3002],
    [3001.4, 3001],
    [3001.6, 3002],
  ])('closes with %d as %d', async (given, sent) => {
    const { websocket } = await open();
    const closed = new Promise((resolve) => {
      websocket.addEventListener('close', ({ code }) => resolve(code));
    });
    websocket.close(given);
    expect(await closed).toBe(sent);
  });

  it('refuses a code that is no number', async () => {
    const { websocket } = await open();
    const close = websocket.close.bind(websocket);
    expect(() => Reflect.apply(close, undefined, ['none'])).toThrow(DOMException);
    expect(() => close(70_000)).toThrow(DOMException);
  });

  it('fails where none of its subprotocols was chosen, and says why', async () => {
    const server = new WebSocketServer();
    await server.listen(0, '127.0.0.1');
    onTestFinished(async () => void (await server.shutdown({ timeout: 0 })));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no TCP port');
    const websocket = new WebSocket(`ws://127.0.0.1:${address.port}`, ['chat']);
    const event = await new Promise<Event>((resolve) => {
      websocket.addEventListener('error', resolve);
    });
    expect(event).toMatchObject({ error: { code: 'WS_ERR_ANSWER_SUBPROTOCOL' } });
  });
});
