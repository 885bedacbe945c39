import { describe, expect, it, vi } from 'vitest';
import {
  ConnectionClosedError,
  HandshakeError,
  ProtocolError,
  asError,
  warn,
} from '../src/errors.ts';

describe('ProtocolError', () => {
  const error = new ProtocolError('WS_ERR_RESERVED_BITS', 1002, 'a reserved bit is set');

  it('carries a stable code, a close code and a sentence', () => {
    expect(error.code).toBe('WS_ERR_RESERVED_BITS');
    expect(error.closeCode).toBe(1002);
    expect(error.message).toBe('a reserved bit is set');
  });

  it('is an Error that names its own class, and tells where it was made', () => {
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(HandshakeError);
    expect(error.name).toBe('ProtocolError');
    expect(String(error)).toBe('ProtocolError: a reserved bit is set');
    expect(error.stack).toContain('errors.test.ts');
  });
});

describe('HandshakeError', () => {
  it('carries a stable code, an HTTP status and a sentence', () => {
    const error = new HandshakeError('WS_ERR_KEY_INVALID', 400, 'the key is not valid');
    expect(error.code).toBe('WS_ERR_KEY_INVALID');
    expect(error.status).toBe(400);
    expect(error.message).toBe('the key is not valid');
  });

  it('has no header fields unless it is given some', () => {
    expect(new HandshakeError('WS_ERR_KEY_INVALID', 400, '').headers).toEqual([]);
  });

  it('carries the header fields that its answer needs, in their order', () => {
    const error = new HandshakeError('WS_ERR_VERSION', 426, 'the version is not spoken here', [
      ['Sec-WebSocket-Version', '13'],
      ['Upgrade', 'websocket'],
    ]);
    expect(error.headers).toEqual([
      ['Sec-WebSocket-Version', '13'],
      ['Upgrade', 'websocket'],
    ]);
  });

  it('is an Error that names its own class, and no ProtocolError', () => {
    const error = new HandshakeError('WS_ERR_KEY_INVALID', 400, 'the key is not valid');
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(ProtocolError);
    expect(error.name).toBe('HandshakeError');
    expect(String(error)).toBe('HandshakeError: the key is not valid');
  });
});

describe('asError', () => {
  it('leaves an Error as it is', () => {
    const error = new RangeError('mine');
    expect(asError(error)).toBe(error);
  });

  it.each([
    ['a string', 'oops', 'oops'],
    ['nothing', undefined, 'undefined'],
    ['null', null, 'null'],
    ['a number', 0, '0'],
    ['a symbol', Symbol('oops'), 'Symbol(oops)'],
  ])('makes %s its message', (_what, thrown, message) => {
    expect(asError(thrown)).toEqual(new Error(message));
  });

  it('keeps anything else as the cause, also what cannot be turned into text', () => {
    const thrown: unknown = Object.create(null);
    const error = asError(thrown);
    expect(error.message).toBe('something was thrown that is no Error');
    expect(error.cause).toBe(thrown);
  });
});

describe('ConnectionClosedError', () => {
  it('tells how the connection ended', () => {
    const error = new ConnectionClosedError(1001, 'going away');
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'ConnectionClosedError',
      code: 'WS_ERR_CONNECTION_CLOSED',
      closeCode: 1001,
      reason: 'going away',
      message: 'the connection is closed (1001, going away)',
    });
    expect(new ConnectionClosedError(1006, '').message).toBe('the connection is closed (1006)');
  });
});

describe('a warning', () => {
  function warningsOf(...thrown: unknown[]): unknown[] {
    const emit = vi.spyOn(process, 'emitWarning').mockReturnValue();
    for (const each of thrown) warn(each);
    const warnings = emit.mock.calls.map(([warning]) => warning);
    emit.mockRestore();
    return warnings;
  }

  it('is the error itself, and says where it came from', () => {
    const error = new Error('mistake');
    expect(warningsOf(error)).toEqual([error]);
    expect(error).toMatchObject({ detail: error.stack });
  });

  it('says what there is of other things', () => {
    const frozen = Object.freeze(new Error('frozen'));
    const detailed = Object.assign(new Error('detailed'), { detail: 'its own' });
    const [text, second, third] = warningsOf('text', frozen, detailed);
    expect(text).toMatchObject({ message: 'text' });
    expect(second).toBe(frozen);
    expect(third).toMatchObject({ detail: 'its own' });
  });
});
