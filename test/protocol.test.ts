import { describe, expect, it } from 'vitest';
import * as protocol from '../src/protocol.ts';
import { SAMPLE_ACCEPT, SAMPLE_KEY, rawRequest } from './support/raw-http.ts';

/** A transport as somebody else would write it: what one end writes, the other is fed later. */
class Wire implements protocol.Transport {
  readonly written: Buffer[] = [];
  readonly writableLength = 0;
  ended = false;
  destroyed = false;

  write(bytes: Uint8Array): boolean {
    this.written.push(Buffer.from(bytes));
    return true;
  }

  cork(): void {}
  uncork(): void {}

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    this.ended = true;
    this.destroyed = true;
  }

  pause(): void {}
  resume(): void {}
}

const CLOCK: protocol.Clock = { now: () => 0 };

/** One end: a connection, its wire, and what it was told. */
class End {
  readonly wire = new Wire();
  readonly log: string[] = [];
  readonly connection: protocol.Connection;

  constructor(role: protocol.Role, options: Partial<protocol.ConnectionOptions> = {}) {
    const { log } = this;
    const handler: protocol.ConnectionHandler = {
      onMessage: (opcode, source, start, end) => {
        const kind = opcode === protocol.OPCODE.TEXT ? 'text' : 'binary';
        log.push(`${kind} ${source.toString(kind === 'text' ? 'utf8' : 'hex', start, end)}`);
        // The server of this test echoes.
        if (role === 'server')
          this.connection.send(opcode, Buffer.from(source.subarray(start, end)));
      },
      onPing: (source, start, end) => void log.push(`ping ${source.toString('utf8', start, end)}`),
      onPong: (source, start, end) => void log.push(`pong ${source.toString('utf8', start, end)}`),
      onDrain: () => void log.push('drain'),
      onPending: () => {},
      onError: (error) => void log.push(`error ${error.code} ${error.closeCode}`),
      onClose: (code, reason, wasClean) => void log.push(`close ${code} ${reason} ${wasClean}`),
    };
    this.connection = new protocol.Connection(role, this.wire, handler, CLOCK, {
      ...protocol.resolveLimits(options),
      autoPong: true,
    });
  }
}

/** Carries bytes both ways until nobody has anything to say, in chunks of `size`. */
function carry(one: End, other: End, size: number): void {
  let moved = true;
  while (moved) {
    moved = false;
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      from.connection.flush();
      const bytes = Buffer.concat(from.wire.written.splice(0));
      for (let at = 0; at < bytes.length; at += size) {
        moved = true;
        to.connection.receive(Buffer.from(bytes.subarray(at, at + size)));
      }
    }
  }
}

describe('the face of the core', () => {
  it('exports these names and no other', () => {
    expect(new Set(Object.keys(protocol))).toEqual(
      new Set([
        'acceptResponse',
        'answerOffers',
        'checkAnswer',
        'checkLimit',
        'chooseSubprotocol',
        'CLOSE_CODE',
        'Connection',
        'createDeflateOffer',
        'createHostCheck',
        'createOffer',
        'createOriginCheck',
        'DEFAULT_DEFLATE',
        'DEFAULT_HEAD_LIMITS',
        'DEFAULT_LIMITS',
        'errorResponse',
        'HandshakeError',
        'HeaderFields',
        'OPCODE',
        'PerMessageDeflate',
        'PreparedMessage',
        'ProtocolError',
        'READY_STATE',
        'readAnswer',
        'readRequest',
        'refusalResponse',
        'RequestHeadParser',
        'resolveDeflate',
        'resolveLimits',
        'resolveRateLimit',
        'ResponseHeadParser',
      ]),
    );
  });

  it.each([1, 2, 7, 64 * 1024])(
    'carries a handshake, an echo and a closing handshake, %d bytes at a time',
    (size) => {
      // The client asks.
      const offer: protocol.Offer = protocol.createOffer(new URL('ws://localhost/chat?x=1'), {
        subprotocols: ['v2', 'v1'],
        origin: 'http://localhost',
        headers: { Cookie: 'a=b' },
      });
      const requestParser = new protocol.RequestHeadParser(protocol.DEFAULT_HEAD_LIMITS);
      const asked = push(requestParser, offer.request, size);
      expect(asked).toBe(offer.request.length);

      // The server decides.
      const request: protocol.HandshakeRequest = protocol.readRequest(requestParser.head!);
      expect(request).toMatchObject({
        target: '/chat?x=1',
        host: 'localhost',
        origin: 'http://localhost',
        key: offer.key,
        subprotocols: ['v2', 'v1'],
      });
      expect(request.fields.get('cookie')).toBe('a=b');
      const isAllowed: protocol.OriginCheck = protocol.createOriginCheck('same-origin');
      const isServed: protocol.HostCheck = protocol.createHostCheck(['localhost']);
      expect([isAllowed(request.origin, request.host), isServed(request.host)]).toEqual([
        true,
        true,
      ]);
      const response = protocol.acceptResponse(request, {
        subprotocol: 'v1',
        headers: [['Set-Cookie', 'c=d']],
      });

      // The client checks. A frame stands behind the head already.
      const responseParser = new protocol.ResponseHeadParser();
      expect(push(responseParser, `${response}\u0081\u0000`, size)).toBe(response.length);
      const head: protocol.ResponseHead = responseParser.head!;
      expect(head.fields.get('set-cookie')).toBe('c=d');
      expect(protocol.checkAnswer(offer, head)).toEqual({ subprotocol: 'v1', extensions: [] });

      // And they talk.
      const client = new End('client');
      const server = new End('server');
      const { TEXT, BINARY } = protocol.OPCODE;
      expect(client.connection.send(TEXT, 'Grüße')).toBe(true);
      expect(client.connection.send(BINARY, Buffer.from([0, 255]))).toBe(true);
      expect(client.connection.ping(Buffer.from('hi'))).toBe(true);
      carry(client, server, size);
      expect(server.log).toEqual(['text Grüße', 'binary 00ff', 'ping hi']);
      expect(client.log).toEqual(['text Grüße', 'binary 00ff', 'pong hi']);

      client.connection.close(protocol.CLOSE_CODE.NORMAL_CLOSURE, 'done');
      carry(client, server, size);
      expect(client.connection.readyState).toBe(protocol.READY_STATE.CLOSING);
      // RFC 6455, section 7.1.1: the server closes the transport, and the client waits for it.
      expect([server.wire.ended, client.wire.ended]).toEqual([true, false]);
      client.connection.receiveEnd();
      expect(client.wire.ended).toBe(true);
      for (const { connection } of [client, server]) connection.receiveTransportClose();
      expect(client.log.at(-1)).toBe('close 1000  true');
      expect(server.log.at(-1)).toBe('close 1000 done true');
      expect(server.connection.readyState).toBe(protocol.READY_STATE.CLOSED);
    },
  );

  it('fails a connection whose peer breaks a rule, and tells both', () => {
    const server = new End('server', { maxPayload: 5 });
    const client = new End('client');
    client.connection.send(protocol.OPCODE.TEXT, 'six by');
    carry(client, server, 1000);
    expect(server.log).toEqual(['error WS_ERR_MESSAGE_TOO_BIG 1009']);
    expect(client.connection.readyState).toBe(protocol.READY_STATE.CLOSING);
    client.connection.receiveTransportClose();
    expect(client.log[0]).toMatch(/^close 1009 .* true$/);
  });

  it('refuses a request by the rules, and one that the application does not want', () => {
    const parser = new protocol.RequestHeadParser();
    push(parser, rawRequest({ 'Sec-WebSocket-Version': '8' }), 1000);
    const error = refusalOf(() => protocol.readRequest(parser.head!));
    expect(protocol.errorResponse(error)).toMatch(
      /^HTTP\/1\.1 426 Upgrade Required\r\n[^]*\r\nSec-WebSocket-Version: 13\r\n/,
    );
    const answer: protocol.RefusalAnswer = { status: 401, headers: { 'X-A': 'b' }, body: 'who?' };
    expect(protocol.refusalResponse(answer)).toMatch(
      /^HTTP\/1\.1 401 Unauthorized\r\n[^]*\r\nX-A: b\r\n\r\nwho\?$/,
    );
  });

  it('takes a request that another parser has read', () => {
    const fields = protocol.HeaderFields.fromRaw(
      rawRequest()
        .split('\r\n')
        .slice(1, -2)
        .flatMap((line) => line.split(': ')),
    );
    const request = protocol.readRequest({ method: 'GET', target: '/', minorVersion: 1, fields });
    expect(request.key).toBe(SAMPLE_KEY);
    expect(protocol.acceptResponse(request)).toContain(
      `\r\nSec-WebSocket-Accept: ${SAMPLE_ACCEPT}\r\n`,
    );
  });

  it('fills in and checks limits', () => {
    const limits: protocol.ConnectionLimits = protocol.resolveLimits({ maxPayload: 7 });
    expect(limits).toEqual({ ...protocol.DEFAULT_LIMITS, maxPayload: 7 });
    expect(protocol.DEFAULT_LIMITS.maxPayload).toBe(1024 * 1024);
    expect(() => protocol.checkLimit('maxPayload', Number.NaN)).toThrow(RangeError);
    expect(() => protocol.checkLimit('maxPayload', 7)).not.toThrow();
  });

  it('exports the error of the protocol', () => {
    const error = new protocol.ProtocolError('WS_ERR_SOMETHING', 1002, 'something is wrong');
    expect(error).toMatchObject({ code: 'WS_ERR_SOMETHING', closeCode: 1002 });
  });
});

function refusalOf(step: () => unknown): protocol.HandshakeError {
  try {
    step();
  } catch (error) {
    if (error instanceof protocol.HandshakeError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** Feeds a parser `size` bytes at a time. Returns where the head ended, in all of `text`. */
function push(parser: { push: (chunk: Buffer) => number }, text: string, size: number): number {
  const wire = Buffer.from(text, 'latin1');
  for (let at = 0; at < wire.length; at += size) {
    const end = parser.push(wire.subarray(at, at + size));
    if (end !== -1) return at + end;
  }
  return -1;
}
