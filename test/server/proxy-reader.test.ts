import { once } from 'node:events';
import type { Socket as NetSocket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readProxyHeader } from '../../src/server/proxy-reader.ts';
import { connectPair } from '../support/loopback.ts';

const HEADER = 'PROXY TCP4 192.0.2.1 127.0.0.1 4711 80\r\n';

interface Reading {
  readonly near: NetSocket;
  readonly far: NetSocket;
  readonly source: Promise<string | null>;
  readonly told: (string | null)[];
}

async function read(): Promise<Reading> {
  const { near, far } = await connectPair();
  onTestFinished(() => {
    near.destroy();
    far.destroy();
  });
  const told: (string | null)[] = [];
  const source = new Promise<string | null>((resolve) => {
    readProxyHeader(near, (one) => {
      told.push(one);
      resolve(one);
    });
  });
  return { near, far, source, told };
}

describe('the header before a connection', () => {
  it('is taken away, and what follows is read by whoever comes next', async () => {
    const { near, far, source } = await read();
    far.write(`${HEADER}first`);
    expect(await source).toBe('192.0.2.1');
    far.write(' second');
    for (let i = 0; i < 3; i++) await new Promise(setImmediate);
    let text = '';
    near.on('data', (chunk: Buffer) => (text += chunk.toString()));
    near.resume();
    far.end(' third');
    await once(near, 'end');
    expect(text).toBe('first second third');
    expect(near.destroyed).toBe(false);
  });

  it('may come alone, and in pieces', async () => {
    const { near, far, source, told } = await read();
    for (const byte of 'PROXY UNKNOWN\r\n') {
      far.write(byte);
      await new Promise(setImmediate);
    }
    expect(await source).toBeNull();
    near.resume();
    far.end();
    await once(near, 'end');
    expect(told).toEqual([null]);
  });

  it.each<[string, (far: NetSocket) => void]>([
    ['is none', (far) => far.write('GET / HTTP/1.1\r\n')],
    ['does not come to its end', (far) => far.end('PROXY TCP4')],
    ['is cut by a reset', (far) => far.resetAndDestroy()],
  ])('that %s ends the connection, and nobody is told', async (_what, leave) => {
    const { near, far, told } = await read();
    const gone = new Promise<void>((resolve) => {
      near.once('close', () => resolve());
    });
    leave(far);
    await gone;
    expect(told).toEqual([]);
    expect(['data', 'end', 'close'].map((name) => near.listenerCount(name))).not.toContain(2);
  });

  it('may be followed by a reset, which harms nobody', async () => {
    const { near, far, source } = await read();
    far.write(HEADER);
    await source;
    const gone = new Promise<void>((resolve) => {
      near.once('close', () => resolve());
    });
    near.resume();
    far.resetAndDestroy();
    await gone;
  });

  it('does not wait for room to write', async () => {
    const { near, far, source } = await read();
    near.emit('drain');
    far.write(HEADER);
    expect(await source).toBe('192.0.2.1');
  });
});
