import { afterEach, describe, expect, it, vi } from 'vitest';
import { WebSocketServer } from '../../src/server/server.ts';
import type { AnyServerSocket } from '../../src/server/server-socket.ts';
import { closeBody, maskedFrame } from '../support/bytes.ts';
import { join, listenLocally, numbered } from '../support/joined-peer.ts';
import type { RawPeer } from '../support/raw-peer.ts';
import type { TestHooks } from '../support/test-hooks.ts';

afterEach(() => void vi.restoreAllMocks());

const mistake = new Error('a mistake of the application');

interface Two {
  readonly server: WebSocketServer;
  /** The one that goes wrong. */
  readonly bad: RawPeer;
  /** The one that must not notice. */
  readonly good: RawPeer;
  /** The socket of the bad one. */
  readonly socket: AnyServerSocket;
}

/** Two clients of one server, whose hooks spoil the first alone. */
async function serveTwo(hooks: TestHooks): Promise<Two> {
  const server = new WebSocketServer({ closeTimeout: 200 });
  server.route('/bad', hooks);
  server.route('/good', { message: (socket, message) => socket.send(message) });
  const port = await listenLocally(server);
  const good = await join(port, '/good');
  const bad = await join(port, '/bad');
  return { server, bad, good, socket: [...server.sockets].at(-1)! };
}

async function expectAlive(peer: RawPeer): Promise<void> {
  await peer.write(maskedFrame({ payload: 'still here?' }));
  const [frame] = await peer.readFrames(1);
  expect(frame!.payload.toString()).toBe('still here?');
}

/** The next error that the server tells. */
function nextError(server: WebSocketServer): Promise<unknown[]> {
  return new Promise((resolve) => {
    server.once('error', (...values) => resolve(values));
  });
}

/** Each hook, and what makes it called. */
const TRIGGERS: readonly (readonly [string, (two: Two) => Promise<unknown>])[] = [
  ['message', ({ bad }) => bad.write(maskedFrame({ payload: 'x' }))],
  ['stream', ({ bad }) => bad.write(maskedFrame({ payload: 'x' }))],
  ['ping', ({ bad }) => bad.write(maskedFrame({ opcode: 9 }))],
  ['pong', ({ bad }) => bad.write(maskedFrame({ opcode: 10 }))],
  ['drain', async ({ socket }) => socket.send('x')],
  ['shutdown', async ({ server }) => void server.shutdown({ timeout: 300 })],
];

/** Up to the Close: other frames may come before it. */
async function readClose(peer: RawPeer): Promise<Buffer> {
  for (;;) {
    const [frame] = await peer.readFrames(1);
    if (frame!.opcode === 8) return frame!.payload;
  }
}

describe.each([
  [
    'throws',
    () => {
      throw mistake;
    },
  ],
  [
    'rejects',
    async () => {
      await Promise.resolve();
      throw mistake;
    },
  ],
])('a hook that %s', (_how, hook) => {
  it.each(TRIGGERS)(
    'as %s closes its own socket with 1011, and the server tells',
    async (name, trigger) => {
      const two = await serveTwo({ [name]: hook, highWaterMark: 0 });
      const told = nextError(two.server);
      await trigger(two);
      expect(numbered(await told, [two.socket])).toEqual([mistake, '#0']);
      expect(await readClose(two.bad)).toEqual(closeBody(1011));
      if (name !== 'shutdown') await expectAlive(two.good);
    },
  );

  it('as close is told as well, and the others live on', async () => {
    const { server, bad, good, socket } = await serveTwo({ close: hook });
    const told = nextError(server);
    bad.end(maskedFrame({ opcode: 8 }));
    expect(numbered(await told, [socket])).toEqual([mistake, '#0']);
    await expectAlive(good);
  });

  it('as error becomes a warning of the process', async () => {
    const warned = new Promise<unknown[]>((resolve) => {
      vi.spyOn(process, 'emitWarning').mockImplementation((...values) => resolve(values));
    });
    const { server, bad, good } = await serveTwo({ error: hook });
    server.on('error', () => expect.fail('the hook has heard it'));
    await bad.write(maskedFrame({ rsv: 4 }));
    expect(await warned).toEqual([mistake]);
    await expectAlive(good);
  });

  it('is heard by the hook for errors of its route, and then by nobody else', async () => {
    const heard: unknown[] = [];
    const { server, bad, good, socket } = await serveTwo({
      message: hook,
      error: (...values) => void heard.push(...values),
    });
    server.on('error', () => expect.fail('the hook has heard it'));
    await bad.write(maskedFrame({ payload: 'x' }));
    expect(await readClose(bad)).toEqual(closeBody(1011));
    expect(numbered(heard, [socket])).toEqual(['#0', mistake]);
    await expectAlive(good);
  });

  it('is heard by a listener of its socket, and then by nobody else', async () => {
    const heard: unknown[] = [];
    const { server, bad, good, socket } = await serveTwo({ message: hook });
    socket.on('error', (error) => heard.push(error));
    server.on('error', () => expect.fail('the listener has heard it'));
    await bad.write(maskedFrame({ payload: 'x' }));
    expect(await readClose(bad)).toEqual(closeBody(1011));
    expect(heard).toEqual([mistake]);
    await expectAlive(good);
  });

  it('is a warning of the process where nobody listens for errors at all', async () => {
    const warned = new Promise<unknown[]>((resolve) => {
      vi.spyOn(process, 'emitWarning').mockImplementation((...values) => resolve(values));
    });
    const { bad, good } = await serveTwo({ message: hook });
    await bad.write(maskedFrame({ payload: 'x' }));
    expect(await warned).toEqual([mistake]);
    await expectAlive(good);
  });
});

describe('what a peer does wrong', () => {
  it.each([
    ['a reserved bit', maskedFrame({ rsv: 4 }), 1002],
    ['an unmasked frame', Buffer.from('8100', 'hex'), 1002],
    ['text that is not UTF-8', maskedFrame({ payload: Buffer.from([0xff]) }), 1007],
    ['a message that is too big', maskedFrame({ payload: Buffer.alloc(2000) }), 1009],
  ])('is no matter of the others, nor of the process: %s', async (_what, frame, code) => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const { server, bad, good } = await serveTwo({ maxPayload: 1000 });
    server.on('error', () => expect.fail('it is not the mistake of the server'));
    await bad.write(frame);
    expect((await readClose(bad)).readUInt16BE()).toBe(code);
    await expectAlive(good);
    expect(warn.mock.calls).toEqual([]);
  });

  it('is told to the hook and to the listeners of its own socket', async () => {
    const heard: string[] = [];
    const { bad, socket } = await serveTwo({
      error: (_socket, error) => void heard.push(error.name),
    });
    socket.on('error', (error) => heard.push(error.name));
    await bad.write(maskedFrame({ rsv: 4 }));
    await readClose(bad);
    expect(heard).toEqual(['ProtocolError', 'ProtocolError']);
  });
});

describe('a listener for errors of the server that throws itself', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('another mistake');
      },
    ],
    ['rejects', () => Promise.reject(new Error('another mistake'))],
  ])('is a warning of the process: it %s', async (_how, listener) => {
    const warned = new Promise<unknown>((resolve) => {
      vi.spyOn(process, 'emitWarning').mockImplementation((warning) => resolve(warning));
    });
    const { server, bad, good } = await serveTwo({
      message() {
        throw mistake;
      },
    });
    Reflect.apply(server.on.bind(server), undefined, ['error', listener]);
    await bad.write(maskedFrame({ payload: 'x' }));
    expect(await warned).toMatchObject({ message: 'another mistake' });
    await expectAlive(good);
  });
});
