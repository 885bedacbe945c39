import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type Socket as NetSocket, connect as connectNet, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { HandshakeError } from '../../src/errors.ts';
import { type HandshakeRequest, readRequest } from '../../src/handshake/accept.ts';
import { HeaderFields } from '../../src/handshake/fields.ts';
import { type Caller, Callers, type CallersOptions } from '../../src/server/callers.ts';
import { UpgradeRequest } from '../../src/server/request.ts';
import { type TrustedProxies, createProxyTrust } from '../../src/server/trusted-proxies.ts';
import { nextAccepted } from '../support/accepted.ts';
import { connectPair } from '../support/loopback.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { SAMPLE_KEY } from '../support/raw-http.ts';

interface Made {
  readonly callers: Callers;
  readonly errors: Error[];
}

function make(trusted: TrustedProxies | null, more: Partial<CallersOptions> = {}): Made {
  const errors: Error[] = [];
  const options: CallersOptions = {
    proxyTrust: trusted === null ? null : createProxyTrust(trusted),
    forwardedFields: 'x-forwarded',
    maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
    ...more,
  };
  return { callers: new Callers(options, (error) => errors.push(error)), errors };
}

/** What a caller without types may give. */
function loosely(decide: () => unknown): TrustedProxies {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- that is what is tested
  return decide as () => boolean;
}

/** A transport that says that it comes from there. */
function from(remoteAddress: string): Duplex {
  return Object.assign(memoryStream().stream, { remoteAddress });
}

function fieldsOf(fields: Readonly<Record<string, string>>): HeaderFields {
  return HeaderFields.fromRaw(Object.entries(fields).flat());
}

/** Who it is that a peer at `address` speaks for. */
function clientOf(
  { callers }: Made,
  address: string,
  fields: Readonly<Record<string, string>>,
): Omit<Caller, 'isProxy'> {
  const { isProxy, ...client } = callers.clientOf(callers.peerOf(from(address))!, fieldsOf(fields));
  expect(isProxy).toBe(false);
  return client;
}

/** The accepted end of a connection by a Unix socket. */
async function acceptUnix(): Promise<NetSocket> {
  const folder = await mkdtemp(join(tmpdir(), 'unix-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const listener = createServer().listen(join(folder, 'socket'));
  await once(listener, 'listening');
  const accepting = nextAccepted();
  const far = connectNet(join(folder, 'socket'));
  const near = await accepting;
  onTestFinished(() => {
    far.destroy();
    near.destroy();
    listener.close();
  });
  return near;
}

describe('where no proxy is trusted', () => {
  it('nobody is known but the peer', () => {
    const { callers } = make(null);
    expect(callers.peerOf(from('127.0.0.1'))).toBeNull();
    expect(callers.isProxy(from('127.0.0.1'))).toBe(false);
  });
});

describe('the peer of a transport', () => {
  it('is a proxy where it is trusted, however its address is written', () => {
    const { callers } = make(['127.0.0.1', '2001:db8::/32']);
    const peers = ['127.0.0.1', '::ffff:127.0.0.1', '2001:DB8::1', '127.0.0.2', 'memory'];
    expect(
      peers.map((peer) => callers.peerOf(from(peer))!).map((peer) => [peer.address, peer.isProxy]),
    ).toEqual([
      ['127.0.0.1', true],
      ['127.0.0.1', true],
      ['2001:db8::1', true],
      ['127.0.0.2', false],
      ['memory', false],
    ]);
  });

  it('is one on a Unix socket where these are trusted', async () => {
    const near = await acceptUnix();
    const trusting = make(['unix']).callers;
    expect(trusting.peerOf(near)).toMatchObject({ address: undefined, isProxy: true });
    expect(make(['127.0.0.1']).callers.isProxy(near)).toBe(false);
    near.destroy();
    expect(trusting.isProxy(near)).toBe(false);
  });

  it('is none where it has no address and no Unix socket', async () => {
    const { callers } = make(['unix']);
    expect(callers.isProxy(memoryStream().stream)).toBe(false);
    const { near, far } = await connectPair();
    expect(callers.isProxy(near)).toBe(false);
    near.destroy();
    expect(callers.isProxy(near)).toBe(false);
    far.destroy();
  });
});

describe('a peer that has no address', () => {
  it('has left, where it comes by TCP and addresses matter', async () => {
    const { near, far } = await connectPair();
    const { callers } = make([]);
    expect(callers.hasLeft(near)).toBe(false);
    Object.defineProperty(near, 'remoteAddress', { value: undefined });
    expect([callers.hasLeft(near), make(null).callers.hasLeft(near)]).toEqual([true, false]);
    expect(make(null, { maxConnectionsPerAddress: 1 }).callers.hasLeft(near)).toBe(true);
    far.destroy();
    near.destroy();
  });

  it('is there on a Unix socket, and on what is no socket of Node', async () => {
    const { callers } = make([]);
    expect(callers.hasLeft(await acceptUnix())).toBe(false);
    expect(callers.hasLeft(memoryStream().stream)).toBe(false);
  });
});

describe('a peer that speaks by the PROXY protocol', () => {
  const { callers } = make(['10.0.0.0/8']);
  const transport = from('10.0.0.1');

  it('speaks for a client, which may be a trusted proxy again', () => {
    expect(callers.peerOf(transport, '192.0.2.1')).toMatchObject({
      address: '192.0.2.1',
      isProxy: false,
    });
    expect(callers.peerOf(transport, '10.0.0.2')).toMatchObject({
      address: '10.0.0.2',
      isProxy: true,
    });
  });

  it('is the client where it names nobody, and its request is not believed', () => {
    expect(callers.peerOf(transport, null)).toMatchObject({ address: '10.0.0.1', isProxy: false });
    expect(callers.peerOf(memoryStream().stream, null)).toMatchObject({ address: undefined });
  });

  it('is possible only where somebody is trusted', () => {
    expect([callers.mayHaveProxies, make(null).callers.mayHaveProxies]).toEqual([true, false]);
  });
});

describe('a function that decides about proxies', () => {
  it('is asked for every address, and for undefined on a Unix socket', async () => {
    const isTrusted = vi.fn<() => boolean>(() => true);
    const { callers } = make(isTrusted);
    expect(callers.isProxy(from('::ffff:192.0.2.1'))).toBe(true);
    expect(callers.isProxy(await acceptUnix())).toBe(true);
    expect(isTrusted.mock.calls).toEqual([['192.0.2.1'], [undefined]]);
  });

  it('and throws trusts nobody, and is told', () => {
    const mistake = new Error('a mistake of the application');
    const { callers, errors } = make(() => {
      throw mistake;
    });
    expect(callers.isProxy(from('192.0.2.1'))).toBe(false);
    expect(errors).toEqual([mistake]);
  });

  it.each<unknown>([1, 'yes', {}, null, undefined])('and returns %j trusts nobody', (answer) => {
    const { callers } = make(loosely(() => answer));
    expect(callers.isProxy(from('192.0.2.1'))).toBe(false);
  });

  it('and is async trusts nobody, and what it rejects with is told', async () => {
    const mistake = new Error('a mistake of the application');
    const answers = [Promise.resolve(true), Promise.reject(mistake)];
    const { callers, errors } = make(loosely(() => answers.shift()));
    expect(callers.isProxy(from('192.0.2.1'))).toBe(false);
    expect(callers.isProxy(from('192.0.2.1'))).toBe(false);
    await vi.waitFor(() => expect(errors).toEqual([mistake]), { interval: 2 });
  });
});

describe('the client of a peer that is not trusted', () => {
  it('is the peer, whatever it claims', () => {
    const claims = {
      'X-Forwarded-For': '192.0.2.1',
      'X-Forwarded-Host': 'a.example',
      'X-Forwarded-Proto': 'https',
      Forwarded: 'for=192.0.2.1;host=a.example;proto=https',
    };
    for (const forwardedFields of ['x-forwarded', 'forwarded'] as const) {
      expect(clientOf(make(['10.0.0.1'], { forwardedFields }), '10.0.0.2', claims)).toEqual({
        address: '10.0.0.2',
        host: undefined,
        isSecure: undefined,
      });
    }
  });
});

describe('the client of a proxy, by X-Forwarded-For,', () => {
  const made = make(['10.0.0.0/8']);

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['192.0.2.1:4711', '192.0.2.1'],
    ['[2001:db8::1]:4711', '2001:db8::1'],
    // What a client has written itself stands in front.
    ['10.0.0.9, 192.0.2.1', '192.0.2.1'],
    ['198.51.100.1, 192.0.2.1', '192.0.2.1'],
    ['unknown, 192.0.2.1', '192.0.2.1'],
    ['", 192.0.2.1', '192.0.2.1'],
    // Proxies behind each other.
    ['198.51.100.1, 192.0.2.1, 10.0.0.2, 10.0.0.3', '192.0.2.1'],
    ['192.0.2.1, ::ffff:10.0.0.2', '192.0.2.1'],
    // Nobody else was there.
    ['10.0.0.2, 10.0.0.3', '10.0.0.2'],
    // What cannot be read is nobody: the last that can is.
    ['', '10.0.0.1'],
    ['unknown', '10.0.0.1'],
    ['192.0.2.1, unknown', '10.0.0.1'],
    ['192.0.2.1, 10.0.0.2 10.0.0.3', '10.0.0.1'],
    ['192.0.2.1, unknown, 10.0.0.2', '10.0.0.2'],
    ['192.0.2.256', '10.0.0.1'],
    ['010.0.0.2', '10.0.0.1'],
  ])('%s, is %s', (value, address) => {
    expect(clientOf(made, '10.0.0.1', { 'X-Forwarded-For': value }).address).toBe(address);
  });

  it('is the proxy itself where there is none', () => {
    expect(clientOf(made, '10.0.0.1', { Forwarded: 'for=192.0.2.1' }).address).toBe('10.0.0.1');
  });
});

describe('the client of a proxy, by Forwarded,', () => {
  const made = make(['10.0.0.0/8'], { forwardedFields: 'forwarded' });

  it.each([
    ['for=192.0.2.1', '192.0.2.1'],
    ['for="[2001:db8::1]:4711"', '2001:db8::1'],
    ['for=198.51.100.1, for=192.0.2.1;by=10.0.0.2, for=10.0.0.2', '192.0.2.1'],
    ['for=198.51.100.1, for="192.0.2.1:_x"', '192.0.2.1'],
    ['for=_hidden', '10.0.0.1'],
    ['for=192.0.2.1, for=unknown', '10.0.0.1'],
    ['for=192.0.2.1, proto=https', '10.0.0.1'],
    ['for=", for=192.0.2.1', '10.0.0.1'],
    ['192.0.2.1', '10.0.0.1'],
  ])('%s, is %s', (value, address) => {
    expect(clientOf(made, '10.0.0.1', { Forwarded: value }).address).toBe(address);
  });

  it('is the proxy itself where there is none', () => {
    const fields = { 'X-Forwarded-For': '192.0.2.1' };
    expect(clientOf(made, '10.0.0.1', fields).address).toBe('10.0.0.1');
  });
});

describe('host and scheme', () => {
  it.each([
    ['a.example', 'https', 'a.example', true],
    ['a.example:8080', 'http', 'a.example:8080', false],
    ['[::1]:80', 'WSS', '[::1]:80', true],
    ['b.example, a.example', 'https, ws', 'a.example', false],
    ['a b', 'gopher', undefined, undefined],
    ['a.example/evil', '', undefined, undefined],
    ['', 'https http', undefined, undefined],
  ])('that a proxy tells as %s and %s are %s, %s', (host, scheme, told, isSecure) => {
    const fields = { 'X-Forwarded-Host': host, 'X-Forwarded-Proto': scheme };
    expect(clientOf(make(['10.0.0.1']), '10.0.0.1', fields)).toEqual({
      address: '10.0.0.1',
      host: told,
      isSecure,
    });
  });

  it('are those of the first proxy that is trusted, by Forwarded', () => {
    const made = make(['10.0.0.0/8'], { forwardedFields: 'forwarded' });
    const value = [
      'for=198.51.100.1;host=spoofed.example;proto=https',
      'for=192.0.2.1;host=first.example',
      'for=10.0.0.2;host=second.example;proto=http',
    ];
    expect(clientOf(made, '10.0.0.1', { Forwarded: value.join(', ') })).toEqual({
      address: '192.0.2.1',
      host: 'first.example',
      isSecure: false,
    });
  });
});

describe('what a proxy says', () => {
  it('never throws, and gives nobody the address of a proxy behind it', () => {
    const text = fc.stringMatching(/^[for=";, :[\]_1.0a]*$/);
    const address = fc.constantFrom('10.0.0.2', '192.0.2.1', '::1', 'unknown', '');
    fc.assert(
      fc.property(fc.array(fc.oneof(text, address)), text, (nodes, forwarded) => {
        const value = [...nodes, '192.0.2.9'].join(',');
        const made = make(['10.0.0.0/8']);
        const fields = { 'X-Forwarded-For': value, Forwarded: forwarded };
        expect(clientOf(made, '10.0.0.1', fields).address).toBe('192.0.2.9');
        const other = make(['10.0.0.0/8'], { forwardedFields: 'forwarded' });
        clientOf(other, '10.0.0.1', fields);
      }),
    );
  });
});

describe('a request', () => {
  const asked = (fields: Readonly<Record<string, string>>): HandshakeRequest => ({
    target: '/',
    fields: fieldsOf(fields),
    host: 'localhost',
    origin: undefined,
    key: SAMPLE_KEY,
    subprotocols: [],
    extensions: [],
  });

  it('is that of the peer where nobody is trusted, or it is no proxy', () => {
    const request = asked({ 'X-Forwarded-Host': 'a.example' });
    const transport = from('192.0.2.1');
    const { callers } = make(['10.0.0.1']);
    for (const caller of [null, callers.peerOf(transport)]) {
      const called = { transport, caller };
      expect(callers.recognize(called, request)).toBe(request);
      expect(called.caller).toBe(caller);
    }
  });

  it('is that of the client by a proxy, with its host where that is told', () => {
    const transport = from('10.0.0.1');
    const { callers } = make(['10.0.0.1']);
    const called = { transport, caller: callers.peerOf(transport) };
    const request = asked({ 'X-Forwarded-For': '192.0.2.1', 'X-Forwarded-Host': 'a.example' });
    expect(callers.recognize(called, request)).toEqual({ ...request, host: 'a.example' });
    expect(called.caller).toMatchObject({ address: '192.0.2.1', isProxy: false });
    const other = { transport, caller: callers.peerOf(transport) };
    const plain = asked({ 'X-Forwarded-For': '192.0.2.1' });
    expect(callers.recognize(other, plain)).toBe(plain);
  });

  it('is refused where no more may come from the client, until another has left', () => {
    const transport = from('10.0.0.1');
    const { callers } = make(['10.0.0.1'], { maxConnectionsPerAddress: 1 });
    const call = (): { transport: Duplex; caller: Caller | null } => ({
      transport,
      caller: callers.peerOf(transport),
    });
    const first = call();
    const request = asked({ 'X-Forwarded-For': '192.0.2.1' });
    callers.recognize(first, request);
    expect(() => callers.recognize(call(), request)).toThrow(HandshakeError);
    callers.leave(first);
    expect(callers.recognize(call(), request)).toBe(request);
  });
});

describe('the number of connections', () => {
  it('is that of the peer where no proxy is trusted', () => {
    const { callers } = make(null, { maxConnectionsPerAddress: 1 });
    const transport = from('::ffff:192.0.2.1');
    expect(callers.hasRoom(transport, null)).toBe(true);
    callers.enter(transport, transport, null);
    expect(callers.hasRoom(from('192.0.2.1'), null)).toBe(false);
    callers.leave(transport);
    expect(callers.hasRoom(from('192.0.2.1'), null)).toBe(true);
  });

  it('is that of the client behind a proxy, and not of the proxy', () => {
    const { callers } = make(['10.0.0.1'], { maxConnectionsPerAddress: 1 });
    const transport = from('10.0.0.1');
    const peer = callers.peerOf(transport)!;
    const clients = ['192.0.2.1', '192.0.2.2'].map((client) =>
      callers.clientOf(peer, fieldsOf({ 'X-Forwarded-For': client })),
    );
    callers.enter({}, transport, peer);
    callers.enter({}, transport, peer);
    expect(callers.hasRoom(transport, peer)).toBe(true);
    callers.enter({}, transport, clients[0]!);
    expect(clients.map((client) => callers.hasRoom(transport, client))).toEqual([false, true]);
  });

  it('is that of a request that was answered, by what it knows of its client', () => {
    const { callers } = make(null, { maxConnectionsPerAddress: 1 });
    const transport = from('192.0.2.1');
    const handshake = readRequest({
      method: 'GET',
      target: '/',
      minorVersion: 1,
      fields: fieldsOf({
        Host: 'localhost',
        Upgrade: 'websocket',
        Connection: 'Upgrade',
        'Sec-WebSocket-Key': SAMPLE_KEY,
        'Sec-WebSocket-Version': '13',
      }),
    });
    const progress = { signal: new AbortController().signal };
    const holder = {};
    callers.enterFrom(holder, new UpgradeRequest(handshake, progress, transport, {}));
    expect(callers.hasRoom(transport, null)).toBe(false);
    callers.leave(holder);
    expect(callers.hasRoom(transport, null)).toBe(true);
  });

  it('has no limit without the option', () => {
    const { callers } = make(null);
    const transport = from('192.0.2.1');
    for (let i = 0; i < 3; i++) callers.enter({}, transport, null);
    expect(callers.hasRoom(transport, null)).toBe(true);
    callers.leave(transport);
  });
});
