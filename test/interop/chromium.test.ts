import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { BrowserContext, Page } from 'playwright-core';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { ServerProcess } from '../support/server-process.ts';
import { portOf } from '../support/loopback.ts';
import { BINARY_SIZES, CLOSES, HUNDRED, MAX_PAYLOAD, TEXTS } from './samples.ts';

let echo: ServerProcess;
let context: BrowserContext;
/** Where the page is, whose origin is not that of the echo server. */
let home: string;
const pages: Page[] = [];

beforeAll(async () => {
  const browser = await launchChromium();
  context = await browser.newContext();
  return () => browser.close();
});

beforeAll(async () => {
  const script = await readFile(new URL('page.js', import.meta.url));
  const site = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html; charset=utf-8');
    response.end(
      isScript ? script : '<!doctype html><title>A page</title><script src=/page.js></script>',
    );
  });
  await new Promise<void>((resolve) => {
    site.listen(0, '127.0.0.1', resolve);
  });
  home = `http://127.0.0.1:${portOf(site)}/`;
  return () => {
    site.closeAllConnections();
    site.close();
  };
});

beforeAll(async () => {
  echo = await ServerProcess.echo();
  return () => echo.stop();
});

afterEach(async () => {
  await Promise.all(pages.splice(0).map((page) => page.close()));
});

async function openPage(): Promise<Page> {
  const page = await context.newPage();
  pages.push(page);
  await page.goto(home);
  return page;
}

/** Calls a function of page.js. */
async function call(page: Page, name: string, argument: object = {}): Promise<unknown> {
  const result: unknown = await page.evaluate(
    `inPage.${name}(${JSON.stringify({ url: echo.url, ...argument })})`,
  );
  return result;
}

describe('Chromium', () => {
  it('opens a connection, in which nothing is in use that was not agreed on', async () => {
    expect(await call(await openPage(), 'describe')).toEqual({
      readyState: 1,
      protocol: '',
      extensions: '',
    });
  });

  it('gets texts back', async () => {
    expect(await call(await openPage(), 'echoTexts', { texts: TEXTS })).toEqual(TEXTS);
  });

  it.each(BINARY_SIZES)('gets an array of %d bytes back, byte for byte', async (size) => {
    const page = await openPage();
    expect(await call(page, 'echoArrays', { sizes: [size] })).toEqual([size]);
  });

  it('gets Blobs back', async () => {
    const page = await openPage();
    expect(await call(page, 'echoBlobs', { sizes: BINARY_SIZES })).toEqual(BINARY_SIZES);
  });

  it('gets a hundred messages back in their order', async () => {
    expect(await call(await openPage(), 'echoTexts', { texts: HUNDRED })).toEqual(HUNDRED);
  });

  it('is served in two tabs at a time, each for itself', async () => {
    const tabs = [await openPage(), await openPage()];
    const sent = tabs.map((_, i) => HUNDRED.map((text) => `tab ${i}: ${text}`));
    const received = tabs.map((tab, i) => call(tab, 'echoTexts', { texts: sent[i] }));
    expect(await Promise.all(received)).toEqual(sent);
  });

  it.each(CLOSES)('gets the code back with which it closes: %d', async (...args) => {
    expect(await call(await openPage(), 'close', { args })).toEqual({
      code: args[0],
      reason: '',
      wasClean: true,
    });
  });

  it('gets a Close without a code back for one', async () => {
    expect(await call(await openPage(), 'close', { args: [] })).toEqual({
      code: 1005,
      reason: '',
      wasClean: true,
    });
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
