/**
 * Group 7: the closing handshake, what comes after it, and what a Close frame may hold (RFC 6455,
 * sections 5.5.1, 7.1 and 7.4).
 *
 * @module
 */

import { type Closing, CLOSING, type ConformCase } from '../case.ts';
import { type PeerEvent, text } from '../peer-event.ts';
import { type Frame, OPCODE } from '../wire.ts';
import { answered, waitForEnd } from './kinds.ts';

const HELLO: Frame = { opcode: OPCODE.TEXT, payload: Buffer.from('Hello World!') };
const LARGE = Buffer.alloc(256 * 1024, 'BAsd7&jh23');
const MAX_REASON_SIZE = 123;
/** It ends in a surrogate. */
const NOT_UTF8 = Buffer.from('cebae1bdb9cf83cebcceb5eda080656469746564', 'hex');

/** What a Close frame holds. */
function payloadOf(code: number, reason: string | Buffer = ''): Buffer {
  const payload = Buffer.from(`  ${reason.toString('latin1')}`, 'latin1');
  payload.writeUInt16BE(code);
  return payload;
}

/** Who may answer with these codes, and need not do it cleanly. */
function brokenOff(...codes: readonly number[]): Closing {
  return { isByJudge: true, codes, mustBeClean: false };
}

interface Script {
  readonly id: string;
  readonly title: string;
  readonly before?: readonly Frame[];
  /** The payload of the Close frame. Default: 1000. */
  readonly close?: Buffer;
  readonly after?: readonly Frame[];
  readonly closing?: Closing;
  readonly isInformational?: boolean;
  readonly expected?: ConformCase['expected'];
}

/** Sends a Close frame, with frames before and after it, all at once. */
function closes(script: Script): ConformCase {
  const { id, title, before = [], close = payloadOf(1000), after = [] } = script;
  const { closing = CLOSING.NORMAL, isInformational = false, expected = { OK: [] } } = script;
  return {
    id,
    title,
    expected,
    closing,
    isInformational,
    needsRightCode: true,
    async run(peer) {
      // Those of 7.13 may come back as they are.
      peer.allowCloseCodes(closing.codes);
      await peer.send(before);
      peer.sendCloseFrame(close);
      await peer.send(after);
      return waitForEnd(peer);
    },
  };
}

const SEQUENCE: readonly ConformCase[] = [
  {
    ...answered(
      { id: '7.1.1', title: 'A text message, and a Close after its echo', frames: [HELLO] },
      [text('Hello World!')],
    ),
    needsRightCode: true,
  },
  closes({ id: '7.1.2', title: 'Two Close frames', after: [{ opcode: OPCODE.CLOSE }] }),
  closes({ id: '7.1.3', title: 'A Ping after a Close', after: [{ opcode: OPCODE.PING }] }),
  closes({ id: '7.1.4', title: 'A text message after a Close', after: [HELLO] }),
  closes({
    id: '7.1.5',
    title: 'A Close between two fragments',
    before: [{ opcode: OPCODE.TEXT, fin: false, payload: Buffer.from('fragment1') }],
    after: [{ opcode: OPCODE.CONTINUATION, payload: Buffer.from('fragment2') }],
  }),
  closes({
    id: '7.1.6',
    title: 'A text message of 256 KiB, a short one, a Close and a Ping, at once',
    before: [{ opcode: OPCODE.TEXT, payload: LARGE }, HELLO],
    after: [{ opcode: OPCODE.PING }],
    isInformational: true,
    expected: { OK: [text(LARGE), text('Hello World!')], 'NON-STRICT': [] as PeerEvent[] },
  }),
];

const CONTENT: readonly ConformCase[] = [
  closes({ id: '7.3.1', title: 'A Close without a payload', close: Buffer.alloc(0) }),
  closes({
    id: '7.3.2',
    title: 'A Close with half a code',
    close: Buffer.from('a'),
    closing: brokenOff(1002),
  }),
  closes({ id: '7.3.3', title: 'A Close with a code' }),
  closes({
    id: '7.3.4',
    title: 'A Close with a code and a reason',
    close: payloadOf(1000, 'Hello World!'),
  }),
  closes({
    id: '7.3.5',
    title: 'A Close with the longest reason',
    close: payloadOf(1000, '*'.repeat(MAX_REASON_SIZE)),
  }),
  closes({
    id: '7.3.6',
    title: 'A Close whose reason is a byte too long',
    close: payloadOf(1000, '*'.repeat(MAX_REASON_SIZE + 1)),
    closing: brokenOff(1002),
  }),
  closes({
    id: '7.5.1',
    title: 'A Close whose reason is not UTF-8',
    close: payloadOf(1000, NOT_UTF8),
    closing: brokenOff(1002, 1007),
  }),
];

const VALID_CODES = [
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
] as const;
const INVALID_CODES = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999] as const;
/** Outside of what the RFC gives a meaning to, or forbids. */
const UNDEFINED_CODES = [5000, 65_535] as const;

export const CLOSINGS: readonly ConformCase[] = [
  ...SEQUENCE,
  ...CONTENT,
  ...VALID_CODES.map((code, index) =>
    closes({
      id: `7.7.${index + 1}`,
      title: `A Close with the good code ${code}`,
      close: payloadOf(code),
      closing: { isByJudge: true, codes: [1000, code], mustBeClean: true },
    }),
  ),
  ...INVALID_CODES.map((code, index) =>
    closes({
      id: `7.9.${index + 1}`,
      title: `A Close with the bad code ${code}`,
      close: payloadOf(code),
      closing: brokenOff(1002),
    }),
  ),
  ...UNDEFINED_CODES.map((code, index) =>
    closes({
      id: `7.13.${index + 1}`,
      title: `A Close with the undefined code ${code}`,
      close: payloadOf(code),
      closing: brokenOff(1000, code, 1002),
      isInformational: true,
    }),
  ),
];
