import { describe, expect, it } from 'vitest';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import type { AnyServerSocket } from '../../src/server/server-socket.ts';
import { maskedFrame, readFrames } from '../support/bytes.ts';
import { join, listenLocally, numbered } from '../support/joined-peer.ts';
import { watchRejections } from '../support/live-socket.ts';
import type { RawPeer } from '../support/raw-peer.ts';

interface Joined {
  readonly server: WebSocketServer;
  readonly peers: readonly RawPeer[];
  readonly sockets: readonly AnyServerSocket[];
}

/** A server with so many clients, on two routes by turns. */
async function joinAll(count: number): Promise<Joined> {
  const server = new WebSocketServer({ closeTimeout: 200 });
  server.route('/even', {}).route('/odd', { text: 'buffer' });
  const port = await listenLocally(server);
  const peers: RawPeer[] = [];
  for (let i = 0; i < count; i++) peers.push(await join(port, i % 2 === 0 ? '/even' : '/odd'));
  return { server, peers, sockets: [...server.sockets] };
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
  name: 'broadcast' | 'prepare',
  ...values: unknown[]
): unknown {
  return Reflect.apply(Reflect.get(server, name), server, values);
}

describe('broadcast', () => {
  it('sends to all sockets of all routes, and tells how many', async () => {
    const joined = await joinAll(3);
    expect(joined.server.broadcast('to all')).toBe(3);
    expect(await receivedByAll(joined)).toEqual([['to all'], ['to all'], ['to all']]);
    expect(new WebSocketServer().broadcast('to nobody')).toBe(0);
  });

  it('leaves out the one who is excepted', async () => {
    const joined = await joinAll(3);
    expect(joined.server.broadcast('one', { except: joined.sockets[1] })).toBe(2);
    expect(joined.server.broadcast('two', { except: undefined, filter: undefined })).toBe(3);
    expect(await receivedByAll(joined)).toEqual([['one', 'two'], ['two'], ['one', 'two']]);
  });

  it('asks a filter about each, but not about who is excepted', async () => {
    const joined = await joinAll(3);
    const { server, sockets } = joined;
    const asked: AnyServerSocket[] = [];
    const count = server.broadcast('one', {
      except: sockets[0],
      filter(socket) {
        asked.push(socket);
        return socket.request.path === '/even';
      },
    });
    expect(count).toBe(1);
    expect(numbered(asked, sockets)).toEqual(['#1', '#2']);
    expect(await receivedByAll(joined)).toEqual([[], [], ['one']]);
  });

  it('sends to nobody where its filter is async: a promise is not a yes', async () => {
    const joined = await joinAll(2);
    const rejections = watchRejections();
    const errors: unknown[] = [];
    joined.server.on('error', (error) => void errors.push(error));
    const mistake = new Error('a mistake');
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const filter = (() => Promise.reject(mistake)) as unknown as () => boolean;
    expect(() => joined.server.broadcast('one', { filter })).toThrow(TypeError);
    expect(await receivedByAll(joined)).toEqual([[], []]);
    expect([errors, rejections]).toEqual([[mistake], []]);
  });

  it('throws what a filter throws', async () => {
    const { server } = await joinAll(1);
    const filter = (): boolean => {
      throw new Error('a mistake');
    };
    expect(() => server.broadcast('one', { filter })).toThrow('a mistake');
  });

  it('sends texts and binaries, prepared or not', async () => {
    const joined = await joinAll(2);
    const { server } = joined;
    const bytes = Uint8Array.from(Buffer.from('bytes'));
    server.broadcast('téxt');
    server.broadcast(bytes);
    server.broadcast(bytes.subarray(1, 3));
    server.broadcast(bytes.buffer);
    server.broadcast(server.prepare('prepared'));
    server.broadcast(server.prepare(bytes));
    const expected = ['téxt', '2:bytes', '2:yt', '2:bytes', 'prepared', '2:bytes'];
    expect(await receivedByAll(joined)).toEqual([expected, expected]);
  });

  it('skips who is closing or has left, and does not count them', async () => {
    const { server, peers, sockets } = await joinAll(4);
    void sockets[0]!.close(1000);
    sockets[1]!.terminate();
    peers[2]!.end(maskedFrame({ opcode: 8 }));
    await sockets[2]!.closed;
    expect(server.broadcast('one')).toBe(1);
    expect(sockets.map(({ dropped }) => dropped)).toEqual([0, 0, 0, 0]);
    expect(await receivedBy(peers[3]!, sockets[3]!)).toEqual(['one']);
  });

  it('goes on where sockets end in the middle of it', async () => {
    const { server, peers, sockets } = await joinAll(3);
    const count = server.broadcast('one', {
      filter(socket) {
        if (socket === sockets[0]) for (const other of sockets.slice(0, 2)) other.terminate();
        return true;
      },
    });
    expect(count).toBe(1);
    expect(await receivedBy(peers[2]!, sockets[2]!)).toEqual(['one']);
    await Promise.all([sockets[0]!.closed, sockets[1]!.closed]);
    expect(numbered([...server.sockets], sockets)).toEqual(['#2']);
  });

  it('refuses an option that there is not, since a misspelt filter would be none', async () => {
    const joined = await joinAll(1);
    const misspelt = { fliter: () => false };
    expect(() => call(joined.server, 'broadcast', 'secret', misspelt)).toThrow(/no option fliter/);
    expect(await receivedByAll(joined)).toEqual([[]]);
  });

  it.each([[5], [undefined], [null], [{}], [[1]], [true]])(
    'refuses %o, and sends nothing',
    async (data) => {
      const joined = await joinAll(1);
      expect(() => call(joined.server, 'broadcast', data)).toThrow(TypeError);
      expect(await receivedByAll(joined)).toEqual([[]]);
    },
  );
});

describe('prepare', () => {
  it('frames a message once, as every server sends it', () => {
    const server = new WebSocketServer();
    const text = server.prepare('é');
    expect(text).toBeInstanceOf(PreparedMessage);
    const [frame] = readFrames(text.frame);
    expect(frame).toMatchObject({ fin: true, rsv: 0, opcode: 1, masked: false });
    expect(frame!.payload.toString()).toBe('é');
    expect(readFrames(server.prepare(Buffer.from([1, 2])).frame)[0]).toMatchObject({
      opcode: 2,
      payload: Buffer.from([1, 2]),
    });
  });

  it('has copied the bytes', async () => {
    const joined = await joinAll(1);
    const { server, sockets } = joined;
    const bytes = Buffer.from('aaaa');
    const message = server.prepare(bytes);
    bytes.fill('b');
    expect(sockets[0]!.send(message)).toBe(true);
    expect(server.broadcast(message)).toBe(1);
    expect(await receivedByAll(joined)).toEqual([['2:aaaa', '2:aaaa']]);
  });

  it.each([[5], [undefined], [null], [{}]])('refuses %o', (data) => {
    expect(() => call(new WebSocketServer(), 'prepare', data)).toThrow(TypeError);
  });
});

describe('the sockets of a server', () => {
  it('are those that have not ended', async () => {
    const { server, peers, sockets } = await joinAll(3);
    expect(server.sockets.size).toBe(3);
    peers[0]!.reset();
    await sockets[0]!.closed;
    void sockets[1]!.close();
    expect(numbered([...server.sockets], sockets)).toEqual(['#1', '#2']);
    peers[1]!.end(maskedFrame({ opcode: 8 }));
    await sockets[1]!.closed;
    expect(numbered([...server.sockets], sockets)).toEqual(['#2']);
  });
});
