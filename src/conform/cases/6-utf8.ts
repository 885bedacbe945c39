/**
 * Group 6: text that is UTF-8, and text that is not (RFC 6455, section 8.1; RFC 3629). The sequences
 * are in utf8-sequences.ts.
 *
 * @module
 */

import { CLOSING, type ConformCase, type Outcome } from '../case.ts';
import type { Peer } from '../peer.ts';
import { text, timeout } from '../peer-event.ts';
import { type Frame, fragment, OPCODE } from '../wire.ts';
import { answered, failed, waitForEnd } from './kinds.ts';
import { SEQUENCES } from './utf8-sequences.ts';

const GREETING = Buffer.from('Hello-µ@ßöäüàá-UTF-8!!');
/** Where a sign of the greeting ends. */
const GREETING_CUT = Buffer.byteLength('Hello-µ@ßöä');
/** Five signs, of two and of three bytes. */
const GREEK = Buffer.from('cebae1bdb9cf83cebcceb5', 'hex');
/** With a surrogate, which UTF-8 does not have, in the middle. */
const NOT_TEXT = Buffer.concat([GREEK, Buffer.from('eda080656469746564', 'hex')]);
const EMPTY = Buffer.alloc(0);

/** A text message as frames of these payloads. */
function inFragments(...payloads: readonly Buffer[]): Frame[] {
  return payloads.map((payload, index) => ({
    opcode: index === 0 ? OPCODE.TEXT : OPCODE.CONTINUATION,
    fin: index === payloads.length - 1,
    payload,
  }));
}

function signByByte(id: string, payload: Buffer): ConformCase {
  return answered(
    {
      id,
      title: `${payload.toString()} in fragments of one byte, cut within signs`,
      frames: fragment(OPCODE.TEXT, payload, 1),
    },
    [text(payload)],
  );
}

const WELL_FORMED: readonly ConformCase[] = [
  answered({ id: '6.1.1', title: 'An empty text message', frames: inFragments(EMPTY) }, [text('')]),
  answered(
    { id: '6.1.2', title: 'Three empty fragments', frames: inFragments(EMPTY, EMPTY, EMPTY) },
    [text('')],
  ),
  answered(
    {
      id: '6.1.3',
      title: 'Three fragments, the first and the last of them empty',
      frames: inFragments(EMPTY, Buffer.from('middle frame payload'), EMPTY),
    },
    [text('middle frame payload')],
  ),
  answered(
    { id: '6.2.1', title: `${GREETING.toString()} in one frame`, frames: inFragments(GREETING) },
    [text(GREETING)],
  ),
  answered(
    {
      id: '6.2.2',
      title: `${GREETING.toString()} in two fragments, cut between signs`,
      frames: inFragments(GREETING.subarray(0, GREETING_CUT), GREETING.subarray(GREETING_CUT)),
    },
    [text(GREETING)],
  ),
  signByByte('6.2.3', GREETING),
  signByByte('6.2.4', GREEK),
];

const ILL_FORMED: readonly ConformCase[] = [
  failed(
    { id: '6.3.1', title: 'A surrogate, in one frame', frames: inFragments(NOT_TEXT) },
    CLOSING.INVALID_TEXT,
  ),
  failed(
    {
      id: '6.3.2',
      title: 'A surrogate, in fragments of one byte',
      frames: fragment(OPCODE.TEXT, NOT_TEXT, 1),
    },
    CLOSING.INVALID_TEXT,
  ),
];

/**
 * Three parts, a second between them, of which the second part cannot be text, whatever comes after
 * it. Strict is who fails the connection then; who waits for the end of the message is not.
 */
function failFast(
  id: string,
  title: string,
  parts: readonly [Buffer, Buffer, Buffer],
  isOneFrame: boolean,
): ConformCase {
  return {
    id,
    title,
    expected: { OK: [timeout('A')], 'NON-STRICT': [timeout('A'), timeout('B')] },
    closing: CLOSING.INVALID_TEXT,
    run: async (peer): Promise<Outcome | undefined> => {
      const steps = isOneFrame ? piecesOf(peer, parts) : framesOf(peer, parts);
      for (const [index, send] of steps.entries()) {
        await send();
        const isLast = index === steps.length - 1;
        if (!isLast && !(await peer.pause(1, 'AB'[index]))) break;
      }
      return waitForEnd(peer);
    },
  };
}

type Step = () => Promise<void> | void;

function framesOf(peer: Peer, parts: readonly Buffer[]): Step[] {
  return inFragments(...parts).map((frame) => () => peer.send(frame));
}

/** The header goes with the first part. */
function piecesOf(peer: Peer, parts: readonly Buffer[]): Step[] {
  return parts.map((part, index) => () => {
    const headerSize =
      index === 0 ? peer.beginFrame({ opcode: OPCODE.TEXT, payload: Buffer.concat(parts) }) : 0;
    peer.sendPiece(headerSize + part.length);
  });
}

const EDITED = Buffer.from('edited');
/** Behind the last sign of Unicode. */
const BEYOND = Buffer.from('f4908080', 'hex');
const WHOLE_SIGN = [GREEK, BEYOND, EDITED] as const;
/** The second byte of that sign is the one that cannot be. */
const ONE_BYTE = [
  Buffer.concat([GREEK, BEYOND.subarray(0, 1)]),
  BEYOND.subarray(1, 2),
  Buffer.concat([BEYOND.subarray(2), EDITED]),
] as const;

const FAIL_FAST: readonly ConformCase[] = [
  failFast('6.4.1', 'Three fragments, a sign beyond Unicode in the second', WHOLE_SIGN, false),
  failFast('6.4.2', 'Three fragments, the second of one byte that cannot be', ONE_BYTE, false),
  failFast(
    '6.4.3',
    'A frame in three pieces, a sign beyond Unicode in the second',
    WHOLE_SIGN,
    true,
  ),
  failFast(
    '6.4.4',
    'A frame in three pieces, the second of one byte that cannot be',
    ONE_BYTE,
    true,
  ),
];

const FIRST_SEQUENCE_GROUP = 5;

/** 6.5 to 6.23: a message for each sequence. */
const SINGLE: readonly ConformCase[] = SEQUENCES.flatMap(({ title, sequences }, group) =>
  sequences.map(({ isValid, bytes }, index) => {
    const row = {
      id: `6.${group + FIRST_SEQUENCE_GROUP}.${index + 1}`,
      title: `${title}: 0x${bytes.toString('hex')}`,
      frames: inFragments(bytes),
    };
    return isValid ? answered(row, [text(bytes)]) : failed(row, CLOSING.INVALID_TEXT);
  }),
);

export const UTF8: readonly ConformCase[] = [
  ...WELL_FORMED,
  ...ILL_FORMED,
  ...FAIL_FAST,
  ...SINGLE,
];
