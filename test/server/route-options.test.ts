import { describe, expect, it } from 'vitest';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { closeBody, maskedFrame } from '../support/bytes.ts';
import { askFor, join, listenLocally } from '../support/joined-peer.ts';
import { RawPeer } from '../support/raw-peer.ts';
import type { TestHooks } from '../support/test-hooks.ts';

/** A server with a route that has options of its own, at /own, and one that has none, at /plain. */
async function serve(options: WebSocketServerOptions, own: TestHooks): Promise<number> {
  const server = new WebSocketServer({ closeTimeout: 200, ...options });
  const echo: TestHooks = {
    message: (socket, message, binary) =>
      socket.send(`${binary ? 'binary' : 'text'} as ${typeof message}: ${String(message)}`),
  };
  server.route('/own', { ...echo, ...own }).route('/plain', echo);
  return await listenLocally(server);
}

async function answerTo(peer: RawPeer, frame: Buffer): Promise<string> {
  await peer.write(frame);
  const [answer] = await peer.readFrames(1);
  return answer!.opcode === 8
    ? `close ${answer!.payload.readUInt16BE()}`
    : answer!.payload.toString();
}

describe('an option in a route', () => {
  it('goes before that of the server: maxPayload', async () => {
    const port = await serve({ maxPayload: 10 }, { maxPayload: 20 });
    const [own, plain] = [await join(port, '/own'), await join(port, '/plain')];
    const frame = maskedFrame({ payload: 'x'.repeat(15) });
    expect(await answerTo(own, frame)).toBe(`text as string: ${'x'.repeat(15)}`);
    expect(await answerTo(plain, frame)).toBe('close 1009');
    expect(await answerTo(own, maskedFrame({ payload: 'x'.repeat(21) }))).toBe('close 1009');
  });

  it('may be smaller than that of the server: maxFragments', async () => {
    const port = await serve({}, { maxFragments: 1 });
    const frames = Buffer.concat([
      maskedFrame({ fin: false, payload: 'a' }),
      maskedFrame({ opcode: 0, payload: 'b' }),
    ]);
    expect(await answerTo(await join(port, '/own'), frames)).toBe('close 1008');
    expect(await answerTo(await join(port, '/plain'), frames)).toBe('text as string: ab');
  });

  it('takes the limit of the server away, or is a limit of its own: rateLimit', async () => {
    const rateLimit = { messages: 1 / 3600 };
    for (const [options, own, limited, free] of [
      [{ rateLimit }, { rateLimit: false }, '/plain', '/own'],
      [{}, { rateLimit }, '/own', '/plain'],
    ] as const) {
      const port = await serve(options, own);
      const [slow, fast] = [await join(port, limited), await join(port, free)];
      const frame = maskedFrame({ payload: 'a' });
      for (const answer of ['text as string: a', 'close 1008']) {
        expect(await answerTo(slow, frame)).toBe(answer);
        expect(await answerTo(fast, frame)).toBe('text as string: a');
      }
    }
  });

  it('decides how a text is given out: text', async () => {
    const port = await serve({}, { text: 'buffer' });
    const [own, plain] = [await join(port, '/own'), await join(port, '/plain')];
    expect(await answerTo(own, maskedFrame({ payload: 'é' }))).toBe('text as object: é');
    expect(await answerTo(own, maskedFrame({ opcode: 2, payload: 'é' }))).toBe(
      'binary as object: é',
    );
    expect(await answerTo(plain, maskedFrame({ payload: 'é' }))).toBe('text as string: é');
  });

  it('may take back what the server says', async () => {
    const port = await serve(
      { text: 'buffer', autoPong: false },
      { text: 'string', autoPong: true },
    );
    const [own, plain] = [await join(port, '/own'), await join(port, '/plain')];
    const frames = Buffer.concat([
      maskedFrame({ opcode: 9, payload: 'ping' }),
      maskedFrame({ payload: 'x' }),
    ]);
    await own.write(frames);
    const answers = await own.readFrames(2);
    expect(new Set(answers.map(({ opcode }) => opcode))).toEqual(new Set([1, 10]));
    expect(await answerTo(plain, frames)).toBe('text as object: x');
  });

  it('that is undefined leaves that of the server', async () => {
    const port = await serve({ text: 'buffer' }, { text: undefined, subprotocols: undefined });
    expect(await answerTo(await join(port, '/own'), maskedFrame({ payload: 'x' }))).toBe(
      'text as object: x',
    );
  });

  it('holds for the keepalive: pingInterval', async () => {
    const port = await serve({ pingInterval: 0 }, { pingInterval: 20, pingTimeout: 10 });
    const peer = await join(port, '/own');
    const [ping] = await peer.readFrames(1);
    expect(ping!.opcode).toBe(9);
    // And no Pong comes.
    await peer.readToLeave();
  });

  it('holds for the end: closeTimeout', async () => {
    let told = (): void => {};
    const closed = new Promise<void>((resolve) => {
      told = resolve;
    });
    const port = await serve(
      { closeTimeout: 2_000_000_000 },
      { closeTimeout: 20, close: () => told() },
    );
    const peer = await join(port, '/own');
    // Breaks a rule, and never ends its side.
    await peer.write(maskedFrame({ rsv: 4 }));
    await closed;
  });
});

describe('the subprotocols of a route', () => {
  async function protocolOf(port: number, path: string, offer: string): Promise<string[]> {
    const peer = await RawPeer.connect(port);
    const head = await askFor(peer, path, { 'Sec-WebSocket-Protocol': offer });
    expect(head.status).toBe(101);
    return head.getAll('sec-websocket-protocol');
  }

  it('go before those of the server', async () => {
    const port = await serve(
      { subprotocols: ['chat', 'soap'] },
      { subprotocols: ['mqtt', 'soap'] },
    );
    expect(await protocolOf(port, '/own', 'chat, mqtt, soap')).toEqual(['mqtt']);
    expect(await protocolOf(port, '/plain', 'chat, mqtt, soap')).toEqual(['chat']);
    expect(await protocolOf(port, '/own', 'chat')).toEqual([]);
  });

  it('may be none at all', async () => {
    const port = await serve({ subprotocols: ['chat'] }, { subprotocols: [] });
    expect(await protocolOf(port, '/own', 'chat')).toEqual([]);
    expect(await protocolOf(port, '/plain', 'chat')).toEqual(['chat']);
  });

  it('are told to the socket', async () => {
    const port = await serve(
      {},
      { subprotocols: ['mqtt'], open: (socket) => socket.close(4000, socket.protocol) },
    );
    const peer = await RawPeer.connect(port);
    await askFor(peer, '/own', { 'Sec-WebSocket-Protocol': 'soap, mqtt' });
    expect((await peer.readFrames(1))[0]!.payload).toEqual(closeBody(4000, 'mqtt'));
  });
});
