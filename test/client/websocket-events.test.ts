import { afterEach, describe, expect, it, vi } from 'vitest';
import { CloseEvent, HandlerAttributes } from '../../src/client/websocket-events.ts';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

/** The module as it is on a platform with this class, or with none. */
async function loadWith(platform: unknown): Promise<typeof CloseEvent> {
  vi.resetModules();
  vi.stubGlobal('CloseEvent', platform);
  return (await import('../../src/client/websocket-events.ts')).CloseEvent;
}

describe('CloseEvent', () => {
  it('is the class of the platform, where it has one', async () => {
    class PlatformEvent extends Event {}
    expect(await loadWith(PlatformEvent)).toBe(PlatformEvent);
  });

  it('is an Event of our own, where it has none', async () => {
    const Own = await loadWith(undefined);
    expect(Own.name).toBe('CloseEvent');
    const event = new Own('close', { code: 1001, reason: 'away', wasClean: true });
    expect(event).toBeInstanceOf(Event);
    expect(event).toMatchObject({ type: 'close', code: 1001, reason: 'away', wasClean: true });
    expect(new Own('close')).toMatchObject({ code: 0, reason: '', wasClean: false });
  });

  it('has what it was made of', () => {
    expect(new CloseEvent('close', { code: 1000 })).toMatchObject({ code: 1000, reason: '' });
  });
});

interface Handlers {
  a: (event: Event) => unknown;
  b: (event: Event) => unknown;
}

describe('HandlerAttributes', () => {
  it('keeps the place where the first handler was set', () => {
    const target = new EventTarget();
    const handlers = new HandlerAttributes<Handlers>(target);
    const log: string[] = [];
    handlers.set('a', () => log.push('attribute'));
    target.addEventListener('a', () => log.push('listener'));
    handlers.set('a', () => log.push('another'));
    target.dispatchEvent(new Event('a'));
    expect(log).toEqual(['another', 'listener']);
  });

  it('gives it up when it is set to null', () => {
    const target = new EventTarget();
    const handlers = new HandlerAttributes<Handlers>(target);
    const log: string[] = [];
    handlers.set('a', () => log.push('attribute'));
    target.addEventListener('a', () => log.push('listener'));
    handlers.set('a', null);
    handlers.set('a', null);
    target.dispatchEvent(new Event('a'));
    handlers.set('a', () => log.push('attribute'));
    target.dispatchEvent(new Event('a'));
    expect(log).toEqual(['listener', 'listener', 'attribute']);
  });

  it('gives back the handler, and null for what is no function', () => {
    const handlers = new HandlerAttributes<Handlers>(new EventTarget());
    expect(handlers.get('a')).toBeNull();
    const handler = (): void => {};
    handlers.set('a', handler);
    expect(handlers.get('a')).toBe(handler);
    expect(handlers.get('b')).toBeNull();
    for (const value of ['text', 5, {}, undefined]) {
      handlers.set('a', handler);
      // @ts-expect-error -- for those who write JavaScript
      handlers.set('a', value);
      expect(handlers.get('a')).toBeNull();
    }
  });

  it('calls the handler with the target as this, and with the event', () => {
    const target = new EventTarget();
    const handlers = new HandlerAttributes<Handlers>(target);
    const handler = vi.fn<(event: Event) => void>();
    handlers.set('a', handler);
    const event = new Event('a');
    target.dispatchEvent(event);
    expect(handler.mock.contexts).toEqual([target]);
    expect(handler.mock.calls).toEqual([[event]]);
  });
});
