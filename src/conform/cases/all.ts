/**
 * All cases, in the order of their numbers.
 *
 * @module
 */

import type { ConformCase } from '../case.ts';
import { FRAMING } from './1-framing.ts';

export const CASES: readonly ConformCase[] = [...FRAMING];
