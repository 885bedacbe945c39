import { once } from 'node:events';
import { connect } from 'tautline';
import { describe, expect, it } from 'vitest';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';
import { ExampleProcess, PATIENT } from './example-process.ts';

const FILE = 'examples/broadcast.mjs';

describe('examples/broadcast.mjs', () => {
  it('sends each line to all who want it, in order', async () => {
    const server = await ExampleProcess.start(FILE);
    const all = await connect(server.url);
    const some = await connect(`${server.url}?with=error`);
    const heard: unknown[][] = [[], []];
    all.on('message', (message) => void heard[0]!.push(message));
    some.on('message', (message) => void heard[1]!.push(message));
    await server.write('one\nerror: twö\nthree\n\nan error\n');
    await expect
      .poll(() => heard, PATIENT)
      .toEqual([
        ['one', 'error: twö', 'three', '', 'an error'],
        ['error: twö', 'an error'],
      ]);
    expect(await server.stop()).toBe('0: ');
    expect(await all.closed).toMatchObject({ code: 1001, wasClean: true });
    expect(await some.closed).toMatchObject({ code: 1001, wasClean: true });
  });

  it('ends with the program whose lines it sends, when all were sent', async () => {
    const server = await ExampleProcess.start(FILE);
    const socket = await connect(server.url);
    const heard: unknown[] = [];
    socket.on('message', (message) => void heard.push(message));
    const closed = once(socket, 'close');
    await server.write('first\nlast');
    expect(await server.end()).toBe('0: ');
    expect(await closed).toEqual([1001, '', true]);
    expect(heard).toEqual(['first', 'last']);
  });

  it('keeps only so much for who does not read, tells what is missing, and delays nobody', async () => {
    const server = await ExampleProcess.start(FILE);
    const slow = await RawPeer.connect(server.port);
    await slow.write(rawRequest({}, 'GET /lines HTTP/1.1'));
    expect((await slow.readHead()).status).toBe(101);
    slow.transport.pause();

    // More than the kernel holds between two processes, and 1 MiB.
    const [rounds, perRound] = [64, 64];
    const text = 'x'.repeat(8 * 1024);
    const quick = await connect(server.url);
    let count = 0;
    const lines = quick[Symbol.asyncIterator]();
    for (let round = 0; round < rounds; round++) {
      const block = Array.from({ length: perRound }, (_, i) => `${round * perRound + i} ${text}\n`);
      const taken = server.write(block.join(''));
      for (let i = 0; i < perRound; i++) {
        expect(await lines.next()).toEqual({ done: false, value: `${count++} ${text}` });
      }
      await taken;
    }

    const total = rounds * perRound;
    let read = 0;
    slow.transport.resume();
    for (;;) {
      const [frame] = await slow.readFrames(1);
      const line = frame!.payload.toString();
      const missed = /^\((\d+) lines left out\)$/.exec(line);
      if (missed !== null) {
        // Those that it has are the first ones, and all others were counted.
        expect(read + Number(missed[1])).toBe(total);
        break;
      }
      expect(line).toBe(`${read++} ${text}`);
    }
    expect(read).toBeLessThan(total);
    slow.transport.destroy();
    expect(await server.stop()).toBe('0: ');
  });
});
