/**
 * Group 4: reserved opcodes, for data (3 to 7) and for control frames (11 to 15).
 *
 * @module
 */

import { CLOSING, type ConformCase } from '../case.ts';
import { text } from '../peer-event.ts';
import { type Frame, OPCODE } from '../wire.ts';
import { failed } from './kinds.ts';

const HELLO = Buffer.from('Hello, world!');

/** The five cases of a group, which begins with the opcode `first`. */
function reserved(group: string, first: number): ConformCase[] {
  return [1, 2, 3, 4, 5].map((number) => {
    const opcode = first + number - 1;
    const hasPayload = number === 2 || number > 3;
    const bad: Frame = hasPayload ? { opcode, payload: HELLO } : { opcode };
    const isAlone = number < 3;
    const isByteWise = number === 5;
    const what = `a frame of opcode ${opcode}${hasPayload ? ' with a payload' : ''}`;
    return failed(
      {
        id: `${group}.${number}`,
        title: isAlone
          ? what.replace('a', 'A')
          : `A text message, ${what}, and a Ping${isByteWise ? ', byte by byte' : ''}`,
        frames: isAlone
          ? [bad]
          : [{ opcode: OPCODE.TEXT, payload: HELLO }, bad, { opcode: OPCODE.PING }],
        ...(isByteWise && { chops: { size: 1 } }),
      },
      CLOSING.PROTOCOL_ERROR,
      isAlone ? [] : [text(HELLO)],
    );
  });
}

export const OPCODES: readonly ConformCase[] = [...reserved('4.1', 3), ...reserved('4.2', 11)];
