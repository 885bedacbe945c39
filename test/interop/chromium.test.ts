import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ServerProcess } from '../support/server-process.ts';
import { type Page, openChromium } from './page.ts';
import { BINARY_SIZES, CLOSES, HUNDRED, MAX_PAYLOAD, TEXTS } from './samples.ts';

let echo: ServerProcess;
const pages: Page[] = [];

beforeAll(async () => {
  echo = await ServerProcess.echo();
  return () => echo.stop();
});

afterEach(async () => {
  await Promise.all(pages.splice(0).map((page) => page.stop()));
});

async function openPage(): Promise<Page> {
  const page = await openChromium();
  pages.push(page);
  return page;
}

/** Calls a function of page.js. */
function call(page: Page, name: string, argument: object = {}): Promise<unknown> {
  return page.call(name, { url: echo.url, ...argument });
}

describe('Chromium', () => {
  it('opens a connection, in which nothing is in use that was not agreed on', async () => {
    expect(await call(await openPage(), 'describe')).toEqual({
      readyState: 1,
      protocol: '',
      extensions: '',
    });
  });

  it('gets texts, arrays and Blobs back', async () => {
    const page = await openPage();
    expect(await call(page, 'echoTexts', { texts: TEXTS })).toEqual(TEXTS);
    expect(await call(page, 'echoArrays', { sizes: BINARY_SIZES })).toEqual(BINARY_SIZES);
    expect(await call(page, 'echoBlobs', { sizes: BINARY_SIZES })).toEqual(BINARY_SIZES);
  });

  it('is served twice at a time, each for itself', async () => {
    const two = [await openPage(), await openPage()];
    const sent = two.map((_, i) => HUNDRED.map((text) => `page ${i}: ${text}`));
    const received = two.map((page, i) => call(page, 'echoTexts', { texts: sent[i] }));
    expect(await Promise.all(received)).toEqual(sent);
  });

  it('gets the code back with which it closes', async () => {
    const page = await openPage();
    for (const args of [...CLOSES, []]) {
      expect(await call(page, 'close', { args })).toEqual({
        code: args[0] ?? 1005,
        reason: '',
        wasClean: true,
      });
    }
  });

  it('is told why when a message is too large', async () => {
    expect(await call(await openPage(), 'sendTooMuch', { size: MAX_PAYLOAD + 1 })).toEqual({
      code: 1009,
      reason: expect.stringMatching(/RFC 6455/),
      wasClean: true,
    });
  });

  it('is told that the server goes, with 1001', async () => {
    const leaving = await ServerProcess.echo();
    const page = await openPage();
    await call(page, 'open', { url: leaving.url });
    await leaving.stop();
    expect(await call(page, 'closed')).toEqual({ code: 1001, reason: '', wasClean: true });
  });
});
