/**
 * Writes the files that tell of a run. What stands in them is made elsewhere.
 *
 * @module
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Report } from './report.ts';
import { renderHtml } from './report-html.ts';
import { renderIndex } from './report-json.ts';

/**
 * Writes `index.json` and `index.html` into a directory, which is made if it is not there.
 *
 * @throws {Error} (the promise rejects) where that cannot be written
 */
export async function writeReport(directory: string, report: Report): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'index.json'), renderIndex(report));
  await writeFile(join(directory, 'index.html'), renderHtml(report));
}
