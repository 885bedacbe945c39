/**
 * Group 10: a message that the sender cuts into frames by itself.
 *
 * @module
 */

import type { ConformCase } from '../case.ts';
import { text } from '../peer-event.ts';
import { fragment, OPCODE } from '../wire.ts';
import { answered } from './kinds.ts';

const PAYLOAD = Buffer.alloc(65_536, '*');
const FRAGMENT_SIZE = 1300;

export const FRAGMENTS: readonly ConformCase[] = [
  answered(
    {
      id: '10.1.1',
      title: `A text message of ${PAYLOAD.length} bytes in fragments of ${FRAGMENT_SIZE}`,
      frames: fragment(OPCODE.TEXT, PAYLOAD, FRAGMENT_SIZE),
    },
    [text(PAYLOAD)],
  ),
];
