import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/connection/limits.ts';
import { DEFAULT_QUEUE_LIMITS, SOCKET_OPTION_NAMES } from '../../src/connection/socket-options.ts';
import { DEFAULT_HEAD_LIMITS } from '../../src/handshake/http1.ts';
import {
  DEFAULT_SERVER_LIMITS,
  type WebSocketServerOptions,
  resolveServerOptions,
} from '../../src/server/options.ts';

describe('without options', () => {
  const resolved = resolveServerOptions({});

  it('the limits are those that are documented', () => {
    expect(DEFAULT_SERVER_LIMITS).toEqual({ handshakeTimeout: 10_000, maxPendingUpgrades: 1000 });
    expect(resolved).toMatchObject(DEFAULT_SERVER_LIMITS);
    expect(resolved.head).toEqual(DEFAULT_HEAD_LIMITS);
    expect(resolved.socket).toMatchObject({ ...DEFAULT_LIMITS, ...DEFAULT_QUEUE_LIMITS });
    expect(resolved.subprotocols).toEqual([]);
    expect(resolved.maxConnections).toBe(Number.POSITIVE_INFINITY);
    expect(resolved.callers).toEqual({
      proxyTrust: null,
      forwardedFields: 'x-forwarded',
      maxConnectionsPerAddress: Number.POSITIVE_INFINITY,
    });
  });

  it('its own origin may connect, and who has none; every host is served', () => {
    expect(resolved.isOriginAllowed('http://example.com', 'example.com')).toBe(true);
    expect(resolved.isOriginAllowed(undefined, 'example.com')).toBe(true);
    expect(resolved.isOriginAllowed('http://evil.example', 'example.com')).toBe(false);
    expect(resolved.isOriginAllowed('null', 'example.com')).toBe(false);
    expect(resolved.isHostAllowed('whatever.example')).toBe(true);
  });

  it('undefined is the same as nothing', () => {
    const others = ['port', 'host', 'tls', 'server', 'origins', 'hosts', 'path', 'subprotocols'];
    others.push('maxConnections', 'maxConnectionsPerAddress', 'trustedProxies', 'forwardedFields');
    const own = Object.keys({ ...DEFAULT_SERVER_LIMITS, ...DEFAULT_HEAD_LIMITS });
    const names = own.concat(SOCKET_OPTION_NAMES, others);
    const options = Object.fromEntries(names.map((name) => [name, undefined]));
    const { head, socket, handshakeTimeout, maxPendingUpgrades } = resolveServerOptions(options);
    expect({ head, socket, handshakeTimeout, maxPendingUpgrades }).toEqual({
      head: resolved.head,
      socket: resolved.socket,
      ...DEFAULT_SERVER_LIMITS,
    });
  });
});

describe('options', () => {
  it('take the place of the defaults', () => {
    const head = { maxHeadSize: 1, maxHeaderFields: 2, maxTargetSize: 3 };
    const own = { handshakeTimeout: 4, maxPendingUpgrades: 5, subprotocols: ['v1', 'v2'] };
    const socket = { maxPayload: 6, pingInterval: 0, maxQueue: 7, text: 'buffer' as const };
    const resolved = resolveServerOptions({ ...head, ...own, ...socket });
    expect(resolved.head).toEqual(head);
    expect(resolved).toMatchObject(own);
    expect(resolved.socket).toMatchObject(socket);
  });

  it('name the origins and the hosts', () => {
    const { isOriginAllowed, isHostAllowed } = resolveServerOptions({
      origins: ['https://example.com'],
      hosts: ['example.com'],
    });
    expect(isOriginAllowed('https://example.com', 'other.example')).toBe(true);
    expect(isOriginAllowed('https://other.example', 'other.example')).toBe(false);
    expect([isHostAllowed('example.com:81'), isHostAllowed('other.example')]).toEqual([
      true,
      false,
    ]);
  });

  it.each<[string, WebSocketServerOptions]>([
    ['any number of those that may wait', { maxPendingUpgrades: Number.POSITIVE_INFINITY }],
    ['one that may wait', { maxPendingUpgrades: 1 }],
    ['a head of any size', { maxHeadSize: Number.POSITIVE_INFINITY }],
    ['the longest timeout that Node has', { handshakeTimeout: 2 ** 31 - 1 }],
    ['a port', { port: 0 }],
    ['proxies', { trustedProxies: ['loopback', '10.0.0.0/8'], forwardedFields: 'forwarded' }],
    ['another server', { server: createServer() }],
  ])('may be %s', (_what, options) => {
    expect(() => resolveServerOptions(options)).not.toThrow();
  });

  it.each<[string, number]>([
    ['handshakeTimeout', 0],
    ['handshakeTimeout', 2 ** 31],
    ['handshakeTimeout', Number.POSITIVE_INFINITY],
    ['maxPendingUpgrades', 0],
    ['maxPendingUpgrades', -1],
    ['maxPendingUpgrades', 1.5],
    ['maxPendingUpgrades', Number.NaN],
    ['maxConnections', 0],
    ['maxConnectionsPerAddress', 0.5],
    ['maxHeadSize', 0],
    ['maxHeaderFields', Number.NaN],
    ['maxTargetSize', -1],
    ['maxPayload', -1],
    ['maxQueue', 0],
  ])('are no %s of %d', (name, value) => {
    expect(() => resolveServerOptions({ [name]: value })).toThrow(RangeError);
    expect(() => resolveServerOptions({ [name]: value })).toThrow(name);
  });

  it.each<[string, unknown]>([
    ['handshakeTimeout', '10'],
    ['maxPendingUpgrades', true],
    ['maxHeadSize', {}],
    ['text', 'utf8'],
    ['origins', 'example.com'],
    ['hosts', 'example.com'],
    ['trustedProxies', 'loopback'],
    ['trustedProxies', ['localhost']],
    ['forwardedFields', 'x-forwarded-for'],
    ['subprotocols', ['a b']],
    ['subprotocols', ['a', 'a']],
    ['subprotocols', ['']],
    ['subprotocols', 'chat'],
  ])('are no %s of %j', (name, value) => {
    expect(() => resolveServerOptions({ [name]: value })).toThrow(TypeError);
  });

  it.each([
    ['is misspelt', 'maxPayloads', undefined],
    ['is of a socket inside', 'mayOverwrite', undefined],
    ['other libraries have', 'verifyClient', 'upgrade'],
    ['other libraries have', 'noServer', 'handleUpgrade'],
    ['other libraries have', 'handleProtocols', 'protocol'],
  ])('are none that %s, such as %s: nobody would look at it', (_what, name, hint = name) => {
    const resolve = (): unknown => resolveServerOptions({ [name]: 1 });
    expect(resolve).toThrow(TypeError);
    expect(resolve).toThrow(name);
    expect(resolve).toThrow(hint);
  });

  it.each([null, 8080, 'localhost'])('are no %j', (options) => {
    expect(() => Reflect.apply(resolveServerOptions, undefined, [options])).toThrow(TypeError);
  });

  it('are either a port of its own or another server', () => {
    const options = { port: 0, server: createServer() };
    expect(() => resolveServerOptions(options)).toThrow(TypeError);
  });
});
