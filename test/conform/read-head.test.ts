import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { receiveHead } from '../../src/conform/read-head.ts';

const HEAD = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const LONG = 60_000;

describe('receiving a head', () => {
  it('waits for the end of it, and keeps what comes after it for others', async () => {
    const [ours, theirs] = duplexPair();
    const received = receiveHead(ours, LONG);
    for (const byte of HEAD) theirs.write(byte);
    const head = await received;
    expect(head.startLine).toBe('GET / HTTP/1.1');
    expect(head.rest).toHaveLength(0);
    theirs.write('later');
    const [later] = await new Promise<Buffer[]>((resolve) => {
      ours.on('data', (chunk: Buffer) => resolve([chunk])).resume();
    });
    expect(later?.toString()).toBe('later');
  });

  it('hands over what came in the same piece', async () => {
    const [ours, theirs] = duplexPair();
    const received = receiveHead(ours, LONG);
    theirs.write(`${HEAD}rest`);
    expect((await received).rest.toString()).toBe('rest');
  });

  it('rejects what is no head', async () => {
    const [ours, theirs] = duplexPair();
    const received = receiveHead(ours, LONG);
    theirs.write('GET / HTTP/1.1\r\nnonsense\r\n\r\n');
    await expect(received).rejects.toThrow('This is no field');
  });

  it('rejects when TCP ends, or breaks', async () => {
    const [ours, theirs] = duplexPair();
    const received = receiveHead(ours, LONG);
    theirs.end();
    await expect(received).rejects.toThrow('TCP was closed in the opening handshake');
    const [broken] = duplexPair();
    const rejected = receiveHead(broken, LONG);
    broken.destroy(new Error('reset'));
    await expect(rejected).rejects.toThrow('reset');
  });

  it('does not wait for ever', async () => {
    await expect(receiveHead(duplexPair()[0], 1)).rejects.toThrow('no opening handshake in time');
  });
});
