import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

/** What callers without types pass, among it what once made others send uninitialised memory. */
const NOT_BYTES: readonly (readonly [string, unknown])[] = [
  ['a number', 16],
  ['nothing', undefined],
  ['null', null],
  ['an array', [1, 2, 3]],
  ['an object with a length', { length: 16 }],
  ['an ArrayBuffer', new ArrayBuffer(16)],
  ['a Float32Array', new Float32Array(20)],
  ['a DataView', new DataView(new ArrayBuffer(16), 4)],
];

/** The callers above have no types: this is how they see a method. */
function untyped(method: unknown): (...values: unknown[]) => unknown {
  if (typeof method !== 'function') throw new Error('there is no such method');
  return (...values) => Reflect.apply(method, undefined, values);
}

describe.each(ROLES)('a caller of a %s who gives', (role) => {
  it.each(NOT_BYTES)('%s instead of bytes gets a TypeError, and nothing is sent', (_what, data) => {
    const open = new OpenConnection(role);
    const { connection } = open;
    const send = untyped(connection.send.bind(connection));
    const sendFragment = untyped(connection.sendFragment.bind(connection));
    const ping = untyped(connection.ping.bind(connection));
    const pong = untyped(connection.pong.bind(connection));

    expect(() => send(2, data)).toThrow(TypeError);
    expect(() => sendFragment(2, data, true)).toThrow(TypeError);
    // `ping()` without anything is a Ping without a payload.
    if (data !== undefined) {
      expect(() => ping(data)).toThrow(TypeError);
      expect(() => pong(data)).toThrow(TypeError);
    }

    expect(open.sent()).toEqual([]);
    expect(connection.readyState).toBe(1);
  });

  it('bytes of another realm sends exactly those', () => {
    const open = new OpenConnection(role);
    const bytes: unknown = runInNewContext('new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4)');
    expect(bytes).not.toBeInstanceOf(Uint8Array);
    untyped(open.connection.send.bind(open.connection))(2, bytes);
    expect(open.sent().map(({ payload }) => payload)).toEqual([Buffer.from([1, 2, 3])]);
  });
});
