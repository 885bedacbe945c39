/** RFC 6455, section 10: what a server owes on a real network. */
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocketServer, type WebSocketServerOptions, refuse } from '../../src/index.ts';
import { type RawFrame, maskedFrame } from '../support/bytes.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';

async function listen(
  options: WebSocketServerOptions = {},
  secure = false,
): Promise<{ server: WebSocketServer; port: number }> {
  const server = new WebSocketServer(options);
  const tls = secure ? { tls: { key: KEY, cert: CERTIFICATE } } : {};
  await server.listen({ port: 0, host: '127.0.0.1', ...tls });
  onTestFinished(async () => void (await server.shutdown({ timeout: 100 })));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  return { server, port: address.port };
}

async function statusOf(port: number, fields: Record<string, string>): Promise<number> {
  const peer = await RawPeer.connect(port);
  await peer.write(rawRequest(fields));
  return (await peer.readHead()).status;
}

/** The code of the Close that answers these frames. */
async function failureOf(
  frames: readonly RawFrame[],
  options: WebSocketServerOptions = {},
): Promise<number> {
  const { server, port } = await listen(options);
  server.on('connection', (socket) => {
    socket.on('message', (message) => void socket.send(message));
  });
  const peer = await RawPeer.connect(port);
  await peer.write(rawRequest());
  await peer.readHead();
  await peer.write(Buffer.concat(frames.map((frame) => maskedFrame(frame))));
  const [close] = await peer.readFrames(1);
  expect(close!.opcode).toBe(8);
  return close!.payload.readUInt16BE(0);
}

describe('a server for known origins', () => {
  it('6455-10-02 server: refuses a foreign origin with 403, by default and by a list', async () => {
    const { port } = await listen();
    const foreign = { Host: 'chat.example', Origin: 'https://evil.example' };
    expect(await statusOf(port, foreign)).toBe(403);
    expect(await statusOf(port, { ...foreign, Origin: 'null' })).toBe(403);
    expect(await statusOf(port, { ...foreign, Origin: 'https://chat.example' })).toBe(101);

    const listed = await listen({ origins: ['https://evil.example'] });
    expect(await statusOf(listed.port, foreign)).toBe(101);
    expect(await statusOf(listed.port, { ...foreign, Origin: 'https://chat.example' })).toBe(403);
  });
});

describe('the limits of a server', () => {
  it('6455-10-03 server: hold against a large message, many fragments and many frames', async () => {
    const options = { maxPayload: 100, maxFragments: 10 };
    expect(await failureOf([{ opcode: 2, payload: Buffer.alloc(101) }], options)).toBe(1009);
    const half = Buffer.alloc(51);
    expect(
      await failureOf(
        [
          { opcode: 2, payload: half, fin: false },
          { opcode: 0, payload: half },
        ],
        options,
      ),
    ).toBe(1009);
    const empty = Array.from({ length: 11 }, (_, i) => ({ opcode: i === 0 ? 2 : 0, fin: false }));
    expect(await failureOf(empty, options)).toBe(1008);
  });
});

describe('who may come, and how', () => {
  it('6455-10-04 server: asks for credentials as HTTP does, and speaks TLS', async () => {
    const { server, port } = await listen({}, true);
    server.route('/', {
      upgrade({ headers }) {
        if (headers['authorization'] === 'Basic dXNlcjpwYXNz') return {};
        return refuse(401, { 'WWW-Authenticate': 'Basic' });
      },
    });
    const tls: ConnectionOptions = { port, host: '127.0.0.1', ca: CERTIFICATE };
    const open = async (fields: Record<string, string>): Promise<RawPeer> => {
      const transport = connectTls({ ...tls, servername: 'localhost' });
      onTestFinished(() => void transport.destroy());
      const peer = new RawPeer(transport);
      await peer.write(rawRequest(fields));
      return peer;
    };
    const refused = await (await open({})).readHead();
    expect(refused.status).toBe(401);
    expect(refused.getAll('www-authenticate')).toEqual(['Basic']);
    const accepted = await open({ Authorization: 'Basic dXNlcjpwYXNz' });
    expect((await accepted.readHead()).status).toBe(101);
  });

  it('6455-10-05 server: closes on invalid data, and takes an unexpected end for what it is', async () => {
    expect(await failureOf([{ opcode: 1, payload: Buffer.from([0xff]) }])).toBe(1007);
    expect(await failureOf([{ opcode: 3 }])).toBe(1002);

    const { server, port } = await listen();
    const ended = new Promise<unknown[]>((resolve) => {
      server.on('connection', (socket) => {
        socket.on('close', (...how) => resolve(how));
      });
    });
    const peer = await RawPeer.connect(port);
    await peer.write(rawRequest());
    await peer.readHead();
    peer.end();
    expect(await ended).toEqual([1006, '', false]);
  });
});
