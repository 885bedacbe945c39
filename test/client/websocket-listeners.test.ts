/* oxlint-disable unicorn/prefer-add-event-listener -- handler attributes are tested here */
import { describe, expect, expectTypeOf, it, onTestFinished, vi } from 'vitest';
import type { WebSocket } from '../../src/client/websocket.ts';
import { rawFrame } from '../support/bytes.ts';
import { openWebSocket as open } from '../support/websocket-log.ts';

describe('listeners of a WebSocket', () => {
  it('may be handler attributes, which keep their place', async () => {
    const { websocket, peer } = await open();
    const log: string[] = [];
    websocket.onmessage = () => log.push('first handler');
    websocket.addEventListener('message', () => log.push('listener'));
    const handler = (): void => void log.push('second handler');
    websocket.onmessage = handler;
    expect(websocket.onmessage).toBe(handler);
    const closed = new Promise((resolve) => {
      websocket.onclose = resolve;
    });
    websocket.onopen = handler;
    websocket.onerror = handler;
    expect([websocket.onopen, websocket.onerror]).toEqual([handler, handler]);
    expect(typeof websocket.onclose).toBe('function');
    // @ts-expect-error -- for those who write JavaScript
    websocket.onopen = 'text';
    expect(websocket.onopen).toBeNull();
    await peer.write(rawFrame({ payload: 'hi' }));
    peer.end(rawFrame({ opcode: 8 }));
    await closed;
    expect(log).toEqual(['second handler', 'listener']);
  });

  it('may be objects, may be called once, and may be taken away', async () => {
    const { websocket, peer, log } = await open();
    const object = { handleEvent: vi.fn<(event: MessageEvent) => void>() };
    const removed = vi.fn<() => void>();
    const once = vi.fn<() => void>();
    websocket.addEventListener('message', object);
    websocket.addEventListener('message', removed);
    websocket.addEventListener('message', once, { once: true });
    websocket.removeEventListener('message', removed);
    websocket.addEventListener('other', removed);
    websocket.removeEventListener('other', removed);
    await peer.write(Buffer.concat([rawFrame({ payload: 'a' }), rawFrame({ payload: 'b' })]));
    await log.until('message b');
    expect(object.handleEvent).toHaveBeenCalledTimes(2);
    expect(once).toHaveBeenCalledTimes(1);
    expect(removed).not.toHaveBeenCalled();
  });

  it('know the types of their events', () => {
    const check = (websocket: WebSocket): void => {
      websocket.addEventListener('close', (event) => {
        expectTypeOf(event.code).toEqualTypeOf<number>();
        expectTypeOf(event.wasClean).toEqualTypeOf<boolean>();
      });
      websocket.onmessage = function handle(event) {
        expectTypeOf(this).toEqualTypeOf<WebSocket>();
        expectTypeOf(event).toEqualTypeOf<MessageEvent>();
      };
      websocket.addEventListener('open', (event) => expectTypeOf(event).toEqualTypeOf<Event>());
      // @ts-expect-error -- there is no code in a message
      websocket.addEventListener('message', (event) => event.code);
      // @ts-expect-error -- nothing can be set
      websocket.readyState = 1;
    };
    expectTypeOf(check).returns.toBeVoid();
  });

  it('that throw harm neither other listeners nor the connection', async () => {
    const { websocket, peer, log } = await open();
    const mistakes: unknown[] = [];
    const onException = (error: unknown): void => void mistakes.push(error);
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException').on('uncaughtException', onException);
    onTestFinished(() => {
      process.removeAllListeners('uncaughtException');
      for (const other of others) process.on('uncaughtException', other);
    });
    const mistake = new Error('of the application');
    websocket.onmessage = () => {
      throw mistake;
    };
    const after = vi.fn<() => void>();
    websocket.addEventListener('message', after);
    await peer.write(Buffer.concat([rawFrame({ payload: 'a' }), rawFrame({ payload: 'b' })]));
    await log.until('message b');
    await vi.waitFor(() => expect(mistakes).toEqual([mistake, mistake]));
    expect(after).toHaveBeenCalledTimes(2);
    websocket.send('still here');
    expect((await peer.readFrames(1))[0]!.payload.toString()).toBe('still here');
  });
});
