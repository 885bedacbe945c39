/**
 * All cases, in the order of their numbers.
 *
 * @module
 */

import type { ConformCase } from '../case.ts';
import { FRAMING } from './1-framing.ts';
import { FRAGMENTS } from './10-fragments.ts';
import { DEFLATE_12 } from './12-deflate.ts';
import { DEFLATE_13 } from './13-deflate.ts';
import { PINGS } from './2-pings.ts';
import { RESERVED_BITS } from './3-reserved-bits.ts';
import { OPCODES } from './4-opcodes.ts';
import { FRAGMENTATION } from './5-fragmentation.ts';
import { UTF8 } from './6-utf8.ts';
import { CLOSINGS } from './7-closing.ts';
import { LIMITS } from './9-limits.ts';

export const CASES: readonly ConformCase[] = [
  ...FRAMING,
  ...PINGS,
  ...RESERVED_BITS,
  ...OPCODES,
  ...FRAGMENTATION,
  ...UTF8,
  ...CLOSINGS,
  ...LIMITS,
  ...FRAGMENTS,
  ...DEFLATE_12,
  ...DEFLATE_13,
];
