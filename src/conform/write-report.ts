/**
 * Writes the files that tell of a run. What stands in them is made elsewhere.
 *
 * @module
 */

import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Report } from './report.ts';
import { renderHtml } from './report-html.ts';
import { renderIndex } from './report-json.ts';

/**
 * Makes the directory of a report, if it is not there: before a run that may take hours.
 *
 * @throws {Error} (the promise rejects) where that cannot be
 */
export async function prepareReport(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
}

/**
 * Writes `index.json` and `index.html` into a directory that is there. Who reads them meanwhile reads
 * the old ones or the new ones, and nothing between.
 *
 * @throws {Error} (the promise rejects) where that cannot be written
 */
export async function writeReport(directory: string, report: Report): Promise<void> {
  await replaceFile(join(directory, 'index.json'), renderIndex(report));
  await replaceFile(join(directory, 'index.html'), renderHtml(report));
}

async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}
