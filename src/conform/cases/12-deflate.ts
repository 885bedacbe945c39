/**
 * Group 12: compressed messages of five kinds of content, with what an unassuming peer agrees upon.
 *
 * @module
 */

import type { ConformCase } from '../case.ts';
import { messages, SHAPES } from './12-messages.ts';
import { SOURCE } from './12-payloads.ts';

const SOURCES = [SOURCE.JSON, SOURCE.BITMAP, SOURCE.GERMAN, SOURCE.HTML, SOURCE.PDF];

export const DEFLATE_12: readonly ConformCase[] = SOURCES.flatMap((source, part) =>
  SHAPES.map((shape, index) =>
    messages({
      id: `12.${part + 1}.${index + 1}`,
      terms: 'nothing is asked of the peer',
      source,
      shape,
      wishes: [{ noContextTakeover: false, maxWindowBits: undefined }],
    }),
  ),
);
