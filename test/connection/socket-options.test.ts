import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/connection/limits.ts';
import { DEFAULT_DEFLATE } from '../../src/extension/deflate-options.ts';
import {
  DEFAULT_QUEUE_LIMITS,
  SOCKET_OPTION_NAMES,
  type SocketOptions,
  checkNames,
  mayCompress,
  refuseCallback,
  resolveSocketOptions,
} from '../../src/connection/socket-options.ts';

const DEFAULTS = {
  ...DEFAULT_LIMITS,
  maxQueue: 64,
  maxQueueSize: 1024 * 1024,
  autoPong: true,
  deflate: null,
  rateLimit: null,
  text: 'string',
  mayOverwrite: false,
};

describe('the options of a socket', () => {
  it('have their defaults where nothing is said, and where undefined is', () => {
    expect(resolveSocketOptions({})).toEqual(DEFAULTS);
    const names = Object.keys(DEFAULTS);
    const undefinedOptions = Object.fromEntries(names.map((name) => [name, undefined]));
    expect(resolveSocketOptions(undefinedOptions)).toEqual(DEFAULTS);
    expect(resolveSocketOptions(undefinedOptions, undefinedOptions)).toEqual(DEFAULTS);
    expect(DEFAULT_QUEUE_LIMITS).toEqual({ maxQueue: 64, maxQueueSize: 1024 * 1024 });
  });

  it('are taken where they are given', () => {
    const options: SocketOptions = {
      maxPayload: 1,
      maxFragments: 2,
      highWaterMark: 3,
      maxBackpressure: 4,
      backpressurePolicy: 'latest',
      pingInterval: 5,
      pingTimeout: 6,
      closeTimeout: 7,
      maxQueue: 8,
      maxQueueSize: 9,
      autoPong: false,
      deflate: { ...DEFAULT_DEFLATE, level: 1 },
      text: 'buffer',
      idleTimeout: 10,
      rateLimit: { messages: 12, bytes: 13, burst: 14, onExceeded: 'drop' },
      maxLifetime: 11,
    };
    expect(resolveSocketOptions(options)).toEqual({ ...options, mayOverwrite: false });
  });

  it('go before those of the base, which go before the defaults', () => {
    const base = resolveSocketOptions({
      maxQueue: 3,
      maxPayload: 5,
      text: 'buffer',
      autoPong: false,
    });
    expect(resolveSocketOptions({ maxQueue: 4, maxPayload: undefined }, base)).toEqual({
      ...DEFAULTS,
      maxQueue: 4,
      maxPayload: 5,
      text: 'buffer',
      autoPong: false,
    });
    expect(resolveSocketOptions({ text: 'string', autoPong: true }, base)).toMatchObject({
      text: 'string',
      autoPong: true,
    });
  });

  it('say how messages are compressed, or that they are not', () => {
    expect(resolveSocketOptions({ deflate: true }).deflate).toEqual(DEFAULT_DEFLATE);
    expect(resolveSocketOptions({ deflate: false }).deflate).toBe(null);
    const base = resolveSocketOptions({ deflate: { threshold: 5 } });
    expect(resolveSocketOptions({}, base).deflate).toEqual({ ...DEFAULT_DEFLATE, threshold: 5 });
    expect(resolveSocketOptions({ deflate: false }, base).deflate).toBe(null);
    expect(resolveSocketOptions({ deflate: { level: 1 } }, base).deflate).toEqual({
      ...DEFAULT_DEFLATE,
      level: 1,
    });
    expect(resolveSocketOptions({}, resolveSocketOptions({})).deflate).toBe(null);
  });

  it('do not change what they were made of', () => {
    const base = resolveSocketOptions({ maxQueue: 3 });
    const options = { maxQueue: 4 };
    resolveSocketOptions(options, base);
    expect([base.maxQueue, options]).toEqual([3, { maxQueue: 4 }]);
  });

  it('leave out what a caller without types adds', () => {
    const options = { maxQueue: 4, somethingElse: 1, mayOverwrite: true };
    expect(resolveSocketOptions(options)).toEqual({ ...DEFAULTS, maxQueue: 4 });
  });

  it.each(['maxQueue', 'maxQueueSize'])('refuse a %s that is no count', (name) => {
    for (const value of [0, -1, 1.5, Number.NaN, -Infinity]) {
      expect(() => resolveSocketOptions({ [name]: value }), `${value}`).toThrow(RangeError);
    }
    for (const value of ['64', true, {}, 5n]) {
      expect(() => resolveSocketOptions({ [name]: value })).toThrow(TypeError);
    }
    expect(() => resolveSocketOptions({ [name]: Infinity })).not.toThrow();
    expect(() => resolveSocketOptions({ [name]: 1 })).not.toThrow();
  });

  it('check the limits of the connection too, also those of the base', () => {
    expect(() => resolveSocketOptions({ maxPayload: -1 })).toThrow(RangeError);
    expect(() => resolveSocketOptions({}, { closeTimeout: 0 })).toThrow(RangeError);
  });

  it.each(['String', '', 'utf8', 5, true, ['string']])('refuse the text %j', (text) => {
    // @ts-expect-error: the type is wrong on purpose.
    expect(() => resolveSocketOptions({ text })).toThrow(
      new TypeError("text is 'string' or 'buffer'"),
    );
  });
});

describe('the names of options', () => {
  const names = new Set(['maxQueue', 'text']);

  it('are those that a socket has', () => {
    const taken = Object.keys(DEFAULTS).filter((name) => name !== 'mayOverwrite');
    expect(SOCKET_OPTION_NAMES.toSorted()).toEqual(taken.toSorted());
  });

  it('may be left out, and may stand for undefined', () => {
    expect(() => checkNames({}, names, 'a socket')).not.toThrow();
    expect(() => checkNames({ text: undefined, maxQueue: 1 }, names, 'a socket')).not.toThrow();
    expect(() => checkNames(Object.create(null), names, 'a socket')).not.toThrow();
  });

  it.each(['maxqueue', 'Text', 'constructor', '__proto__', 'toString', ''])(
    'must not be others, such as %j',
    (name) => {
      const options = Object.fromEntries([[name, undefined]]);
      expect(() => checkNames(options, names, 'a socket')).toThrow(
        new TypeError(`a socket has no option ${name}`),
      );
    },
  );

  it.each([
    ['verifyClient', /`upgrade`/],
    ['handleProtocols', /`upgrade`/],
    ['noServer', /`handleUpgrade`/],
    ['perMessageDeflate', /./],
    ['clientTracking', /`server\.sockets`/],
    ['followRedirects', /`connect` rejects/],
    ['ca', /`tls: \{ … \}`/],
    ['cert', /`tls: \{ … \}`/],
    ['key', /`tls: \{ … \}`/],
    ['rejectUnauthorized', /`tls: \{ … \}`/],
    ['servername', /`tls: \{ … \}`/],
  ])('of other libraries, such as %s, are refused with what they are here', (name, hint) => {
    expect(() => checkNames({ [name]: true }, names, 'a server')).toThrow(
      new RegExp(`^a server has no option ${name}: .*${hint.source}`),
    );
  });

  it.each([5, 'text', null, undefined, true])('are no %s', (options) => {
    expect(() => checkNames(options, names, 'connect')).toThrow(
      new TypeError('connect takes its options in an object'),
    );
  });
});

describe('a callback', () => {
  it.each([[[() => {}]], [[undefined, 'a', function late() {}]], [[{}, async () => {}]]])(
    'is refused, with what there is in its place: %o',
    (values) => {
      expect(() => refuseCallback('send', values, 'wait')).toThrow(
        new TypeError('send takes no callback: wait'),
      );
    },
  );

  it('is not among other values', () => {
    expect(() => refuseCallback('send', [{}, null, 'a', 5, undefined], 'wait')).not.toThrow();
    expect(() => refuseCallback('send', [], 'wait')).not.toThrow();
  });
});

describe('the options of a message', () => {
  it('let it be compressed, unless they say no', () => {
    expect(mayCompress({})).toBe(true);
    expect(mayCompress({ compress: undefined })).toBe(true);
    expect(mayCompress({ compress: true })).toBe(true);
    expect(mayCompress({ compress: false })).toBe(false);
  });

  it.each([{ compressed: false }, { Compress: false }, { fin: true }, { binary: true }])(
    'have no others: %j',
    (options) => {
      // @ts-expect-error: there is none of that name.
      expect(() => mayCompress(options)).toThrow(/^send has no option /);
    },
  );

  // Who has written one of these has meant no.
  it.each(['no', 'false', 0, '', 1, {}])('are refused with compress %j', (compress) => {
    // @ts-expect-error: the type is wrong on purpose.
    expect(() => mayCompress({ compress })).toThrow(TypeError);
  });

  it.each([5, 'text', null, true])('are no %j', (options) => {
    // @ts-expect-error: the type is wrong on purpose.
    expect(() => mayCompress(options)).toThrow(TypeError);
  });
});
