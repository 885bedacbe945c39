import type { Browser, Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { ServerProcess } from '../support/server-process.ts';

let demo: ServerProcess;
let browser: Browser;

beforeEach(async () => {
  demo = await ServerProcess.start(['npm', '-s', 'start'], /(http:\/\/localhost:[0-9]+)/);
  browser = await launchChromium();
});

afterEach(async () => {
  await browser.close();
  await demo.stop();
});

/** Waits until the page shows this many visits and tabs. */
async function shows(page: Page, visits: number, tabs: number): Promise<void> {
  const counted = tabs === 1 ? '1 tab is open' : `${tabs} tabs are open`;
  await page.locator(`#visits:text-is("${visits}")`).waitFor();
  await page.locator(`#state:text-is("${counted}")`).waitFor();
}

async function open(): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(demo.url);
  return page;
}

describe('npm start', () => {
  it('shows the number of visits in every open tab, as it changes', async () => {
    const first = await open();
    await shows(first, 1, 1);
    const second = await open();
    await Promise.all([shows(first, 2, 2), shows(second, 2, 2)]);
    await second.reload();
    await Promise.all([shows(first, 3, 2), shows(second, 3, 2)]);
    await second.close();
    await shows(first, 3, 1);
  });

  it('counts a visit that is no browser, and serves no other page', async () => {
    const page = await open();
    await shows(page, 1, 1);
    for (let i = 0; i < 100; i++) expect((await fetch(demo.url)).status).toBe(200);
    expect((await fetch(`${demo.url}/other`)).status).toBe(404);
    await shows(page, 101, 1);
  });

  it('tells the page when it stops', async () => {
    const page = await open();
    await shows(page, 1, 1);
    await demo.stop();
    await page.locator('#state:text-is("connection lost, trying again")').waitFor();
    demo = await ServerProcess.start(['npm', '-s', 'start'], /(http:\/\/localhost:[0-9]+)/);
    expect(page.isClosed()).toBe(false);
  });

  it('lets no page of another origin listen', async () => {
    const page = await browser.newPage();
    await page.goto('data:text/html,<title>foreign</title>');
    const url = new URL('/visits', demo.url.replace('http', 'ws')).href;
    const code: unknown = await page.evaluate(
      `new Promise((resolve) => { new WebSocket('${url}').onclose = ({ code }) => resolve(code); })`,
    );
    expect(code).toBe(1006);
  });
});
