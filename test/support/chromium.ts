import { access } from 'node:fs/promises';
import { type Browser, chromium } from 'playwright-core';

const EXECUTABLE = '/usr/bin/chromium';

/**
 * @throws {Error} where Chromium is not there: a test that drives it fails then
 */
export async function launchChromium(): Promise<Browser> {
  await access(EXECUTABLE).catch((error: unknown) => {
    throw new Error(`there is no ${EXECUTABLE}, which this test drives: apt-get install chromium`, {
      cause: error,
    });
  });
  return chromium.launch({
    executablePath: EXECUTABLE,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
}
