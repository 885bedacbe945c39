/**
 * Group 5: messages in fragments, with control frames between them, and fragments that stand where
 * none may stand.
 *
 * @module
 */

import { CLOSING, type ConformCase } from '../case.ts';
import type { Chops } from '../peer.ts';
import { pong, text } from '../peer-event.ts';
import { type Frame, OPCODE } from '../wire.ts';
import { answered, closeAfter, failed } from './kinds.ts';

function frame(opcode: number, fin: boolean, payload: string): Frame {
  return { opcode, fin, payload: Buffer.from(payload) };
}

const { CONTINUATION, TEXT, PING, PONG } = OPCODE;
const FIRST = frame(TEXT, false, 'fragment1');
const LAST = frame(CONTINUATION, true, 'fragment2');
const WHOLE = text('fragment1fragment2');

/** Three ways to cut the same bytes. */
const CUTS: readonly (readonly [how: string, chops: Chops])[] = [
  ['at once', {}],
  ['frame by frame', { isFrameWise: true }],
  ['byte by byte', { size: 1 }],
];

/** Three cases, which send the same in three ways. */
function inEachCut(
  firstNumber: number,
  make: (id: string, how: string, chops: Chops) => ConformCase,
): ConformCase[] {
  return CUTS.map(([how, chops], index) => make(`5.${firstNumber + index}`, how, chops));
}

function orphan(firstNumber: number, fin: boolean): ConformCase[] {
  return inEachCut(firstNumber, (id, how, chops) =>
    failed(
      {
        id,
        title: `A continuation of nothing, ${fin ? '' : 'not '}final, and a text message, ${how}`,
        frames: [
          frame(CONTINUATION, fin, 'there is nothing to continue'),
          frame(TEXT, true, 'Hello, world!'),
        ],
        chops,
      },
      CLOSING.PROTOCOL_ERROR,
    ),
  );
}

/** A continuation of nothing and a message in two fragments, and that once more. */
function orphanTwice(id: string, fin: boolean): ConformCase {
  const once = [
    frame(CONTINUATION, fin, 'fragment1'),
    frame(TEXT, false, 'fragment2'),
    frame(CONTINUATION, true, 'fragment3'),
  ];
  return failed(
    {
      id,
      title: `Twice: a continuation of nothing, ${fin ? '' : 'not '}final, and a message in two fragments`,
      frames: [...once, ...once],
    },
    CLOSING.PROTOCOL_ERROR,
  );
}

/** Everything is allowed here, and a Ping within a message is answered before the message ends. */
function withPauses(id: string, how: string, chops: Chops): ConformCase {
  const answer = [
    pong('pongme 1!'),
    pong('pongme 2!'),
    text('fragment1fragment2fragment3fragment4fragment5'),
  ];
  return {
    id,
    title: `Five fragments, two Pings between them, and a second without anything, ${how}`,
    expected: { OK: answer },
    closing: CLOSING.NORMAL,
    async run(peer) {
      await peer.send(
        [FIRST, frame(CONTINUATION, false, 'fragment2'), frame(PING, true, 'pongme 1!')],
        chops,
      );
      await peer.pause(1);
      const hasPong = peer.events.length > 0;
      await peer.send(
        [
          frame(CONTINUATION, false, 'fragment3'),
          frame(CONTINUATION, false, 'fragment4'),
          frame(PING, true, 'pongme 2!'),
          frame(CONTINUATION, true, 'fragment5'),
        ],
        chops,
      );
      const outcome = await closeAfter(peer, answer);
      return hasPong
        ? outcome
        : { behavior: 'FAILED', sentence: 'The first Ping had no answer for a second.' };
    },
  };
}

export const FRAGMENTATION: readonly ConformCase[] = [
  ...[PING, PONG].map((opcode, index) =>
    failed(
      {
        id: `5.${index + 1}`,
        title: `A ${opcode === PING ? 'Ping' : 'Pong'} in two fragments`,
        frames: [frame(opcode, false, 'fragment1'), LAST],
      },
      CLOSING.PROTOCOL_ERROR,
    ),
  ),
  ...inEachCut(3, (id, how, chops) =>
    answered(
      { id, title: `A text message in two fragments, ${how}`, frames: [FIRST, LAST], chops },
      [WHOLE],
    ),
  ),
  ...inEachCut(6, (id, how, chops) =>
    answered(
      {
        id,
        title: `A text message in two fragments, a Ping between them, ${how}`,
        frames: [FIRST, frame(PING, true, 'ping payload'), LAST],
        chops,
      },
      [pong('ping payload'), WHOLE],
    ),
  ),
  ...orphan(9, true),
  ...orphan(12, false),
  failed(
    {
      id: '5.15',
      title: 'A message in two fragments, a continuation of nothing, and a text message, at once',
      frames: [
        FIRST,
        LAST,
        frame(CONTINUATION, false, 'fragment3'),
        frame(TEXT, true, 'fragment4'),
      ],
    },
    CLOSING.PROTOCOL_ERROR,
    [WHOLE],
  ),
  orphanTwice('5.16', false),
  orphanTwice('5.17', true),
  failed(
    {
      id: '5.18',
      title: 'Two fragments that both say they are the first',
      frames: [FIRST, frame(TEXT, true, 'fragment2')],
    },
    CLOSING.PROTOCOL_ERROR,
  ),
  withPauses('5.19', 'at once', {}),
  withPauses('5.20', 'frame by frame', { isFrameWise: true }),
];
