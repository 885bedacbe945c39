import { describe, expect, it } from 'vitest';
import { type TransportListener, bind, catchErrors, unbind } from '../../src/connection/binding.ts';
import { memoryStream } from '../support/memory-stream.ts';

const EVENTS = ['data', 'end', 'drain', 'close', 'error'];

/** A listener that only writes down what it is told, under its name. */
function listenerNamed(name: string, told: string[]): TransportListener {
  const tell = (what: string) => (): void => void told.push(`${name} ${what}`);
  return {
    receive: (chunk) => void told.push(`${name} ${chunk.toString()}`),
    receiveEnd: tell('end'),
    receiveDrain: tell('drain'),
    receiveClose: tell('close'),
    receiveError: tell('error'),
  };
}

describe('a transport', () => {
  it('tells all that happens to whom it is bound', () => {
    const { stream } = memoryStream();
    const told: string[] = [];
    bind(stream, listenerNamed('one', told));
    stream.emit('data', Buffer.from('abc'));
    for (const event of EVENTS.slice(1)) stream.emit(event, new Error(event));
    expect(told).toEqual(['one abc', 'one end', 'one drain', 'one close', 'one error']);
  });

  it('that is bound anew tells the new one alone, by the same listeners', () => {
    const { stream } = memoryStream();
    const told: string[] = [];
    bind(stream, listenerNamed('one', told));
    const listeners = EVENTS.map((event) => stream.listeners(event));
    bind(stream, listenerNamed('two', told));
    expect(EVENTS.map((event) => stream.listeners(event))).toEqual(listeners);
    stream.emit('drain');
    expect(told).toEqual(['two drain']);
  });

  it('that is not bound any more tells nobody, until it is bound again', () => {
    const { stream } = memoryStream();
    const before = EVENTS.map((event) => stream.listenerCount(event));
    const told: string[] = [];
    bind(stream, listenerNamed('one', told));
    unbind(stream);
    unbind(stream);
    before[EVENTS.indexOf('error')]!++;
    expect(EVENTS.map((event) => stream.listenerCount(event))).toEqual(before);
    for (const event of EVENTS.slice(1)) stream.emit(event, new Error(event));
    expect(told).toEqual([]);
    bind(stream, listenerNamed('two', told));
    expect(stream.listenerCount('error')).toBe(before[EVENTS.indexOf('error')]);
    stream.emit('data', Buffer.from('abc'));
    expect(told).toEqual(['two abc']);
  });

  it('that was never bound has nothing to take back', () => {
    const { stream } = memoryStream();
    const before = EVENTS.map((event) => stream.listenerCount(event));
    unbind(stream);
    expect(EVENTS.map((event) => stream.listenerCount(event))).toEqual(before);
  });
});

describe('catchErrors', () => {
  it('listens once, however many hands a transport goes through', () => {
    const { stream } = memoryStream();
    for (let i = 0; i < 20; i++) catchErrors(stream);
    bind(stream, listenerNamed('one', []));
    unbind(stream);
    catchErrors(stream);
    expect(stream.listenerCount('error')).toBe(1);
  });

  it('ends the transport for an error that nobody else listens to', () => {
    const { stream } = memoryStream();
    catchErrors(stream);
    expect(() => stream.emit('error', new Error('read ECONNRESET'))).not.toThrow();
    expect(stream.destroyed).toBe(true);
  });

  it('does so again where somebody has taken all listeners away', () => {
    const { stream } = memoryStream();
    const told: string[] = [];
    bind(stream, listenerNamed('one', told));
    stream.removeAllListeners('error');
    catchErrors(stream);
    stream.emit('error', new Error('read ECONNRESET'));
    expect(told).toEqual(['one error']);
  });
});
