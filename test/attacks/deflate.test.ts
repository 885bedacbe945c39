/** What compressed messages did to other implementations, in both roles. */
import { setImmediate } from 'node:timers/promises';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import { WebSocket } from '../../src/client/websocket.ts';
import { HandshakeError } from '../../src/errors.ts';
import type { RawFrame } from '../support/bytes.ts';
import { acceptOpening } from '../support/client-pair.ts';
import { DEFLATING_ROLES, followConnections } from '../support/deflate-connection.ts';
import { DeflateSocket } from '../support/deflate-live.ts';
import { ask } from '../support/ask.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawListener } from '../support/raw-peer.ts';
import { WebSocketLog } from '../support/websocket-log.ts';

const connections = followConnections();

/** 64 MiB in 64 KiB: at 1 MiB inflating has to end. */
const BOMB = deflateRawSync(Buffer.alloc(64 * 1024 * 1024));

function fragmentsOf(payload: Buffer, size: number, ends: boolean): RawFrame[] {
  const frames: RawFrame[] = [];
  for (let at = 0; at < payload.length; at += size) {
    frames.push({
      opcode: at === 0 ? 2 : 0,
      rsv: at === 0 ? 4 : 0,
      fin: ends && at + size >= payload.length,
      payload: payload.subarray(at, at + size),
    });
  }
  return frames;
}

describe.each(DEFLATING_ROLES)('a $role with $engine', ({ role, keepContexts }) => {
  const open = connections.opener(role, keepContexts);

  it.each([
    ['CVE-2026-1526, undici: a bomb', [{ opcode: 2, rsv: 4, payload: BOMB }]],
    ['CVE-2018-1000518, websockets: a bomb in fragments', fragmentsOf(BOMB, 8_000, true)],
    ['CVE-2018-1000518, websockets: as a text', [{ opcode: 1, rsv: 4, payload: BOMB }]],
  ])('%s gets 1009, as soon as it is larger than a message may be', async (_what, frames) => {
    const one = open();
    one.receiveFrames(...frames);
    while (one.connection.readyState === 1) await setImmediate();
    await connections.jobs.idle();
    expect(one.log.filter((entry) => entry !== 'pending')).toEqual([
      'error WS_ERR_MESSAGE_TOO_BIG',
    ]);
    const close = one.sent().find(({ opcode }) => opcode === 8);
    expect(close!.payload.readUInt16BE()).toBe(1009);
  });

  it('CVE-2018-1000518, websockets: many bombs at once are as many 1009, and memory for none', async () => {
    const before = process.memoryUsage().arrayBuffers;
    const many = Array.from({ length: 20 }, () => open());
    for (const one of many) one.receiveFrames({ opcode: 2, rsv: 4, payload: BOMB });
    let most = 0;
    while (many.some(({ connection }) => connection.readyState === 1)) {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      await setImmediate();
    }
    await connections.jobs.idle();
    for (const one of many) expect(one.log).toContain('error WS_ERR_MESSAGE_TOO_BIG');
    // Two of them, whole, would be more than that.
    expect(most).toBeLessThan(2 * 64 * 1024 * 1024);
  });

  it('CVE-2018-1000518, websockets: a bomb that never ends costs no more than its bytes', async () => {
    const one = open();
    one.receiveFrames(...fragmentsOf(BOMB, 8_000, false));
    const payload = Buffer.alloc(64 * 1024, 1);
    for (let i = 0; i < 40 && one.connection.readyState === 1; i++) {
      one.receiveFrames({ opcode: 0, fin: false, payload });
      while (one.transport.paused) await setImmediate();
    }
    await connections.jobs.idle();
    // Whether for what it inflates to or for what it takes.
    expect(one.connection.readyState).not.toBe(1);
    const close = one.sent().find(({ opcode }) => opcode === 8);
    expect([1007, 1009]).toContain(close!.payload.readUInt16BE());
  });
});

describe('what a server may answer to an offer of permessage-deflate', () => {
  const wrong = [
    '7',
    '0',
    '16',
    '-1',
    '1000000',
    '08',
    '',
    'abc',
    '8.5',
    '1e1',
    '99999999999999999999',
  ];

  it.each(wrong)(
    'CVE-2026-2229, undici: server_max_window_bits=%s fails the handshake',
    async (bits) => {
      const listener = await RawListener.listen();
      const connecting = connect(`ws://127.0.0.1:${listener.port}`, { deflate: true });
      void acceptOpening(listener, {
        'Sec-WebSocket-Extensions': `permessage-deflate; server_max_window_bits=${bits}`,
      });
      await expect(connecting).rejects.toBeInstanceOf(HandshakeError);
    },
  );

  it.each(wrong)(
    'CVE-2026-2229, undici: client_max_window_bits=%s as well, of a WebSocket',
    async (bits) => {
      const listener = await RawListener.listen();
      const websocket = new WebSocket(`ws://127.0.0.1:${listener.port}`);
      const log = new WebSocketLog(websocket);
      void acceptOpening(listener, {
        'Sec-WebSocket-Extensions': `permessage-deflate; client_max_window_bits=${bits}`,
      });
      await log.until('close 1006');
      expect(websocket.readyState).toBe(3);
    },
  );

  it('CVE-2026-59881, aiohttp: without an offer no extension may be answered', async () => {
    const listener = await RawListener.listen();
    const connecting = connect(`ws://127.0.0.1:${listener.port}`);
    void acceptOpening(listener, { 'Sec-WebSocket-Extensions': 'permessage-deflate' });
    await expect(connecting).rejects.toMatchObject({ code: 'WS_ERR_ANSWER_EXTENSIONS' });
  });
});

describe('what a client may offer', () => {
  it.each(['7', '16', '0', '-1', '1000000', '', 'abc', '08'])(
    'CVE-2026-2229, undici: server_max_window_bits=%s is declined by a server',
    async (bits) => {
      const offer = `permessage-deflate; server_max_window_bits=${bits}`;
      const { head } = await ask(
        rawRequest({ 'Sec-WebSocket-Extensions': bits === '' ? `${offer}""` : offer }),
        { deflate: true },
      );
      // What is no list of extensions at all is refused.
      expect([101, 400]).toContain(head.status);
      expect(head.getAll('sec-websocket-extensions')).toEqual([]);
    },
  );
});

describe('compression side channel', () => {
  it('compression side channel: a message with a secret may be left as it is', async () => {
    const live = await DeflateSocket.open('server', {
      socketOptions: { deflate: { threshold: 0 } },
    });
    onTestFinished(() => live.socket.terminate());
    const text = 'secret secret secret secret';
    live.socket.send(text);
    live.socket.send(text, { compress: false });
    const frames = await live.peer.readFrames(2);
    expect(frames.map(({ rsv }) => rsv)).toEqual([4, 0]);
    expect(frames[1]!.payload.toString()).toBe(text);
  });
});
