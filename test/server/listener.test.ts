import { once } from 'node:events';
import { Server, Socket as NetSocket, connect as connectNet } from 'node:net';
import { type TLSSocket, connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  type ListenOptions,
  Listener,
  type ListenerOwner,
  readListenOptions,
} from '../../src/server/listener.ts';
import { nextAccepted } from '../support/accepted.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { secure } from '../support/open-pair.ts';
import { RawPeer } from '../support/raw-peer.ts';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const TLS = { key: KEY, cert: CERTIFICATE };

/** An owner that takes what there is room for, and writes down what it is told. */
class Doorman implements ListenerOwner {
  /** How many were in their TLS handshake, at each connection; null where there is no TLS. */
  readonly securing: (number | null)[] = [];
  /** Whose TLS handshake is over. */
  readonly secured: NetSocket[] = [];
  readonly transports: NetSocket[] = [];
  readonly timeouts: number[] = [];
  readonly errors: Error[] = [];
  #inTls = 0;
  hasRoom = true;
  trusts = true;
  /** For whom each of them speaks. */
  readonly sources: (string | null | undefined)[] = [];

  mayAccept(transport: NetSocket, isSecuring: boolean): boolean {
    this.securing.push(isSecuring ? this.#inTls : null);
    if (!this.hasRoom) transport.destroy();
    return this.hasRoom;
  }

  isProxy(): boolean {
    return this.trusts;
  }

  onSecuring(): void {
    this.#inTls++;
  }

  onSecured(transport: NetSocket): void {
    this.#inTls--;
    this.secured.push(transport);
  }

  onTransport(transport: NetSocket, timeout: number, source?: string | null): void {
    this.sources.push(source);
    transport.on('error', () => transport.destroy());
    this.transports.push(transport);
    this.timeouts.push(timeout);
  }

  onError(error: Error): void {
    this.errors.push(error);
  }

  /** The transport number `at`, as soon as it is there. */
  async transport(at: number): Promise<NetSocket> {
    await vi.waitFor(() => expect(this.transports.length).toBeGreaterThan(at), { interval: 2 });
    return this.transports[at]!;
  }
}

interface Opened {
  readonly owner: Doorman;
  readonly listener: Listener;
  readonly port: number;
}

async function open(options: ListenOptions = {}, timeout = 10_000): Promise<Opened> {
  const owner = new Doorman();
  const where = { port: 0, host: '127.0.0.1', ...options };
  const listener = await Listener.open(owner, where, timeout);
  onTestFinished(async () => {
    for (const transport of owner.transports) transport.destroy();
    await listener.close();
  });
  const address = listener.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { owner, listener, port };
}

async function dial(port: number): Promise<NetSocket> {
  const raw = connectNet({ port, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(() => void raw.destroy());
  await once(raw, 'connect');
  return raw;
}

/** Connects, and gives the near end too, which no owner has seen yet. */
async function dialBoth(port: number): Promise<{ peer: RawPeer; near: NetSocket }> {
  const accepted = nextAccepted();
  const peer = new RawPeer(await dial(port));
  return { peer, near: await accepted };
}

describe('what listen takes', () => {
  it('is a port, as a number or in digits, with or without an address', () => {
    expect(readListenOptions(3000, undefined)).toEqual({ port: 3000, host: undefined });
    expect(readListenOptions('3000', '127.0.0.1')).toEqual({ port: 3000, host: '127.0.0.1' });
    expect(readListenOptions('0', undefined)).toMatchObject({ port: 0 });
  });

  it('is all else in an object', () => {
    const options = { port: 0, host: 'localhost', path: '/x', tls: TLS, backlog: 5 };
    expect(readListenOptions(options, undefined)).toBe(options);
  });

  it.each([
    ['a path alone', '/run/socket'],
    ['an address with its port', 'localhost:80'],
    ['an empty string', ''],
    ['a negative number in digits', '-1'],
    ['a number that is not whole', '1.5'],
    ['an option that there is not', { port: 0, exclusive: true }],
    ['nothing', undefined],
    ['null', null],
    ['true', true],
  ])('is not %s', (_what, where) => {
    const read = (): unknown => Reflect.apply(readListenOptions, undefined, [where, undefined]);
    expect(read).toThrow(TypeError);
  });
});

describe('a listener', () => {
  it('gives each transport with the whole time, half-open and without delay', async () => {
    const { owner, port } = await open({}, 7_000);
    const peer = new RawPeer(await dial(port));
    const transport = await owner.transport(0);
    expect(owner.securing).toEqual([null]);
    expect(owner.timeouts).toEqual([7_000]);
    expect(transport.allowHalfOpen).toBe(true);
    peer.end('all that I have to say');
    transport.resume();
    await once(transport, 'end');
    transport.end('the answer');
    expect((await peer.readToEnd()).toString()).toBe('the answer');
  });

  it('leaves those alone that its owner has dealt with', async () => {
    const { owner, port } = await open();
    owner.hasRoom = false;
    const refused = new RawPeer(await dial(port));
    await refused.readToLeave();
    owner.hasRoom = true;
    await dial(port);
    await owner.transport(0);
    expect(owner.transports.length).toBe(1);
    expect(owner.securing).toEqual([null, null]);
  });

  it('tells where it listens', async () => {
    const { listener } = await open();
    expect(listener.address()).toMatchObject({ address: '127.0.0.1', family: 'IPv4' });
  });

  it('hands on how many may wait to be accepted', async () => {
    const listen = vi.spyOn(Server.prototype, 'listen');
    await open({ backlog: 3 });
    await open();
    expect(listen.mock.calls.map(([options]) => options)).toMatchObject([
      { backlog: 3 },
      { backlog: undefined },
    ]);
  });

  it('rejects where it cannot listen, and leaves nothing behind', async () => {
    const { port } = await open();
    const owner = new Doorman();
    const taken = Listener.open(owner, { port, host: '127.0.0.1' }, 1_000);
    await expect(taken).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(Listener.open(owner, { port: -1 }, 1_000)).rejects.toBeInstanceOf(RangeError);
    const tls = { key: 'no key', cert: CERTIFICATE };
    await expect(Listener.open(owner, { port: 0, tls }, 1_000)).rejects.toBeInstanceOf(Error);
    const path = '/no/such/folder/socket';
    await expect(Listener.open(owner, { path }, 1_000)).rejects.toBeInstanceOf(Error);
    expect(owner.errors).toEqual([]);
  });

  it('tells what goes wrong later, and goes on', async () => {
    const { owner, port } = await open();
    await dial(port);
    const transport = await owner.transport(0);
    const server: unknown = 'server' in transport ? transport.server : null;
    if (!(server instanceof Server)) throw new Error('a transport knows its listener');
    const full = new Error('accept EMFILE');
    server.emit('error', full);
    server.emit('error', full);
    expect(owner.errors).toEqual([full, full]);
    await dial(port);
    await owner.transport(1);
  });

  it('ends when its last connection has, and accepts nobody meanwhile', async () => {
    const { owner, listener, port } = await open();
    await dial(port);
    const transport = await owner.transport(0);
    const onEnd = vi.fn<() => void>();
    const closed = listener.close().then(onEnd);
    await expect(dial(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(onEnd).not.toHaveBeenCalled();
    transport.destroy();
    await closed;
    expect(listener.address()).toBeNull();
  });
});

describe('a listener for TLS', () => {
  it('gives the transport behind the handshake of TLS, with the time that is left', async () => {
    const { owner, port } = await open({ tls: TLS }, 10_000);
    let time = Math.ceil(performance.now());
    vi.spyOn(performance, 'now').mockImplementation(() => time);
    const raw = await dial(port);
    await vi.waitFor(() => expect(owner.securing).toEqual([0]), { interval: 2 });
    expect(owner.transports).toEqual([]);
    time += 4_000;
    const peer = await secure(raw);
    const transport = await owner.transport(0);
    expect(owner.timeouts).toEqual([6_000]);
    transport.write('hello');
    expect((await peer.readBytes(5)).toString()).toBe('hello');
  });

  it('gives a moment at least where no time is left', async () => {
    const { owner, port } = await open({ tls: TLS }, 10_000);
    const raw = await dial(port);
    await vi.waitFor(() => expect(owner.securing).toEqual([0]), { interval: 2 });
    const late = performance.now() + 11_000;
    vi.spyOn(performance, 'now').mockReturnValue(late);
    await secure(raw);
    await owner.transport(0);
    expect(owner.timeouts).toEqual([1]);
  });

  it('counts those that are in their TLS handshake, until that is over or they leave', async () => {
    const { owner, port } = await open({ tls: TLS });
    const first = await dialBoth(port);
    const raw = await dial(port);
    await dial(port);
    await vi.waitFor(() => expect(owner.securing).toEqual([0, 1, 2]), { interval: 2 });
    await secure(raw);
    await owner.transport(0);
    const gone = once(first.near, 'close');
    first.peer.end();
    await gone;
    await dial(port);
    await vi.waitFor(() => expect(owner.securing).toEqual([0, 1, 2, 1]), { interval: 2 });
    expect(owner.secured).toEqual([expect.any(NetSocket), first.near]);
  });

  it('counts nobody twice whose connection ends long after its handshake', async () => {
    const { owner, port } = await open({ tls: TLS });
    for (let i = 0; i < 3; i++) {
      await secure(await dial(port));
      const transport = await owner.transport(i);
      const gone = once(transport, 'close');
      transport.destroy();
      await gone;
    }
    expect(owner.securing).toEqual([0, 0, 0]);
    expect(new Set(owner.secured).size).toBe(3);
  });

  it('keeps both ends half-open behind the handshake of TLS', async () => {
    const { owner, port } = await open({ tls: TLS });
    const peer = await secure(await dial(port));
    const transport = await owner.transport(0);
    peer.end('all that I have to say');
    transport.resume();
    await once(transport, 'end');
    for (let i = 0; i < 3; i++) await new Promise(setImmediate);
    transport.end('the answer');
    expect((await peer.readToEnd()).toString()).toBe('the answer');
  });

  it('ends a handshake of TLS that does not come to its end', async () => {
    const { owner, port } = await open({ tls: TLS }, 500);
    const silent = await dialBoth(port);
    const slow = await dialBoth(port);
    await slow.peer.write(Buffer.of(0x16, 3, 1, 2, 0));
    await Promise.all([silent.peer.readToLeave(), slow.peer.readToLeave()]);
    expect([silent.near.destroyed, slow.near.destroyed]).toEqual([true, true]);
    expect(owner.transports).toEqual([]);
    await secure(await dial(port));
    await owner.transport(0);
    expect(owner.securing.at(-1)).toBe(0);
  });

  it('ends one too that goes on byte by byte', async () => {
    const { owner, port } = await open({ tls: TLS }, 300);
    const { peer, near } = await dialBoth(port);
    // The head of a record of 16 KiB.
    await peer.write(Buffer.of(0x16, 3, 1, 0x40, 0));
    const slowly = setInterval(() => peer.transport.write('x'), 20);
    onTestFinished(() => clearInterval(slowly));
    await peer.readToLeave();
    expect(near.destroyed).toBe(true);
    expect(owner.transports).toEqual([]);
  });

  it('does not disturb who has the handshake behind itself, whatever the time', async () => {
    const { owner, port } = await open({ tls: TLS }, 500);
    const peer = await secure(await dial(port));
    const transport = await owner.transport(0);
    const silent = await dialBoth(port);
    // By now the time of both is over.
    await silent.peer.readToLeave();
    transport.write('hello');
    expect((await peer.readBytes(5)).toString()).toBe('hello');
  });

  it('begins with no TLS for those that its owner has dealt with', async () => {
    const { owner, port } = await open({ tls: TLS });
    owner.hasRoom = false;
    for (let i = 0; i < 3; i++) {
      const client = connectTls({ port, host: '127.0.0.1', ca: CERTIFICATE });
      onTestFinished(() => void client.destroy());
      const error = await new Promise<unknown>((resolve) => {
        client.once('error', resolve);
      });
      expect(error).toMatchObject({ code: 'ECONNRESET' });
    }
    expect(owner.securing).toEqual([0, 0, 0]);
    expect(owner.transports).toEqual([]);
  });

  it('speaks HTTP/1.1 to those who ask by ALPN, and hands on all other options', async () => {
    const { owner, port } = await open({ tls: { ...TLS, maxVersion: 'TLSv1.2' } });
    const client = async (ALPNProtocols: string[]): Promise<TLSSocket> => {
      const socket = connectTls({ port, host: '127.0.0.1', ca: CERTIFICATE, ALPNProtocols });
      onTestFinished(() => void socket.destroy());
      await once(socket, 'secureConnect');
      return socket;
    };
    const socket = await client(['h2', 'http/1.1']);
    expect([socket.alpnProtocol, socket.getProtocol()]).toEqual(['http/1.1', 'TLSv1.2']);
    const code = 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL';
    await expect(client(['h2'])).rejects.toMatchObject({ code });
    expect(owner.transports.length).toBe(1);
  });

  it('ends those with itself that are in their TLS handshake', async () => {
    const { owner, listener, port } = await open({ tls: TLS });
    const silent = await dialBoth(port);
    const slow = await dialBoth(port);
    await slow.peer.write(Buffer.of(0x16, 3, 1, 2, 0));
    await vi.waitFor(() => expect(owner.securing).toEqual([0, 1]), { interval: 2 });
    await listener.close();
    await Promise.all([silent.peer.readToLeave(), slow.peer.readToLeave()]);
    expect([silent.near.destroyed, slow.near.destroyed]).toEqual([true, true]);
  });
});
