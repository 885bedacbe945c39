/**
 * Group 1: messages of one frame, of every encoding of its length.
 *
 * @module
 */

import type { ConformCase } from '../case.ts';
import { binary, text } from '../peer-event.ts';
import { OPCODE } from '../wire.ts';
import { answered } from './kinds.ts';

/** Size of the payload, and of the pieces that its frame is written in. */
const SIZES = [[0], [125], [126], [127], [128], [65_535], [65_536], [65_536, 997]] as const;

function framing(isBinary: boolean): ConformCase[] {
  return SIZES.map(([size, chop], index) => {
    const payload = Buffer.alloc(size, isBinary ? 0xfe : '*');
    const how = chop === undefined ? '' : `, in writes of ${chop} bytes`;
    return answered(
      {
        id: `1.${isBinary ? 2 : 1}.${index + 1}`,
        title: `A ${isBinary ? 'binary' : 'text'} message of ${size} bytes${how}`,
        frames: [{ opcode: isBinary ? OPCODE.BINARY : OPCODE.TEXT, payload }],
        ...(chop !== undefined && { chops: { size: chop } }),
      },
      [isBinary ? binary(payload) : text(payload)],
    );
  });
}

export const FRAMING: readonly ConformCase[] = [...framing(false), ...framing(true)];
