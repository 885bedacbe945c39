import { createServer } from 'node:net';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { WebSocket, type WebSocketOptions } from '../../src/client/websocket.ts';
import { closeBody, rawFrame } from '../support/bytes.ts';
import { acceptOpening, acceptRequest, nextTransport } from '../support/client-pair.ts';
import { rawResponse } from '../support/raw-http.ts';
import { RawListener, listenOn } from '../support/raw-peer.ts';
import { WebSocketLog, openWebSocket as open } from '../support/websocket-log.ts';

describe('WebSocket', () => {
  it('has the states on the class and on its prototype', () => {
    for (const owner of [WebSocket, WebSocket.prototype]) {
      expect([owner.CONNECTING, owner.OPEN, owner.CLOSING, owner.CLOSED]).toEqual([0, 1, 2, 3]);
      expect(Object.keys(owner)).toEqual(
        expect.arrayContaining(['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED']),
      );
      expect(Object.getOwnPropertyDescriptor(owner, 'OPEN')).toMatchObject({ writable: false });
    }
    expectTypeOf(WebSocket.OPEN).toEqualTypeOf<1>();
  });

  it('opens, talks and closes, and its state is right in every event', async () => {
    const listener = await RawListener.listen();
    const url = `http://127.0.0.1:${listener.port}`;
    const websocket = new WebSocket(url, ['talk', 'chat']);
    const log = new WebSocketLog(websocket);
    expect(websocket).toBeInstanceOf(EventTarget);
    expect(websocket.url).toBe(`ws://127.0.0.1:${listener.port}/`);
    expect([websocket.readyState, websocket.protocol, websocket.extensions]).toEqual([0, '', '']);
    const { peer, request, key } = await acceptRequest(listener);
    expect(request.getAll('sec-websocket-protocol')).toEqual(['talk, chat']);
    await peer.write(rawResponse(key, { 'Sec-WebSocket-Protocol': 'chat' }));
    await log.until('open');
    expect([websocket.protocol, websocket.extensions]).toEqual(['chat', '']);

    expect(websocket.send('hello')).toBeUndefined();
    expect((await peer.readFrames(1))[0]).toMatchObject({ opcode: 1, masked: true });
    await peer.write(rawFrame({ payload: 'hi' }));
    await log.until('message');
    expect(websocket.close(3000, 'done')).toBeUndefined();
    expect(websocket.readyState).toBe(2);
    websocket.close();
    const [close] = await peer.readFrames(1);
    expect(close!.payload).toEqual(closeBody(3000, 'done'));
    peer.end(rawFrame({ opcode: 8, payload: closeBody(3000, 'done') }));
    await log.until('close');
    expect(log.entries).toEqual(['open 1', 'message hi 1', 'close 3000 done clean 3']);
    expect(websocket.readyState).toBe(3);
  });

  it('says where messages come from', async () => {
    const { websocket, peer, port } = await open();
    const event = new Promise<MessageEvent>((resolve) => {
      websocket.addEventListener('message', resolve);
    });
    await peer.write(rawFrame({ payload: 'hi' }));
    const { origin, data, target, lastEventId } = await event;
    expect([origin, data, target, lastEventId]).toEqual([
      `ws://127.0.0.1:${port}`,
      'hi',
      websocket,
      '',
    ]);
  });

  it('gives binaries out as binaryType says', async () => {
    const { websocket, peer } = await open();
    const next = async (): Promise<unknown> => {
      const event = new Promise<MessageEvent>((resolve) => {
        websocket.addEventListener('message', resolve, { once: true });
      });
      await peer.write(rawFrame({ opcode: 2, payload: 'bytes' }));
      const { data }: { data: unknown } = await event;
      return data;
    };
    expect(websocket.binaryType).toBe('blob');
    const blob = await next();
    expect(blob).toBeInstanceOf(Blob);
    if (blob instanceof Blob) expect(await blob.text()).toBe('bytes');
    // @ts-expect-error -- for those who write JavaScript
    websocket.binaryType = 'nodebuffer';
    expect(websocket.binaryType).toBe('blob');
    websocket.binaryType = 'arraybuffer';
    const buffer = await next();
    expect(buffer).toBeInstanceOf(ArrayBuffer);
    if (buffer instanceof ArrayBuffer) expect(Buffer.from(buffer).toString()).toBe('bytes');
    websocket.binaryType = 'blob';
    expect(await next()).toBeInstanceOf(Blob);
  });

  it('sends strings as texts, bytes as binaries, and in order', async () => {
    const { websocket, peer } = await open();
    const bytes = new Uint8Array([1, 2, 3, 4]);
    websocket.send('Grüße\ud800');
    websocket.send(bytes.buffer);
    websocket.send(bytes.subarray(1, 3));
    websocket.send(new DataView(bytes.buffer, 3));
    websocket.send(new Blob(['blob']));
    // @ts-expect-error -- for those who write JavaScript
    for (const data of [5, null, undefined, { a: 1 }, ['x', 'y']]) websocket.send(data);
    websocket.send('');
    const frames = await peer.readFrames(5);
    expect(frames.map(({ opcode, payload }) => [opcode, payload.toString('latin1')])).toEqual([
      [1, Buffer.from('Grüße\ufffd').toString('latin1')],
      [2, '\x01\x02\x03\x04'],
      [2, '\x02\x03'],
      [2, '\x04'],
      [2, 'blob'],
    ]);
    expect((await peer.readFrames(1))[0]).toMatchObject({ opcode: 0, fin: true });
    const texts = await peer.readFrames(6);
    expect(texts.map(({ opcode, payload }) => [opcode, payload.toString()])).toEqual(
      ['5', 'null', 'undefined', '[object Object]', 'x,y', ''].map((text) => [1, text]),
    );
    // @ts-expect-error -- as above
    expect(() => websocket.send(Symbol('no text'))).toThrow(TypeError);
  });

  it('gives out the messages behind the answer, after the open', async () => {
    const { log } = await open(
      {},
      Buffer.concat([
        rawFrame({ payload: 'first' }),
        rawFrame({ payload: 'second' }),
        rawFrame({ opcode: 8, payload: closeBody(1001) }),
      ]),
    );
    await log.until('message second');
    expect(log.entries).toEqual(['open 1', 'message first 1', 'message second 1']);
  });

  it('tells a Close without a code by 1005, and a connection that was lost by 1006', async () => {
    const polite = await open();
    polite.peer.end(rawFrame({ opcode: 8 }));
    expect(await polite.log.until('close')).toBe('close 1005  clean 3');
    const lost = await open();
    lost.peer.end();
    await lost.log.until('close');
    expect(lost.log.entries).toEqual(['open 1', 'close 1006  unclean 3']);
  });

  it('tells that the peer broke the protocol by an error, as it closes', async () => {
    const { log, peer } = await open();
    const close = peer.readFrames(1);
    peer.end(rawFrame({ opcode: 3 }));
    await log.until('close');
    expect(log.entries).toEqual(['open 1', 'error 3', 'close 1006  unclean 3']);
    expect((await close)[0]!.payload.readUInt16BE(0)).toBe(1002);
  });

  it('keeps the limits that it is told', async () => {
    const { log, peer } = await open({ maxPayload: 3 });
    peer.end(rawFrame({ payload: 'four' }));
    await log.until('close');
    expect(log.entries).toEqual(['open 1', 'error 3', 'close 1006  unclean 3']);
  });

  it('closes with 1000 where there is a reason and no code', async () => {
    const { websocket, peer } = await open();
    websocket.close(undefined, 'done');
    expect((await peer.readFrames(1))[0]!.payload).toEqual(closeBody(1000, 'done'));
  });

  it('closes with what becomes a code', async () => {
    for (const code of ['3000', 3000.4, 2999.6]) {
      const { websocket, peer } = await open();
      // @ts-expect-error -- for those who write JavaScript
      websocket.close(code);
      expect((await peer.readFrames(1))[0]!.payload).toEqual(closeBody(3000));
    }
  });

  it('closes without a code', async () => {
    const { websocket, peer } = await open();
    websocket.close();
    expect((await peer.readFrames(1))[0]).toMatchObject({ opcode: 8, payload: Buffer.alloc(0) });
  });
});

describe('a WebSocket that does not open', () => {
  it('tells an error and then 1006', async () => {
    const listener = await RawListener.listen();
    const log = new WebSocketLog(new WebSocket(`ws://127.0.0.1:${listener.port}`));
    const { peer, key } = await acceptRequest(listener);
    await peer.write(rawResponse(key, {}, 'HTTP/1.1 403 Forbidden'));
    await log.until('close');
    expect(log.entries).toEqual(['error 3', 'close 1006  unclean 3']);
  });

  it('does so where nobody listens, and on port 0', async () => {
    const server = createServer();
    const port = await listenOn(server);
    server.close();
    for (const closed of [port, 0]) {
      const log = new WebSocketLog(new WebSocket(`ws://127.0.0.1:${closed}`));
      expect(log.entries).toEqual([]);
      await log.until('close');
      expect(log.entries).toEqual(['error 3', 'close 1006  unclean 3']);
    }
  });

  it('gives up when it is closed, and tells that later', async () => {
    const listener = await RawListener.listen();
    const websocket = new WebSocket(`ws://127.0.0.1:${listener.port}`);
    const peer = await listener.accept();
    websocket.close(1000, 'changed my mind');
    expect(websocket.readyState).toBe(2);
    websocket.close();
    const log = new WebSocketLog(websocket);
    await log.until('close');
    expect(log.entries).toEqual(['error 3', 'close 1006  unclean 3']);
    await peer.readToLeave();
    websocket.close();
    expect(websocket.readyState).toBe(3);
  });

  it('gives up even where the answer came in the same turn', async () => {
    const listener = await RawListener.listen();
    const transport = nextTransport();
    const websocket = new WebSocket(`ws://127.0.0.1:${listener.port}`);
    const log = new WebSocketLog(websocket);
    const near = await transport;
    // Behind those that read the answer.
    near.once('connect', () => near.once('data', () => websocket.close()));
    const peer = await acceptOpening(listener);
    await log.until('close');
    expect(log.entries).toEqual(['error 3', 'close 1006  unclean 3']);
    expect(near.destroyed).toBe(true);
    await peer.readToLeave();
  });

  it('waits for its turn, and leaves it when it is closed', async () => {
    const listener = await RawListener.listen();
    const url = `ws://127.0.0.1:${listener.port}`;
    const [first, second, third] = [new WebSocket(url), new WebSocket(url), new WebSocket(url)];
    const log = new WebSocketLog(second);
    second.close();
    await log.until('close');
    for (const websocket of [first, third]) {
      const opened = new WebSocketLog(websocket);
      const peer = await acceptOpening(listener);
      await opened.until('open');
      peer.end(rawFrame({ opcode: 8 }));
    }
    expect(listener.count).toBe(2);
  });

  it('refuses to send before the open', async () => {
    const listener = await RawListener.listen();
    const websocket = new WebSocket(`ws://127.0.0.1:${listener.port}`);
    expect(() => websocket.send('early')).toThrow(
      expect.objectContaining({ name: 'InvalidStateError' }),
    );
    websocket.close();
    websocket.send('late');
    expect(websocket.bufferedAmount).toBe(4);
    await new WebSocketLog(websocket).until('close');
  });
});

describe('what is wrong', () => {
  const wrong: [url: string, protocols: unknown][] = [
    ['/relative', []],
    ['ws://', []],
    ['ftp://localhost', []],
    ['ws://localhost/#fragment', []],
    ['ws://localhost/#', []],
    ['ws://localhost', 'no token'],
    ['ws://localhost', ''],
    ['ws://localhost', ['chat', 'chat']],
    ['ws://localhost', ['chat', 'a,b']],
    ['ws://localhost', [{}]],
    ['ws://localhost', { headers: {} }],
  ];

  it.each(wrong)('throws a SyntaxError: %s %j', (url, given) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- for those who write JavaScript
    const protocols = given as string[];
    expect(() => new WebSocket(url, protocols)).toThrow(DOMException);
    expect(() => new WebSocket(url, protocols)).toThrow(
      expect.objectContaining({ name: 'SyntaxError' }),
    );
  });

  it('throws a TypeError or a RangeError for options of ours', () => {
    expect(() => new WebSocket('ws://localhost', [], { maxPayload: -1 })).toThrow(RangeError);
    expect(() => new WebSocket('ws://localhost', [], { headers: { 'a b': '' } })).toThrow(
      TypeError,
    );
    // @ts-expect-error -- messages are strings here
    expectTypeOf<WebSocketOptions['text']>();
  });

  it('takes whatever becomes a token', async () => {
    const listener = await RawListener.listen();
    // @ts-expect-error -- for those who write JavaScript
    const websocket = new WebSocket(`ws://127.0.0.1:${listener.port}`, new Set([5, null]));
    const { request } = await acceptRequest(listener);
    expect(request.getAll('sec-websocket-protocol')).toEqual(['5, null']);
    websocket.close();
  });

  it.each([0, 1, 999, 1001, 1005, 1006, 2999, 5000, 65_536, -1, Number.NaN, 'text', null])(
    'throws an InvalidAccessError for the code %j, in every state',
    async (code) => {
      const { websocket, log } = await open();
      const close = (): void => {
        expect(() => {
          // @ts-expect-error -- for those who write JavaScript
          websocket.close(code);
        }).toThrow(expect.objectContaining({ name: 'InvalidAccessError' }));
      };
      close();
      expect(websocket.readyState).toBe(1);
      websocket.close();
      close();
      expect(log.entries).toEqual(['open 1']);
    },
  );

  it('throws a SyntaxError for a reason of more than 123 bytes', async () => {
    const { websocket, peer } = await open();
    expect(() => websocket.close(1000, 'é'.repeat(62))).toThrow(
      expect.objectContaining({ name: 'SyntaxError' }),
    );
    expect(websocket.readyState).toBe(1);
    websocket.close(4999, `${'é'.repeat(61)}x`);
    expect((await peer.readFrames(1))[0]!.payload).toHaveLength(125);
  });
});
