import { afterEach, describe, expect, it } from 'vitest';
import type { Role } from '../../src/connection/handler.ts';
import type { SocketOptions } from '../../src/connection/socket-options.ts';
import { ROLES } from '../support/open-connection.ts';
import { type OpenSocket, openSocket } from '../support/open-socket.ts';

const opened: OpenSocket[] = [];

async function open(role: Role, options: SocketOptions = {}): Promise<OpenSocket> {
  const side = await openSocket(role, options);
  opened.push(side);
  return side;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((side) => side.dispose()));
});

/** Pieces that fill the buffers of the kernel, one after the other. */
function* piecesOf(count: number): Generator<Buffer, void, undefined> {
  for (let i = 0; i < count; i++) yield Buffer.alloc(256 * 1024, i);
}

/** Reads frames up to the one with this payload. */
async function readUpTo(side: OpenSocket, payload: string): Promise<void> {
  const frame = await side.frame();
  if (frame.payload.toString() !== payload) await readUpTo(side, payload);
}

describe.each(ROLES)('the drain of a %s socket', (role) => {
  it('comes when send would answer true, and not for the fragments of a message', async () => {
    const side = await open(role);
    const { socket, peer } = side;
    peer.transport.pause();
    const sent = socket.send(piecesOf(40));
    expect(socket.send(Buffer.alloc(100_000))).toBe(false);
    const answers: boolean[] = [];
    socket.on('drain', () => answers.push(socket.send('after the drain')));
    // The source is read on only as fast as the peer reads.
    peer.transport.resume();
    expect(await sent).toBe(true);
    await readUpTo(side, 'after the drain');
    expect(answers).toEqual([true]);
    expect(socket.bufferedAmount).toBe(0);
  });

  it('comes to whoever waits by a promise, behind a Blob that others wait for', async () => {
    const { socket, peer } = await open(role);
    const sent = socket.send(new Blob([Buffer.alloc(3_000_000)]));
    expect(socket.send(Buffer.alloc(100_000))).toBe(false);
    await socket.drained();
    expect(socket.send('more')).toBe(true);
    expect(await sent).toBe(true);
    await peer.readBytes(3_100_000);
  });

  it('lets nobody run into maxBackpressure who sends on at each one, during a long message', async () => {
    const { socket } = await open(role, { highWaterMark: 1_000, maxBackpressure: 20_000 });
    let count = 0;
    const source = async function* (): AsyncGenerator<Buffer, void, undefined> {
      for (; count < 50; count++) {
        await new Promise(setImmediate);
        yield Buffer.alloc(2_000);
      }
    };
    const sent = socket.send(source());
    socket.on('drain', () => {
      if (count < 50) socket.send(Buffer.alloc(2_000));
    });
    expect(socket.send(Buffer.alloc(2_000))).toBe(false);
    expect(await sent).toBe(true);
    expect([socket.readyState, socket.dropped, socket.ignored]).toEqual([1, 0, 0]);
  });
});
