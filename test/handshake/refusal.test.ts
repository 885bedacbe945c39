import { describe, expect, it } from 'vitest';
import { HandshakeError } from '../../src/errors.ts';
import { REFUSAL, type Refusal, WEBSOCKET_VERSION, refusal } from '../../src/handshake/refusal.ts';

/** Written by hand from RFC 6455 and RFC 9110. 0: a client fails, and the server chose the status. */
const STATUSES: Readonly<Record<Refusal, number>> = {
  LINE_END: 400,
  START_LINE: 400,
  FIELD_LINE: 400,
  FIELD_FOLDED: 400,
  FIELD_VALUE: 400,
  TARGET_TOO_LONG: 414,
  HEAD_TOO_LARGE: 431,
  TOO_MANY_FIELDS: 431,
  HTTP_VERSION: 505,
  METHOD: 405,
  TARGET: 400,
  HOST: 400,
  FRAMING: 400,
  BODY: 400,
  EXPECTATION: 417,
  UPGRADE: 426,
  CONNECTION: 400,
  VERSION: 426,
  VERSION_DUPLICATE: 400,
  KEY: 400,
  KEY_DUPLICATE: 400,
  SUBPROTOCOL: 400,
  EXTENSIONS: 400,
  ORIGIN: 403,
  HOST_FORBIDDEN: 421,
  NOT_FOUND: 404,
  TIMEOUT: 408,
  UNDECIDED: 503,
  TOO_MANY_PENDING: 503,
  TOO_MANY_OPEN: 503,
  TOO_MANY_OF_CLIENT: 503,
  REFUSED: 403,
  LEFT: 400,
  CLOSING: 503,
  INTERNAL: 500,
  ANSWER_STATUS: 0,
  ANSWER_VERSION: 0,
  ANSWER_UPGRADE: 0,
  ANSWER_CONNECTION: 0,
  ANSWER_ACCEPT: 0,
  ANSWER_KEY: 0,
  ANSWER_SUBPROTOCOL: 0,
  ANSWER_EXTENSIONS: 0,
  ANSWER_MISSING: 0,
  ANSWER_TIMEOUT: 0,
  TOO_MANY_WAITING: 0,
};

function isName(key: string): key is Refusal {
  return Object.hasOwn(REFUSAL, key);
}

const NAMES = Object.keys(REFUSAL).filter(isName);

describe('REFUSAL', () => {
  it('has a row for every reason that is known here, and no other', () => {
    expect(NAMES.toSorted()).toEqual(Object.keys(STATUSES).toSorted());
  });

  it('says no sentence twice', () => {
    expect(new Set(NAMES.map((name) => REFUSAL[name][2])).size).toBe(NAMES.length);
  });

  it('knows version 13 alone', () => {
    expect(WEBSOCKET_VERSION).toBe('13');
  });
});

describe.each(NAMES)('refusal(%s)', (name) => {
  const error = refusal(name);

  it('is a HandshakeError whose code is WS_ERR_ and the name of the row', () => {
    expect(error).toBeInstanceOf(HandshakeError);
    expect(error.name).toBe('HandshakeError');
    expect(error.code).toBe(`WS_ERR_${name}`);
  });

  it('carries the status that the RFCs ask for', () => {
    expect(error.status).toBe(STATUSES[name]);
  });

  it('names the section that was broken behind one sentence without a stop', () => {
    expect(error.message).toMatch(
      /^[a-zA-Z][^\r\n]*[^. ] \(RFC (?:6455|6585|9110|9112), sections? \d+(?:\.\d+)*(?: and \d+)?\)$/,
    );
  });

  it('is built anew for each refusal, so that its stack tells where', () => {
    expect(refusal(name)).not.toBe(error);
  });

  it('takes the status of a server in place of its own', () => {
    expect(refusal(name, 302).status).toBe(302);
    expect(refusal(name, 0).status).toBe(0);
  });

  it('takes a sentence that says more in place of its own, and keeps the section', () => {
    const { message, code } = refusal(name, 302, 'more is known');
    expect(message).toBe(`more is known (${REFUSAL[name][1]})`);
    expect(code).toBe(error.code);
  });
});

describe('the fields that an answer must carry', () => {
  it('name the method that is allowed, beside 405 (RFC 9110, section 15.5.6)', () => {
    expect(refusal('METHOD').headers).toEqual([['Allow', 'GET']]);
  });

  // RFC 9110, section 15.5.22, and RFC 6455, section 4.4.
  it.each(['UPGRADE', 'VERSION'] as const)(
    'name the protocol to upgrade to, and its version, beside the 426 for %s',
    (name) => {
      expect(refusal(name).headers).toEqual([
        ['Upgrade', 'websocket'],
        ['Connection', 'Upgrade'],
        ['Sec-WebSocket-Version', '13'],
      ]);
    },
  );

  it('are none for every other reason', () => {
    const others = NAMES.filter((name) => !['METHOD', 'UPGRADE', 'VERSION'].includes(name));
    expect(others.flatMap((name) => refusal(name).headers)).toEqual([]);
  });
});
