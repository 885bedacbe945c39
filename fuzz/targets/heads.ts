/**
 * The heads of HTTP messages, as a server and as a client read them, up to the decision. However they
 * are cut, the same comes of them, and a refusal is one of the table.
 *
 * @module
 */

import { HandshakeError } from '../../src/errors.ts';
import { acceptResponse, errorResponse, readRequest } from '../../src/handshake/accept.ts';
import type { HeaderFields } from '../../src/handshake/fields.ts';
import {
  DEFAULT_HEAD_LIMITS,
  RequestHeadParser,
  ResponseHeadParser,
} from '../../src/handshake/http1.ts';
import { type Offer, checkAnswer } from '../../src/handshake/offer.ts';
import { REFUSAL } from '../../src/handshake/refusal.ts';
import {
  type HeadOutcome,
  requestOutcome,
  responseOutcome,
} from '../../test/support/head-outcome.ts';
import { SAMPLE_KEY, rawRequest, rawResponse } from '../../test/support/raw-http.ts';
import { cutWire } from '../frames.ts';
import { mutateBytes } from '../mutation.ts';
import { Random } from '../random.ts';
import { type Target, check, checkSame } from '../target.ts';

const WORDS = [
  '\r\n',
  '\r\n\r\n',
  '\n',
  '\r',
  ' ',
  '\t',
  ':',
  ', ',
  '\0',
  '\x80',
  'GET / HTTP/1.1\r\n',
  'HTTP/1.1 101 Switching Protocols\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.0',
  'POST',
  'Host: localhost\r\n',
  'Host: a b\r\n',
  'Upgrade: websocket\r\n',
  'Connection: keep-alive, Upgrade\r\n',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Expect: 100-continue\r\n',
  'Expect: x\r\n',
  'Origin: null\r\n',
  'Sec-WebSocket-Version: 8\r\n',
  'Sec-WebSocket-Protocol: chat, chat\r\n',
  'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n',
  'Sec-WebSocket-Extensions: ;\r\n',
  '__proto__: x\r\n',
];

const LINES = ['GET / HTTP/1.1', 'GET http://localhost/a?b HTTP/1.1', 'GET /%00 HTTP/1.9'];
const ANSWERS = ['HTTP/1.1 101 Switching Protocols', 'HTTP/1.1 101', 'HTTP/1.1 401 No'];

/** Right, and then with a few changes. */
export function generateRequest(random: Random): string {
  const line = random.oneIn(4) ? random.pick(LINES) : LINES[0]!;
  return withWords(random, rawRequest({}, line));
}

export function generateResponse(random: Random): string {
  const line = random.oneIn(4) ? random.pick(ANSWERS) : ANSWERS[0]!;
  const before = random.oneIn(6) ? 'HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n' : '';
  return before + withWords(random, rawResponse(SAMPLE_KEY, {}, line));
}

function withWords(random: Random, head: string): string {
  const lines = head.split(/(?<=\r\n)/);
  for (let left = random.below(4); left > 0; left--) {
    const at = random.below(lines.length);
    const change = random.below(3);
    if (change === 0) lines.splice(at, 0, random.pick(WORDS));
    else if (change === 1) lines.splice(at, 1, random.pick(WORDS));
    else lines.splice(at, 0, `X-${random.below(99)}: ${'y'.repeat(random.size(9_000))}\r\n`);
  }
  return lines.join('');
}

export function mutateHead(random: Random, input: Buffer, other: Buffer): Buffer {
  return mutateBytes(random, input, other, WORDS);
}

const SMALL_LIMITS = { maxHeadSize: 300, maxHeaderFields: 6, maxTargetSize: 40 };

/** The same for every way to cut it. */
function checkCuts(
  input: Buffer,
  read: (pieces: Buffer[], limits?: typeof SMALL_LIMITS) => HeadOutcome,
): void {
  const random = new Random(input.length);
  for (const limits of [DEFAULT_HEAD_LIMITS, SMALL_LIMITS]) {
    const whole = read([input], limits);
    if (typeof whole === 'object' && 'code' in whole) checkRefusal(whole.code, whole.status);
    for (const most of [1, 1, 3, 20]) {
      const pieces = cutWire(random, input, most);
      checkSame(read(pieces, limits), whole, 'how a head was cut makes a difference');
    }
    const bytes = Array.from(input, (byte) => Buffer.of(byte));
    checkSame(read(bytes, limits), whole, 'byte by byte, a head is another');
  }
}

export function checkRefusal(code: string, status: number): void {
  const row = Object.entries(REFUSAL).find(([name]) => `WS_ERR_${name}` === code);
  check(row !== undefined, 'a refusal is in no table', code);
  const [, [expected]] = row!;
  // A client is told the status of the answer, or 0.
  if (!code.startsWith('WS_ERR_ANSWER') && status !== 0) {
    checkSame(status, expected, 'a refusal has another status than its row');
  }
}

/** What a step throws that it may throw: the code of a refusal. */
function codeOf(step: () => string): string {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof HandshakeError)) throw error;
    checkRefusal(error.code, error.status);
    return error.code;
  }
}

export const REQUEST: Target = {
  name: 'request',
  form: 'text',
  generate: (random) => Buffer.from(generateRequest(random), 'latin1'),
  mutate: mutateHead,

  run(input) {
    checkCuts(input, requestOutcome);
    return codeOf(() => {
      const parser = new RequestHeadParser();
      parser.push(input);
      const { head } = parser;
      if (head === null) return 'unfinished';
      checkFields(head.fields);
      try {
        const request = readRequest(head);
        // The interim response first, where one was asked for.
        const answer = acceptResponse(request).replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '');
        check(
          answer.startsWith('HTTP/1.1 101 Switching Protocols\r\n'),
          'an answer is another',
          answer,
        );
        return 'accepted';
      } catch (error) {
        if (!(error instanceof HandshakeError)) throw error;
        const answer = errorResponse(error, head.method);
        check(/^HTTP\/1\.1 [45]\d\d [^\r\n]+\r\n/.test(answer), 'an answer is malformed', answer);
        throw error;
      }
    });
  },
};

/** Read where they lie, from a list, and packed: the same. */
function checkFields(fields: HeaderFields): void {
  const names = ['host', 'upgrade', 'connection', 'x-1', '__proto__', 'sec-websocket-key'];
  const look = (): unknown => [
    fields.size,
    names.map((name) => [fields.get(name), fields.getAll(name), fields.has(name)]),
  ];
  const before = look();
  const all = [...fields];
  checkSame(look(), before, 'fields are others in a list');
  fields.pack();
  checkSame([...fields], all, 'fields are others when they were packed');
  checkSame(look(), before, 'fields are others when they were packed');
}

const OFFER: Offer = {
  request: '',
  key: SAMPLE_KEY,
  subprotocols: ['chat'],
  extensions: [{ name: 'permessage-deflate', parameters: [['client_max_window_bits', true]] }],
};

export const RESPONSE: Target = {
  name: 'response',
  form: 'text',
  generate: (random) => Buffer.from(generateResponse(random), 'latin1'),
  mutate: mutateHead,

  run(input) {
    checkCuts(input, responseOutcome);
    return codeOf(() => {
      const parser = new ResponseHeadParser();
      parser.push(input);
      if (parser.head === null) return 'unfinished';
      const { subprotocol, extensions } = checkAnswer(OFFER, parser.head);
      check(['', 'chat'].includes(subprotocol), 'a subprotocol was not offered', subprotocol);
      return extensions.length > 0 ? 'agreed, with extensions' : 'agreed';
    });
  },
};
