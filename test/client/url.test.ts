import { describe, expect, it } from 'vitest';
import { destinationOf, parseUrl, readUrl } from '../../src/client/url.ts';

describe('readUrl', () => {
  it.each([
    ['ws://localhost', 'localhost', 80, false, '/'],
    ['wss://localhost', 'localhost', 443, true, '/'],
    ['ws://localhost:8080/chat?a=1&b', 'localhost', 8080, false, '/chat?a=1&b'],
    ['wss://localhost:80', 'localhost', 80, true, '/'],
    ['ws://localhost:443/', 'localhost', 443, false, '/'],
    ['ws://localhost:80/', 'localhost', 80, false, '/'],
    ['wss://localhost:443/', 'localhost', 443, true, '/'],
    ['ws://LocalHost/Chat', 'localhost', 80, false, '/Chat'],
    ['WS://localhost', 'localhost', 80, false, '/'],
    ['wSs://localhost', 'localhost', 443, true, '/'],
    ['http://localhost/a', 'localhost', 80, false, '/a'],
    ['HTTPS://localhost:444/a', 'localhost', 444, true, '/a'],
    ['ws://127.0.0.1:1', '127.0.0.1', 1, false, '/'],
    ['ws://[::1]:65535/', '::1', 65_535, false, '/'],
    ['ws://user:pass@host/', 'host', 80, false, '/'],
    ['ws://bücher.example/ü?ü', 'xn--bcher-kva.example', 80, false, '/%C3%BC?%C3%BC'],
    ['ws://host?', 'host', 80, false, '/'],
    ['ws://host/%23', 'host', 80, false, '/%23'],
    [' ws://host/a ', 'host', 80, false, '/a'],
  ])('%s leads to %s, port %i', (url, host, port, secure, resourceName) => {
    expect(readUrl(url)).toMatchObject({ host, port, secure, resourceName });
    expect(readUrl(new URL(url))).toMatchObject({ host, port, secure, resourceName });
  });

  it('leaves the URL that it was given alone', () => {
    const url = new URL('https://host/a');
    expect(readUrl(url).url.href).toBe('wss://host/a');
    expect(url.href).toBe('https://host/a');
  });

  it.each([
    ['', 'not an absolute URL'],
    ['/chat', 'not an absolute URL'],
    ['//host/chat', 'not an absolute URL'],
    ['ws://', 'not an absolute URL'],
    ['ws://host:65536', 'not an absolute URL'],
    ['ws://host:port', 'not an absolute URL'],
    ['ws://ho st', 'not an absolute URL'],
    ['ws://[::1', 'not an absolute URL'],
    ['ws://host:0/', 'nobody listens on port 0'],
    ['ws:///chat', 'the host of a WebSocket URL'],
    ['ws:host', 'the host of a WebSocket URL'],
    ['ws:/host', 'the host of a WebSocket URL'],
    ['ws:\\\\host', 'the host of a WebSocket URL'],
    ['ftp://host/', 'the scheme of a WebSocket URL is ws or wss, not ftp:'],
    ['localhost:80', 'the scheme of a WebSocket URL is ws or wss, not localhost:'],
    ['constructor://host', 'the scheme of a WebSocket URL is ws or wss'],
    ['ws://host/#top', 'no fragment'],
    ['ws://host/#', 'no fragment'],
  ])('refuses %j', (url, message) => {
    expect(() => readUrl(url)).toThrow(TypeError);
    expect(() => readUrl(url)).toThrow(message);
  });

  it('says what was wrong with a URL that cannot be parsed', () => {
    expect(() => readUrl('ws://[')).toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ code: 'ERR_INVALID_URL' }) }),
    );
  });

  it.each([undefined, null, 7, {}])('refuses %j', (url) => {
    // @ts-expect-error -- for those who write JavaScript
    expect(() => readUrl(url)).toThrow(TypeError);
  });

  it('says so where there is none, and repeats no other text, which may hold a password', () => {
    // @ts-expect-error -- for those who write JavaScript
    expect(() => readUrl(undefined)).toThrow(/^undefined is not an absolute URL/);
    expect(() => readUrl('ws://Ann:secret@ho st')).toThrow(/^that is not an absolute URL/);
  });
});

describe('parseUrl', () => {
  it('reads over slashes as browsers do, and over port 0', () => {
    expect(parseUrl('ws:///chat').href).toBe('ws://chat/');
    expect(destinationOf(parseUrl('ws://host:0/')).port).toBe(0);
  });
});
