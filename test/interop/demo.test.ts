import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import * as http from 'node:http';
import * as https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { launchChromium } from '../support/chromium.ts';
import { ServerProcess } from '../support/server-process.ts';

const READY = /^open (https?:\/\/localhost:[0-9]+) /m;
/** Under a load that slows everything. */
const PATIENCE = { timeout: 20_000 };
const SCHEMES = ['http', 'https'] as const;

let browser: Browser;
let folder = '';

beforeAll(async () => {
  browser = await launchChromium();
  folder = await mkdtemp(join(tmpdir(), 'demo-'));
  await writeFile(join(folder, 'key.pem'), KEY);
  await writeFile(join(folder, 'cert.pem'), CERTIFICATE);
});

afterAll(async () => {
  await browser.close();
  await rm(folder, { recursive: true });
});

describe.each(SCHEMES)('npm start, by %s', (scheme) => {
  let demo: ServerProcess;
  let contexts: BrowserContext[];

  function startDemo(environment: Record<string, string> = {}): Promise<ServerProcess> {
    return ServerProcess.start(['npm', '-s', 'start'], READY, {
      ...(scheme === 'https' && {
        KEY: join(folder, 'key.pem'),
        CERT: join(folder, 'cert.pem'),
      }),
      ...environment,
    });
  }

  beforeEach(async () => {
    contexts = [];
    demo = await startDemo();
  });

  afterEach(async () => {
    await Promise.all(contexts.map((context) => context.close()));
    await demo.stop();
  });

  /** Somebody with cookies of their own. */
  async function visitor(
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<BrowserContext> {
    const context = await browser.newContext({ ...options, ignoreHTTPSErrors: true });
    contexts.push(context);
    return context;
  }

  async function open(context: BrowserContext, room = ''): Promise<Page> {
    const page = await context.newPage();
    await page.goto(demo.url + room);
    await shows(page, 'state', 'connected');
    return page;
  }

  /** Waits until the element has this text. */
  async function shows(page: Page, id: string, text: string | RegExp): Promise<void> {
    const matcher = typeof text === 'string' ? `:text-is(${JSON.stringify(text)})` : '';
    const found = page.locator(`#${id}${matcher}`);
    await (typeof text === 'string' ? found : found.filter({ hasText: text })).waitFor();
  }

  async function nameOf(page: Page): Promise<string> {
    await expect.poll(() => page.inputValue('#name'), PATIENCE).not.toBe('');
    return page.inputValue('#name');
  }

  async function say(page: Page, text: string): Promise<void> {
    await page.fill('#text', text);
    await page.press('#text', 'Enter');
  }

  /** What a WebSocket of the page, made by hand, sees when it sends this. */
  async function closeOf(page: Page, message: string): Promise<[number, string]> {
    return page.evaluate(
      `new Promise((resolve) => {
        const socket = new WebSocket(location.origin.replace('http', 'ws') + '/live/other');
        socket.onopen = () => socket.send(${message});
        socket.onclose = ({ code, reason }) => resolve([code, reason]);
      })`,
    );
  }

  it('counts 10,000 visits of /hello, 20 at a time, in both of two pages', async () => {
    const someone = await visitor();
    const pages = [await open(someone), await open(await visitor())];
    await Promise.all(pages.map((page) => shows(page, 'visits', '0')));
    const statuses = await visitHello(demo.url, 10_000, 20);
    expect(statuses).toEqual(new Map([[200, 10_000]]));
    await Promise.all(pages.map((page) => shows(page, 'visits', '10000')));
    // One more, by the button of a page and by a visit of another window.
    await pages[0]!.click('#hello');
    await Promise.all(pages.map((page) => shows(page, 'visits', '10001')));
    const hello = await someone.newPage();
    await hello.goto(`${demo.url}/hello`);
    expect(await hello.textContent('body')).toContain('This is visit 10002.');
    await Promise.all(pages.map((page) => shows(page, 'visits', '10002')));
  });

  it('keeps two rooms apart, and shows who is here, who is typing, and what was said', async () => {
    const ann = await open(await visitor(), '#lobby');
    const ben = await open(await visitor(), '#lobby');
    const cleo = await open(await visitor(), '#garden');
    for (const [page, name] of [
      [ann, 'Ann'] as const,
      [ben, 'Ben'] as const,
      [cleo, 'Cleo'] as const,
    ]) {
      await page.fill('#name', name);
      await page.press('#name', 'Enter');
    }
    await Promise.all([ann, ben].map((page) => shows(page, 'people', 'Ann, Ben')));
    await shows(cleo, 'people', 'Cleo');

    await ann.fill('#text', 'good mor');
    await shows(ben, 'typing', 'Ann is typing …');
    expect(await ann.textContent('#typing')).toBe('');
    await shows(ben, 'typing', '');
    await say(ann, 'good morning');
    await say(ben, '<b>and to you</b>');
    await say(cleo, 'nobody hears me');
    const said = ['good morning', '<b>and to you</b>'];
    for (const page of [ann, ben]) {
      await page.locator('#said li').nth(1).waitFor();
      expect(await page.locator('#said li p').allTextContents()).toEqual(said);
    }
    expect(await cleo.locator('#said li p').allTextContents()).toEqual(['nobody hears me']);

    await cleo.click('nav >> text=lobby');
    await Promise.all([ann, ben, cleo].map((page) => shows(page, 'people', 'Ann, Ben, Cleo')));
    expect(await cleo.locator('#said li p').allTextContents()).toEqual(said);
    await shows(cleo, 'last', 'It was closed with 1000.');
    await ben.close();
    await Promise.all([ann, cleo].map((page) => shows(page, 'people', 'Ann, Cleo')));
  });

  it('knows a visitor by the cookie of the page, in every window and room', async () => {
    const context = await visitor();
    const first = await open(context, '#lobby');
    const second = await open(context, '#garden');
    const stranger = await open(await visitor(), '#lobby');
    await Promise.all(
      [first, second].map((page) => shows(page, 'windows', 'You have 2 windows here.')),
    );
    await shows(stranger, 'windows', 'You have 1 window here.');
    const strangersName = await nameOf(stranger);
    await first.fill('#name', 'Nobody Else');
    await first.press('#name', 'Enter');
    await expect.poll(() => second.inputValue('#name'), PATIENCE).toBe('Nobody Else');
    await shows(stranger, 'people', /Nobody Else/);
    expect(await nameOf(stranger)).toBe(strangersName);
    const cookies = await context.cookies();
    expect(cookies).toMatchObject([
      { httpOnly: true, sameSite: 'Lax', secure: scheme === 'https' },
    ]);
    await second.close();
    await shows(first, 'windows', 'You have 1 window here.');
  });

  it('drops the connection, and makes a new one', async () => {
    const page = await open(await visitor());
    const name = await nameOf(page);
    await page.click('#drop');
    await shows(page, 'last', 'It was closed with 1006.');
    // By itself, or by the button where that is quicker.
    await page.locator('#reconnect').click({ timeout: 500 }).catch(ignoreTimeout);
    await shows(page, 'state', 'connected');
    expect(await nameOf(page)).toBe(name);
    await say(page, 'here again');
    await page.locator('#said li').first().waitFor();
    await shows(page, 'windows', 'You have 1 window here.');
  });

  it('carries what is drawn to the others in the room, and to those who come later', async () => {
    const [ann, ben] = [await open(await visitor()), await open(await visitor())];
    const garden = await open(await visitor(), '#garden');
    await ann.locator('#doodle').scrollIntoViewIfNeeded();
    const box = (await ann.locator('#doodle').boundingBox())!;
    await ann.mouse.move(box.x + box.width / 4, box.y + box.height / 2);
    await ann.mouse.down();
    await ann.mouse.move(box.x + (box.width * 3) / 4, box.y + box.height / 2, { steps: 5 });
    await ann.mouse.up();
    const ink = `(() => {
      const { data } = document.getElementById('doodle').getContext('2d').getImageData(500, 395, 200, 10);
      return data.filter((value, i) => i % 4 === 3 && value > 0).length;
    })()`;
    for (const page of [ann, ben, await open(await visitor())]) {
      await expect.poll(() => page.evaluate(ink), PATIENCE).toBeGreaterThan(1000);
    }
    expect(await garden.evaluate(ink)).toBe(0);
  });

  it('leads to the lobby where the address names no room', async () => {
    for (const name of ['#%', '#..', '#a/b', `#${'x'.repeat(41)}`, '#%00']) {
      const page = await open(await visitor(), name);
      await shows(page, 'room', 'lobby');
      expect(await page.locator('nav a[aria-current=true]').allTextContents()).toEqual(['lobby']);
    }
    await shows(await open(await visitor(), '#Gärten 2'), 'room', 'Gärten 2');
  });

  it('closes with the code that fits', async () => {
    const page = await open(await visitor());
    expect(await closeOf(page, `'no JSON'`)).toEqual([1008, 'not a message of this chat']);
    expect(await closeOf(page, `'null'`)).toEqual([1008, 'not a message of this chat']);
    expect(await closeOf(page, `'{"type":"__proto__"}'`)).toMatchObject([1008, {}]);
    expect(await closeOf(page, 'new Uint8Array(7)')).toEqual([1003, 'not strokes']);
    expect(await closeOf(page, `'x'.repeat(5000)`)).toMatchObject([1009, {}]);
    expect(await closeOf(page, `'{"type":"drop"}'`)).toEqual([1006, '']);
    // Nobody without the cookie, and nobody from a page of somebody else.
    await page.context().clearCookies();
    expect(await closeOf(page, `''`)).toEqual([1006, '']);
    const foreign = await (await visitor()).newPage();
    await foreign.goto('data:text/html,<title>foreign</title>');
    const url = `${demo.url.replace('http', 'ws')}/live/lobby`;
    const code: unknown = await foreign.evaluate(
      `new Promise((resolve) => { new WebSocket('${url}').onclose = ({ code }) => resolve(code); })`,
    );
    expect(code).toBe(1006);
  });

  it('tells the pages that it goes, and they find the next server', async () => {
    const pages = [await open(await visitor()), await open(await visitor(), '#garden')];
    for (const page of pages) {
      await page.evaluate(`new MutationObserver(() => {
        (window.seen ??= []).push(document.getElementById('state').textContent);
      }).observe(document.getElementById('state'), { childList: true })`);
    }
    await Promise.all([
      demo.stop(),
      ...pages.map((page) => shows(page, 'last', 'It was closed with 1001.')),
    ]);
    for (const page of pages) {
      expect(await page.evaluate('window.seen')).toContain('the server is going');
    }
    demo = await startDemo({ PORT: new URL(demo.url).port });
    await Promise.all(pages.map((page) => shows(page, 'state', 'connected')));
    // The new server has forgotten the cookies, and given new ones.
    await say(pages[0]!, 'welcome back');
    await pages[0]!.locator('#said li').first().waitFor();
  });

  it.each([
    { width: 320, height: 640, colorScheme: 'dark' as const },
    { width: 390, height: 844, colorScheme: 'light' as const },
    { width: 1440, height: 900, colorScheme: 'dark' as const },
  ])('fits a screen of $width pixels, $colorScheme', async ({ width, height, colorScheme }) => {
    const page = await open(await visitor({ viewport: { width, height }, colorScheme }));
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    const [red] = /\d+/.exec(
      await page.evaluate('getComputedStyle(document.documentElement).backgroundColor'),
    )!;
    expect(Number(red) < 128).toBe(colorScheme === 'dark');
    // Large enough for a thumb.
    const heights: number[] = await page.evaluate(
      `[...document.querySelectorAll('button, input')].map((element) => element.offsetHeight)`,
    );
    expect(Math.min(...heights)).toBeGreaterThanOrEqual(44);
  });

  it('has no page but its own, whatever is asked for', async () => {
    for (const path of ['/other', '//', '/%', '/../server.mjs', '/live/lobby']) {
      expect([path, await statusOf(demo.url, path)]).toEqual([path, 404]);
    }
    expect(await statusOf(demo.url, '/style.css?v=1')).toBe(200);
  });
});

function ignoreTimeout(error: unknown): void {
  if (!(error instanceof Error && error.name === 'TimeoutError')) throw error;
}

/** Asks for `path` exactly as it is written. */
function statusOf(url: string, path: string, agent?: http.Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const { protocol, port } = new URL(url);
    const options = { host: 'localhost', port, path, ca: CERTIFICATE, ...(agent && { agent }) };
    const done = (response: http.IncomingMessage): void => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    };
    (protocol === 'https:' ? https.get(options, done) : http.get(options, done)).once(
      'error',
      reject,
    );
  });
}

/** How many answers had which status. */
async function visitHello(
  url: string,
  visits: number,
  atATime: number,
): Promise<Map<number, number>> {
  const options = { keepAlive: true, maxSockets: atATime, ca: CERTIFICATE };
  const agent = url.startsWith('https') ? new https.Agent(options) : new http.Agent(options);
  const statuses = new Map<number, number>();
  let left = visits;
  const visit = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const status = await statusOf(url, '/hello', agent);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: atATime }, visit));
  agent.destroy();
  return statuses;
}
