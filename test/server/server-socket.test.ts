import { describe, expect, it } from 'vitest';
import { Socket } from '../../src/connection/socket.ts';
import type { UpgradeRequest } from '../../src/server/request.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { type AnyServerSocket, ServerSocket, routeOf } from '../../src/server/server-socket.ts';
import { maskedFrame } from '../support/bytes.ts';
import { join, listenLocally, numbered } from '../support/joined-peer.ts';
import type { RawPeer } from '../support/raw-peer.ts';

interface Joined {
  readonly server: WebSocketServer;
  readonly peers: readonly RawPeer[];
  readonly sockets: readonly AnyServerSocket[];
}

/** A server with so many clients. */
async function joinAll(count: number): Promise<Joined> {
  const server = new WebSocketServer({ closeTimeout: 200 });
  const sockets: AnyServerSocket[] = [];
  server.route('/:id', {
    upgrade: ({ params }) => ({ data: { id: Number(params.id) } }),
    open: (socket) => void sockets.push(socket),
  });
  const port = await listenLocally(server);
  const peers: RawPeer[] = [];
  for (let id = 0; id < count; id++) peers.push(await join(port, `/${id}?x=${id}`));
  return { server, peers, sockets };
}

async function nextText(peer: RawPeer): Promise<string> {
  return (await peer.readFrames(1))[0]!.payload.toString();
}

/** All texts that have come, up to one that was sent last of all. */
async function textsOf(peer: RawPeer, socket: AnyServerSocket): Promise<string[]> {
  socket.send('the last');
  const texts: string[] = [];
  for (;;) {
    const text = await nextText(peer);
    if (text === 'the last') return texts;
    texts.push(text);
  }
}

describe('a socket of a server', () => {
  it('knows its request, its params, its data and its route', async () => {
    const { sockets } = await joinAll(2);
    const [first, second] = sockets;
    expect(first).toBeInstanceOf(Socket);
    expect(first).toBeInstanceOf(ServerSocket);
    expect([first!.request.url, second!.request.url]).toEqual(['/0?x=0', '/1?x=1']);
    expect({ ...first!.request.headers }).toMatchObject({
      host: 'localhost',
      upgrade: 'websocket',
    });
    expect(first!.request.params).toBe(first!.params);
    expect(second!.params).toEqual({ id: '1' });
    expect([first!.data, second!.data]).toEqual([{ id: 0 }, { id: 1 }]);
    expect(routeOf(first!).hooks).toBe(routeOf(second!).hooks);
  });

  it('has the very request that the hook and the event were given', async () => {
    const requests: UpgradeRequest<unknown>[] = [];
    const server = new WebSocketServer();
    server.route('/', { upgrade: (request) => void requests.push(request) });
    server.on('connection', (_socket, request) => requests.push(request));
    await join(await listenLocally(server));
    const [socket] = server.sockets;
    expect(numbered(requests, [socket!.request])).toEqual(['#0', '#0']);
  });

  it('may keep something else as its data', async () => {
    const { sockets } = await joinAll(1);
    sockets[0]!.data = 'other';
    expect(sockets[0]!.data).toBe('other');
  });
});

describe('subscribing', () => {
  it('makes a socket hear of a topic, until it unsubscribes', async () => {
    const { server, sockets, peers } = await joinAll(1);
    const [socket] = sockets;
    expect([...socket!.topics]).toEqual([]);
    expect(socket!.subscribe('news')).toBe(true);
    expect(socket!.subscribe('news')).toBe(false);
    expect(socket!.subscribe('__proto__')).toBe(true);
    expect([...socket!.topics]).toEqual(['news', '__proto__']);
    expect([server.publish('news', 'one'), server.publish('__proto__', 'two')]).toEqual([1, 1]);
    expect(socket!.unsubscribe('news')).toBe(true);
    expect(socket!.unsubscribe('news')).toBe(false);
    expect(server.publish('news', 'lost')).toBe(0);
    expect([...socket!.topics]).toEqual(['__proto__']);
    expect(await textsOf(peers[0]!, socket!)).toEqual(['one', 'two']);
  });

  it('is over for good when the socket has ended', async () => {
    const { server, sockets, peers } = await joinAll(1);
    const [socket] = sockets;
    socket!.subscribe('news');
    peers[0]!.end(maskedFrame({ opcode: 8 }));
    await socket!.closed;
    expect([...socket!.topics]).toEqual([]);
    expect(socket!.subscribe('news')).toBe(false);
    expect(socket!.unsubscribe('news')).toBe(false);
    expect([...socket!.topics]).toEqual([]);
    expect(server.publish('news', 'lost')).toBe(0);
  });

  it('is not possible any more once the socket is closing', async () => {
    const { server, sockets } = await joinAll(1);
    const [socket] = sockets;
    socket!.subscribe('before');
    void socket!.close();
    expect(socket!.readyState).toBe(2);
    expect(socket!.subscribe('after')).toBe(false);
    expect(server.publish('after', 'lost')).toBe(0);
  });

  it.each([[''], [undefined], [5], [null]])(
    'to %o is a mistake, whatever the socket does',
    async (topic) => {
      const { sockets } = await joinAll(1);
      const [socket] = sockets;
      const subscribe = (): unknown =>
        Reflect.apply(socket!.subscribe.bind(socket), undefined, [topic]);
      expect(subscribe).toThrow(TypeError);
      socket!.terminate();
      expect(subscribe).toThrow(TypeError);
      await socket!.closed;
      expect(subscribe).toThrow(TypeError);
    },
  );
});

describe('publishing by a socket', () => {
  it('reaches all who have subscribed but itself, and tells how many', async () => {
    const { sockets, peers } = await joinAll(3);
    const [ann, bob, eve] = sockets;
    ann!.subscribe('news');
    bob!.subscribe('news');
    expect(ann!.publish('news', 'from ann')).toBe(1);
    // Who has not subscribed may publish.
    expect(eve!.publish('news', Buffer.from('from eve'))).toBe(2);
    expect(bob!.publish('nobody', 'lost')).toBe(0);
    expect(await textsOf(peers[0]!, ann!)).toEqual(['from eve']);
    expect(await textsOf(peers[1]!, bob!)).toEqual(['from ann', 'from eve']);
    expect(await textsOf(peers[2]!, eve!)).toEqual([]);
  });

  it('takes what the server has prepared', async () => {
    const { server, sockets, peers } = await joinAll(2);
    const [ann, bob] = sockets;
    bob!.subscribe('news');
    expect(ann!.publish('news', server.prepare('prepared'))).toBe(1);
    expect(await nextText(peers[1]!)).toBe('prepared');
  });

  it('is heard by the handlers of the server, whose mistakes it tells', async () => {
    const { server, sockets, peers } = await joinAll(1);
    const mistake = new Error('a mistake of the application');
    const [heard, told]: unknown[][] = [[], []];
    server.on('error', (error) => told!.push(error));
    server.subscribe('news', () => {
      throw mistake;
    });
    server.subscribe('news', (message, topic) => {
      heard!.push(`${topic} ${Buffer.from(message.data).toString()}`);
    });
    expect(sockets[0]!.publish('news', 'one')).toBe(0);
    expect([heard, told]).toEqual([['news one'], [mistake]]);
    expect(await textsOf(peers[0]!, sockets[0]!)).toEqual([]);
  });

  it.each([
    ['a topic that is empty', '', 'text'],
    ['a topic that is no string', 5, 'text'],
    ['a number', 'news', 5],
    ['nothing', 'news', undefined],
    ['an object', 'news', {}],
  ])('refuses what cannot be, and sends nothing: %s', async (_what, topic, data) => {
    const { sockets, peers } = await joinAll(2);
    const [ann, bob] = sockets;
    bob!.subscribe('news');
    const publish = (): unknown => Reflect.apply(ann!.publish.bind(ann), undefined, [topic, data]);
    expect(publish).toThrow(TypeError);
    expect(await textsOf(peers[1]!, bob!)).toEqual([]);
  });
});
