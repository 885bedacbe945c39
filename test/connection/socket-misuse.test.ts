import { describe, expect, it } from 'vitest';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { Socket } from '../../src/connection/socket.ts';
import { ServerSocket } from '../../src/server/server-socket.ts';
import { closeBody } from '../support/bytes.ts';
import { openLive } from '../support/live-socket.ts';
import { memoryStream } from '../support/memory-stream.ts';
import { ROLES } from '../support/open-connection.ts';
import { makeSocket } from '../support/open-socket.ts';

type Name = keyof Socket & string;

/** Calls a method as somebody without types may. */
function call(socket: Socket, name: Name, ...values: unknown[]): unknown {
  const method: unknown = socket[name];
  if (typeof method !== 'function') throw new Error(`no method ${name}`);
  return Reflect.apply(method, socket, values);
}

const SENDING = ['send', 'sendText', 'sendBinary'] as const;

const form = new FormData();
form.append('a', '1');

// oxlint-disable-next-line no-sparse-arrays -- a hole is no piece either
const HOLES = ['a', , 'b'];

/** What has an iterator, and was meant to be something else than its pieces. */
const NO_MESSAGES: readonly (readonly [what: string, data: unknown, hint: RegExp])[] = [
  ['an array of objects', [{ id: 1 }], /JSON\.stringify/],
  ['an array of numbers', [1, 2, 3], /JSON\.stringify/],
  ['an array with one thing that is no piece', ['a', 'b', null], /JSON\.stringify/],
  ['an array with a hole', HOLES, /JSON\.stringify/],
  ['an array of arrays', [['a']], /JSON\.stringify/],
  ['a Map', new Map([['a', '1']]), /\ba Map\b/],
  ['a Set', new Set(['a']), /\ba Set\b/],
  ['URLSearchParams', new URLSearchParams('a=1'), /\ba URLSearchParams\b/],
  ['FormData', form, /\ba FormData\b/],
  ['Headers', new Headers({ a: '1' }), /\ba Headers\b/],
];

describe.each(ROLES)('a caller of a %s socket who forgot to make a message of', (role) => {
  it.each(NO_MESSAGES)(
    '%s gets a TypeError at once, and nothing is sent',
    async (_, data, hint) => {
      const live = await openLive(role);
      for (const name of SENDING) {
        expect(() => call(live.socket, name, data), name).toThrow(TypeError);
        expect(() => call(live.socket, name, data), name).toThrow(hint);
      }
      live.socket.send('the socket goes on');
      expect((await live.message()).payload.toString()).toBe('the socket goes on');
      live.socket.terminate();
      for (const name of SENDING) expect(() => call(live.socket, name, data)).toThrow(TypeError);
    },
  );

  it('a generator still closes the socket with 1011: its pieces are not known before', async () => {
    const live = await openLive(role, { hooks: { error() {} } });
    function* pieces(): Generator {
      yield { id: 1 };
    }
    const sent = call(live.socket, 'send', pieces());
    expect((await live.answerClose()).payload).toEqual(closeBody(1011));
    expect(await sent).toBe(false);
  });
});

describe.each(ROLES)('a callback that a %s socket is given', (role) => {
  const callback = (): never => expect.fail('it is called by nobody');

  it.each<[name: Name, values: unknown[], instead: RegExp]>([
    ['send', ['a', callback], /flushed\(\)/],
    ['send', ['a', { binary: true }, callback], /flushed\(\)/],
    ['send', [Buffer.from('a'), callback], /flushed\(\)/],
    ['send', [new PreparedMessage('a'), callback], /flushed\(\)/],
    ['send', [['a', 'b'], callback], /flushed\(\)/],
    ['sendText', ['a', callback], /flushed\(\)/],
    ['sendBinary', ['a', callback], /flushed\(\)/],
    ['ping', ['a', callback], /Pong/],
    ['ping', ['a', false, callback], /Pong/],
    ['ping', [callback], /Pong/],
    ['pong', ['a', callback], /flushed\(\)/],
    ['pong', ['a', false, callback], /flushed\(\)/],
    ['pong', [callback], /flushed\(\)/],
    ['close', [1000, 'bye', callback], /promise/],
    ['close', [1000, callback], /promise/],
    ['close', [callback], /promise/],
    ['drained', [callback], /promise/],
    ['flushed', [callback], /promise/],
  ])('by %s is refused with what there is instead: %o', (name, values, instead) => {
    const { stream, written } = memoryStream();
    const socket = makeSocket(role, stream);
    const refused = new RegExp(`^${name} takes no callback: .*${instead.source}`);
    expect(() => call(socket, name, ...values)).toThrow(TypeError);
    expect(() => call(socket, name, ...values)).toThrow(refused);
    expect([socket.readyState, socket.bufferedAmount, written().length]).toEqual([1, 0, 0]);
    socket.terminate();
    expect(() => call(socket, name, ...values)).toThrow(refused);
  });
});

describe.each(ROLES)('the options of a wait of a %s socket', (role) => {
  it.each<[name: Name, before: unknown[]]>([
    ['drained', []],
    ['flushed', []],
    ['ping', ['a']],
  ])('are an object with a signal, of %s', (name, before) => {
    const socket = makeSocket(role, memoryStream().stream);
    for (const options of [5, 'a', true, false, null]) {
      expect(() => call(socket, name, ...before, options)).toThrow(
        new TypeError(`${name} takes its options in an object`),
      );
    }
    expect(() => call(socket, name, ...before, { timeout: 5 })).toThrow(
      new TypeError(`${name} has no option timeout`),
    );
    for (const options of [undefined, {}, { signal: undefined }]) {
      expect(call(socket, name, ...before, options)).toBeInstanceOf(Promise);
    }
    socket.terminate();
  });
});

describe('the constants of readyState', () => {
  it.each([Socket, ServerSocket])(
    'stand on the class and on its sockets, as in browsers',
    (owner) => {
      for (const found of [owner, owner.prototype]) {
        const { CONNECTING, OPEN, CLOSING, CLOSED } = found;
        expect([CONNECTING, OPEN, CLOSING, CLOSED]).toEqual([0, 1, 2, 3]);
      }
      expect(Reflect.set(owner, 'OPEN', 3)).toBe(false);
      expect(Reflect.set(owner.prototype, 'OPEN', 3)).toBe(false);
    },
  );

  it('are what readyState is compared with', () => {
    const socket = makeSocket('client', memoryStream().stream);
    expect(socket.readyState === socket.OPEN).toBe(true);
    void socket.close();
    expect(socket.readyState === Socket.CLOSING).toBe(true);
    socket.terminate();
    const { CONNECTING, CLOSED }: { CONNECTING: 0; CLOSED: 3 } = socket;
    expect([CONNECTING, CLOSED]).toEqual([0, 3]);
  });
});
