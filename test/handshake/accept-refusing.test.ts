import { afterEach, describe, expect, it, vi } from 'vitest';
import { HandshakeError } from '../../src/errors.ts';
import { type RefusalAnswer, errorResponse, refusalResponse } from '../../src/handshake/accept.ts';
import { refusal } from '../../src/handshake/refusal.ts';
import { RawHead } from '../support/raw-http.ts';

function startLineOf(answer: RefusalAnswer): string {
  return new RawHead(refusalResponse(answer)).startLine;
}

afterEach(() => {
  vi.useRealTimers();
});

describe('refusalResponse', () => {
  it('is a whole response that ends the connection', () => {
    vi.useFakeTimers({ now: Date.UTC(1994, 10, 6, 8, 49, 37) });
    expect(refusalResponse({ status: 403, body: 'no \u20ac', headers: { X: 'y' } })).toBe(
      'HTTP/1.1 403 Forbidden\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\n' +
        'Content-Type: text/plain; charset=utf-8\r\nContent-Length: 6\r\nX: y\r\n\r\nno \u00e2\u0082\u00ac',
    );
  });

  it.each([300, 302, 401, 429, 503, 599])('takes the status %i', (status) => {
    const head = new RawHead(refusalResponse({ status }));
    expect(head.status).toBe(status);
    expect(head.getAll('content-length')).toEqual(['0']);
    expect(head.getAll('connection')).toEqual(['close']);
  });

  it.each([0, 100, 101, 200, 299, 600, 1000, -400, 404.5, Number.NaN, Infinity])(
    'throws a RangeError for the status %d, which refuses nothing',
    (status) => {
      expect(() => refusalResponse({ status })).toThrow(
        new RangeError(`the status ${status} does not refuse: 300 to 599 do`),
      );
    },
  );

  it('uses the reason that is given, that of HTTP, or none', () => {
    expect(startLineOf({ status: 404, reason: 'Nobody Home' })).toBe('HTTP/1.1 404 Nobody Home');
    expect(startLineOf({ status: 404, reason: '' })).toBe('HTTP/1.1 404 ');
    expect(startLineOf({ status: 404 })).toBe('HTTP/1.1 404 Not Found');
    expect(startLineOf({ status: 418 })).toBe('HTTP/1.1 418 ');
  });

  // RFC 9110, section 15.
  it.each([
    [400, 'Bad Request'],
    [401, 'Unauthorized'],
    [403, 'Forbidden'],
    [503, 'Service Unavailable'],
  ])('knows the reason of %i', (status, reason) => {
    expect(startLineOf({ status })).toBe(`HTTP/1.1 ${status} ${reason}`);
  });

  it.each(['a\r\nX: y', 'a\n', '\r', 'a\0b', '\x7f'])(
    'throws a TypeError for the reason %j (RFC 9112, section 4)',
    (reason) => {
      expect(() => refusalResponse({ status: 403, reason })).toThrow(
        new TypeError('a reason phrase is one line of text'),
      );
    },
  );

  it.each([
    ['X', 'a\r\nY: b'],
    ['X\r\n', 'a'],
    ['Connection', 'keep-alive'],
    ['Content-Length', '5'],
    ['Transfer-Encoding', 'chunked'],
  ])('throws a TypeError for the field %j: %j', (name, value) => {
    expect(() => refusalResponse({ status: 401, headers: { [name]: value } })).toThrow(TypeError);
  });

  it.each([
    ['Content-Type', 'application/json'],
    ['content-type', 'text/html'],
    ['Date', 'Sun, 06 Nov 1994 08:49:37 GMT'],
  ])('sends %s once where the application gives it (RFC 9110, section 5.3)', (name, value) => {
    const head = new RawHead(refusalResponse({ status: 401, headers: { [name]: value } }));
    expect(head.getAll(name.toLowerCase())).toEqual([value]);
  });

  it('names the protocol to upgrade to beside a 426 (RFC 9110, section 15.5.22)', () => {
    const head = new RawHead(refusalResponse({ status: 426 }));
    expect(head.getAll('upgrade')).toEqual(['websocket']);
  });
});

describe('errorResponse', () => {
  it('says what is wrong in its body, and ends the connection', () => {
    const error = new HandshakeError('WS_ERR_X', 400, 'not \u20ac');
    const response = errorResponse(error);
    const head = new RawHead(response);
    expect(head.startLine).toBe('HTTP/1.1 400 Bad Request');
    expect(head.getAll('connection')).toEqual(['close']);
    expect(head.getAll('content-length')).toEqual(['8']);
    expect(Buffer.from(response, 'latin1').toString()).toMatch(/\r\n\r\nnot \u20ac\n$/);
  });

  it('leaves the body out where the method was HEAD (RFC 9110, section 9.3.2)', () => {
    const error = refusal('METHOD');
    const [response, forHead] = [errorResponse(error), errorResponse(error, 'HEAD')];
    expect(forHead.endsWith('\r\n\r\n')).toBe(true);
    expect(response).toBe(`${forHead}${error.message}\n`);
  });

  it.each([
    ['another version', 'VERSION'],
    ['plain HTTP', 'UPGRADE'],
  ] as const)(
    'answers %s by 426 with our version, Upgrade, and Connection that names it',
    (_what, name) => {
      const head = new RawHead(errorResponse(refusal(name)));
      expect(head.startLine).toBe('HTTP/1.1 426 Upgrade Required');
      expect(head.getAll('sec-websocket-version')).toEqual(['13']);
      expect(head.getAll('upgrade')).toEqual(['websocket']);
      expect(head.getAll('connection')).toEqual(['Upgrade, close']);
    },
  );

  it('answers another method by 405 with Allow', () => {
    const head = new RawHead(errorResponse(refusal('METHOD')));
    expect(head.startLine).toBe('HTTP/1.1 405 Method Not Allowed');
    expect(head.getAll('allow')).toEqual(['GET']);
    expect(head.getAll('connection')).toEqual(['close']);
  });

  it.each([
    ['HOST_FORBIDDEN', 'HTTP/1.1 421 Misdirected Request'],
    ['HTTP_VERSION', 'HTTP/1.1 505 HTTP Version Not Supported'],
    ['TOO_MANY_FIELDS', 'HTTP/1.1 431 Request Header Fields Too Large'],
    ['TARGET_TOO_LONG', 'HTTP/1.1 414 URI Too Long'],
    ['TIMEOUT', 'HTTP/1.1 408 Request Timeout'],
    ['INTERNAL', 'HTTP/1.1 500 Internal Server Error'],
    ['EXPECTATION', 'HTTP/1.1 417 Expectation Failed'],
  ] as const)('writes %s as %s', (name, startLine) => {
    expect(new RawHead(errorResponse(refusal(name))).startLine).toBe(startLine);
  });

  it('writes a status that it does not know without a reason', () => {
    const error = new HandshakeError('WS_ERR_X', 499, 'x');
    expect(new RawHead(errorResponse(error)).startLine).toBe('HTTP/1.1 499 ');
  });
});
