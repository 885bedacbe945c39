import { describe, expect, it } from 'vitest';
import { WebSocketServer } from '../../src/server/server.ts';
import type { AnyServerSocket } from '../../src/server/server-socket.ts';
import { maskedFrame } from '../support/bytes.ts';
import { join, listenLocally, numbered } from '../support/joined-peer.ts';
import type { RawPeer } from '../support/raw-peer.ts';

interface Joined {
  readonly server: WebSocketServer;
  readonly peers: readonly RawPeer[];
  readonly sockets: readonly AnyServerSocket[];
}

/** A server with so many clients, all of which have subscribed to 'news'. */
async function joinAll(count: number): Promise<Joined> {
  const server = new WebSocketServer({ closeTimeout: 200 });
  const sockets: AnyServerSocket[] = [];
  server.route('*', {
    open(socket) {
      sockets.push(socket);
      socket.subscribe('news');
    },
    message: (socket, message) => socket.publish('news', message),
  });
  const port = await listenLocally(server);
  const peers: RawPeer[] = [];
  for (let i = 0; i < count; i++) peers.push(await join(port));
  return { server, peers, sockets };
}

/** All that has come, up to a text that is sent last of all. */
async function receivedBy(peer: RawPeer, socket: AnyServerSocket): Promise<string[]> {
  socket.send('the last');
  const received: string[] = [];
  for (;;) {
    const [frame] = await peer.readFrames(1);
    const text = `${frame!.opcode === 1 ? '' : `${frame!.opcode}:`}${frame!.payload.toString()}`;
    if (text === 'the last') return received;
    received.push(text);
  }
}

async function receivedByAll({ peers, sockets }: Joined): Promise<string[][]> {
  return await Promise.all(peers.map((peer, i) => receivedBy(peer, sockets[i]!)));
}

/** As somebody without types would call it. */
function call(
  server: WebSocketServer,
  name: 'publish' | 'subscribe',
  ...values: unknown[]
): unknown {
  return Reflect.apply(Reflect.get(server, name), server, values);
}

describe('server.publish', () => {
  it('sends to all who have subscribed, and tells how many', async () => {
    const joined = await joinAll(3);
    const { server, sockets } = joined;
    sockets[1]!.unsubscribe('news');
    expect(server.publish('news', 'one')).toBe(2);
    expect(server.publish('nobody', 'lost')).toBe(0);
    expect(await receivedByAll(joined)).toEqual([['one'], [], ['one']]);
  });

  it('leaves out the one who is excepted', async () => {
    const joined = await joinAll(2);
    const { server, sockets } = joined;
    expect(server.publish('news', 'one', { except: sockets[0] })).toBe(1);
    expect(server.publish('news', 'two', { except: undefined })).toBe(2);
    expect(await receivedByAll(joined)).toEqual([['two'], ['one', 'two']]);
  });

  it('sends texts and binaries, prepared or not', async () => {
    const joined = await joinAll(2);
    const { server } = joined;
    const bytes = Buffer.from('xbytesx');
    server.publish('news', 'téxt');
    server.publish('news', bytes.subarray(1, 6));
    server.publish('news', new DataView(bytes.buffer, bytes.byteOffset + 1, 4));
    server.publish('news', server.prepare('prepared text'));
    server.publish('news', server.prepare(Buffer.from('prepared bytes')));
    server.publish('news', '');
    const expected = ['téxt', '2:bytes', '2:byte', 'prepared text', '2:prepared bytes', ''];
    expect(await receivedByAll(joined)).toEqual([expected, expected]);
  });

  it('has copied the bytes, which their owner may use again at once', async () => {
    const joined = await joinAll(2);
    const bytes = Buffer.alloc(40_000, 'a');
    joined.server.publish('news', bytes);
    bytes.fill('b');
    const expected = `2:${'a'.repeat(40_000)}`;
    expect(await receivedByAll(joined)).toEqual([[expected], [expected]]);
  });

  it('counts nobody who is closing or has left', async () => {
    const { server, peers, sockets } = await joinAll(4);
    void sockets[0]!.close();
    sockets[1]!.terminate();
    peers[2]!.end(maskedFrame({ opcode: 8 }));
    await sockets[2]!.closed;
    expect(server.publish('news', 'one')).toBe(1);
    expect(sockets.map(({ dropped }) => dropped)).toEqual([0, 0, 0, 0]);
    expect(await receivedBy(peers[3]!, sockets[3]!)).toEqual(['one']);
  });

  it('may be called from a handler of its topic, and from the hook of a message', async () => {
    const joined = await joinAll(2);
    const { server, peers, sockets } = joined;
    server.subscribe('news', (message) => {
      const text = Buffer.from(message.data).toString();
      if (text === 'one') server.publish('news', 'two');
    });
    const echoed = new Promise<void>((resolve) => {
      const leave = server.subscribe('news', (message) => {
        if (Buffer.from(message.data).toString() !== 'by a peer') return;
        leave();
        resolve();
      });
    });
    server.publish('news', 'one');
    await peers[0]!.write(maskedFrame({ payload: 'by a peer' }));
    await echoed;
    expect(await receivedBy(peers[0]!, sockets[0]!)).toEqual(['one', 'two']);
    expect(await receivedBy(peers[1]!, sockets[1]!)).toEqual(['one', 'two', 'by a peer']);
  });

  it('goes on where sockets end or unsubscribe in the middle of it', async () => {
    const { server, peers, sockets } = await joinAll(4);
    let calls = 0;
    server.subscribe('news', () => {
      calls++;
      if (calls > 1) return;
      sockets[0]!.terminate();
      sockets[1]!.unsubscribe('news');
      void sockets[2]!.close(1000);
      server.publish('news', 'inside');
    });
    server.publish('news', 'one');
    await sockets[0]!.closed;
    expect(server.publish('news', 'two')).toBe(1);
    expect(await receivedBy(peers[3]!, sockets[3]!)).toEqual(['one', 'inside', 'two']);
    expect(await receivedBy(peers[1]!, sockets[1]!)).toEqual(['one']);
    expect(calls).toBe(3);
  });

  it('reaches a socket that has subscribed in the hook of its first message', async () => {
    const joined = await joinAll(1);
    const { server, sockets } = joined;
    expect(sockets[0]!.subscribe('late')).toBe(true);
    expect(server.publish('late', 'one')).toBe(1);
    expect(await receivedByAll(joined)).toEqual([['one']]);
  });

  it('refuses an option that there is not', async () => {
    const joined = await joinAll(1);
    const publish = (options: object): unknown =>
      call(joined.server, 'publish', 'news', 'text', options);
    expect(() => publish({ exept: joined.sockets[0] })).toThrow(/no option exept/);
    expect(() => publish({ filter: () => false })).toThrow(TypeError);
    expect(await receivedByAll(joined)).toEqual([[]]);
  });

  it.each([
    ['a topic that is empty', '', 'text'],
    ['a topic that is no string', 5, 'text'],
    ['no topic', undefined, 'text'],
    ['a number', 'news', 5],
    ['nothing', 'news', undefined],
    ['a list of numbers', 'news', [1, 2]],
  ])('refuses what cannot be, and sends nothing: %s', async (_what, topic, data) => {
    const joined = await joinAll(1);
    expect(() => call(joined.server, 'publish', topic, data)).toThrow(TypeError);
    expect(await receivedByAll(joined)).toEqual([[]]);
  });
});

describe('the topics of one server', () => {
  it('are not those of another', async () => {
    const [one, other] = [await joinAll(1), await joinAll(1)];
    one.server.publish('news', 'for one');
    other.sockets[0]!.publish('news', 'from the other');
    expect([await receivedByAll(one), await receivedByAll(other)]).toEqual([[['for one']], [[]]]);
  });

  it('are left by who has ended: nothing is kept, and nothing is sent', async () => {
    const { server, peers, sockets } = await joinAll(2);
    peers[0]!.reset();
    await sockets[0]!.closed;
    expect([...sockets[0]!.topics]).toEqual([]);
    expect(server.publish('news', 'one')).toBe(1);
    expect(sockets[0]!.dropped).toBe(0);
    expect(numbered([...server.sockets], sockets)).toEqual(['#1']);
  });
});

describe('server.subscribe', () => {
  it('hears what the server and its sockets publish, until it is taken back', async () => {
    const { server, sockets } = await joinAll(1);
    const heard: unknown[] = [];
    const leave = server.subscribe('news', (message, topic) => {
      heard.push(topic, message.opcode, Buffer.from(message.data).toString());
    });
    server.publish('news', 'one');
    sockets[0]!.publish('news', Buffer.from('two'));
    server.publish('other', 'lost');
    leave();
    leave();
    server.publish('news', 'late');
    expect(heard).toEqual(['news', 1, 'one', 'news', 2, 'two']);
  });

  it('may publish again what it was given', async () => {
    const joined = await joinAll(1);
    const { server } = joined;
    server.subscribe('incoming', (message) => void server.publish('news', message));
    expect(server.publish('incoming', 'one')).toBe(0);
    expect(await receivedByAll(joined)).toEqual([['one']]);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('a mistake');
      },
    ],
    [
      'rejects',
      async () => {
        await Promise.resolve();
        throw new Error('a mistake');
      },
    ],
  ])(
    'has its mistakes told as an error of the server: a handler that %s',
    async (_how, handler) => {
      const joined = await joinAll(1);
      const { server } = joined;
      const told = new Promise<unknown[]>((resolve) => {
        server.once('error', (...values) => resolve(values));
      });
      call(server, 'subscribe', 'news', handler);
      let heard = 0;
      server.subscribe('news', () => void heard++);
      expect(server.publish('news', 'one')).toBe(1);
      expect(await told).toEqual([new Error('a mistake')]);
      expect(heard).toBe(1);
      expect(await receivedByAll(joined)).toEqual([['one']]);
    },
  );

  it.each([[''], [5], [undefined], [null]])('refuses %o as a topic', async (topic) => {
    const server = new WebSocketServer();
    expect(() => call(server, 'subscribe', topic, () => {})).toThrow(TypeError);
  });

  it.each([[undefined], [null], ['a string'], [{}]])('refuses %o as a handler', async (handler) => {
    const server = new WebSocketServer();
    expect(() => call(server, 'subscribe', 'news', handler)).toThrow(TypeError);
  });
});
