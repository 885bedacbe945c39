/**
 * All that is fuzzed.
 *
 * @module
 */

import type { Target } from '../target.ts';
import { CLIENT } from './client.ts';
import { CLOSE } from './close.ts';
import { DEFLATE } from './deflate.ts';
import { EXTENSIONS } from './extensions.ts';
import { FRAMES } from './frames.ts';
import { REQUEST, RESPONSE } from './heads.ts';
import { RECEIVER } from './receiver.ts';
import { SERVER } from './server.ts';

export const TARGETS: readonly Target[] = [
  REQUEST,
  RESPONSE,
  EXTENSIONS,
  CLOSE,
  FRAMES,
  DEFLATE,
  RECEIVER,
  SERVER,
  CLIENT,
];
