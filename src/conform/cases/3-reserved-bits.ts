/**
 * Group 3: reserved bits that nobody has given a meaning to.
 *
 * @module
 */

import { CLOSING, type ConformCase } from '../case.ts';
import type { Chops } from '../peer.ts';
import { text } from '../peer-event.ts';
import { OPCODE } from '../wire.ts';
import { failed } from './kinds.ts';

const HELLO = Buffer.from('Hello, world!');
const PLAIN = { opcode: OPCODE.TEXT, payload: HELLO } as const;

/** A good message, one with reserved bits, and a Ping that must not be answered any more. */
function afterMessage(id: string, rsv: number, how: string, chops?: Chops): ConformCase {
  return failed(
    {
      id,
      title: `A text message, one with RSV ${rsv}, and a Ping, ${how}`,
      frames: [PLAIN, { ...PLAIN, rsv }, { opcode: OPCODE.PING }],
      ...(chops !== undefined && { chops }),
    },
    CLOSING.PROTOCOL_ERROR,
    [text(HELLO)],
  );
}

function alone(id: string, rsv: number, name: string, opcode: number): ConformCase {
  return failed(
    {
      id,
      title: `A ${name} with RSV ${rsv}`,
      frames: [opcode === OPCODE.CLOSE ? { opcode, rsv } : { opcode, rsv, payload: HELLO }],
    },
    CLOSING.PROTOCOL_ERROR,
  );
}

export const RESERVED_BITS: readonly ConformCase[] = [
  alone('3.1', 1, 'text message', OPCODE.TEXT),
  afterMessage('3.2', 2, 'at once'),
  afterMessage('3.3', 3, 'frame by frame', { isFrameWise: true }),
  afterMessage('3.4', 4, 'byte by byte', { size: 1 }),
  alone('3.5', 5, 'binary message', OPCODE.BINARY),
  alone('3.6', 6, 'Ping', OPCODE.PING),
  alone('3.7', 7, 'Close', OPCODE.CLOSE),
];
