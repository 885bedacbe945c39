import { describe, expect, it } from 'vitest';
import { closeBody } from '../support/bytes.ts';
import { askFor } from '../support/joined-peer.ts';
import { RawPeer } from '../support/raw-peer.ts';
import { ExampleProcess } from './example-process.ts';

/** The servers among the examples that let somebody in who only asks, and where. */
const SERVERS: readonly (readonly [file: string, path: string, fields: Record<string, string>])[] =
  [
    ['examples/echo.mjs', '/', {}],
    ['examples/own-transport.mjs', '/', {}],
    ['examples/behind-http.mjs', '/echo', {}],
    ['examples/behind-nginx.mjs', '/echo', {}],
    ['examples/broadcast.mjs', '/lines', {}],
    ['examples/chat.mjs', '/chat/lobby', { Cookie: 'session=secret%20of%20Ann' }],
    ['examples/authenticated.mjs', '/account', { Authorization: 'Bearer token of Ben' }],
  ];

/** Up to the Close: other frames may come before it. */
async function readClose(peer: RawPeer): Promise<Buffer> {
  for (;;) {
    const [frame] = await peer.readFrames(1);
    if (frame!.opcode === 8) return frame!.payload;
  }
}

describe.each(SERVERS)('%s', (file, path, fields) => {
  it('closes with 1001 when it is told to stop, and is cut by a second signal', async () => {
    const server = await ExampleProcess.start(file);
    const peer = await RawPeer.connect(server.port);
    expect((await askFor(peer, path, fields)).status).toBe(101);
    const ended = server.stop();
    expect(await readClose(peer)).toEqual(closeBody(1001));
    // It waits for our Close now, which does not come.
    void server.stop();
    expect(await ended).toBe('SIGTERM: ');
  });
});
