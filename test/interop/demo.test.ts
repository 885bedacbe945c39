import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import * as http from 'node:http';
import * as https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { type Socket, connect } from 'tautline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { launchChromium } from '../support/chromium.ts';
import { ServerProcess } from '../support/server-process.ts';

const READY = /^open (https?:\/\/localhost:[0-9]+) /m;
const PATIENCE = { timeout: 20_000 };
const FOLDER = mkdtempSync(join(tmpdir(), 'demo-'));
const SECURE = { KEY: join(FOLDER, 'key.pem'), CERT: join(FOLDER, 'cert.pem') };

let browser: Browser;

beforeAll(async () => {
  browser = await launchChromium();
  await writeFile(SECURE.KEY, KEY);
  await writeFile(SECURE.CERT, CERTIFICATE);
});

afterAll(async () => {
  await browser.close();
  await rm(FOLDER, { recursive: true });
});

let demo: ServerProcess;
const contexts: BrowserContext[] = [];
const pageErrors: unknown[] = [];

afterEach(async () => {
  await Promise.all(contexts.splice(0).map((context) => context.close()));
  expect(pageErrors.splice(0)).toEqual([]);
});

function startDemo(environment: Record<string, string> = {}): Promise<ServerProcess> {
  return ServerProcess.start(['npm', '-s', 'start'], READY, environment);
}

/** Somebody with cookies of their own. */
async function visitor(options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const context = await browser.newContext({ ...options, ignoreHTTPSErrors: true });
  contexts.push(context);
  return context;
}

async function open(context: BrowserContext, room = ''): Promise<Page> {
  const page = await context.newPage();
  page.on('pageerror', (error) => pageErrors.push(error));
  await page.goto(demo.url + room);
  await shows(page, 'state', 'connected');
  return page;
}

/** Waits until the element has this text, be it empty. */
async function shows(page: Page, id: string, text: string | RegExp): Promise<void> {
  const exactly = typeof text === 'string' ? `:text-is(${JSON.stringify(text)})` : '';
  const found = page.locator(`#${id}${exactly}`, typeof text === 'string' ? {} : { hasText: text });
  await found.waitFor({ state: 'attached' });
}

async function nameOf(page: Page): Promise<string> {
  await expect.poll(() => page.inputValue('#name'), PATIENCE).not.toBe('');
  return page.inputValue('#name');
}

async function rename(page: Page, name: string): Promise<void> {
  await nameOf(page); // Which must not come between the two steps of filling the field.
  await page.fill('#name', name);
  await page.press('#name', 'Enter');
}

async function say(page: Page, text: string): Promise<void> {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
}

/** Waits until this is all that was said. */
async function hears(page: Page, texts: readonly string[]): Promise<void> {
  await expect.poll(() => page.locator('#said li p').allTextContents(), PATIENCE).toEqual(texts);
}

/** What a WebSocket of the page, made by hand, sees when it sends this. */
async function closeOf(page: Page, message: string): Promise<[number, string]> {
  return page.evaluate(
    `new Promise((resolve) => {
      const socket = new WebSocket('${demo.url.replace('http', 'ws')}/live/other');
      socket.onopen = () => socket.send(${message});
      socket.onclose = ({ code, reason }) => resolve([code, reason]);
    })`,
  );
}

describe.each(['http', 'https'])('npm start, by %s', (scheme) => {
  const environment: Record<string, string> = scheme === 'https' ? SECURE : {};

  beforeEach(async () => {
    demo = await startDemo(environment);
  });

  afterEach(() => demo.stop());

  it('counts 10,000 visits of /hello, 20 at a time, in both of two pages', async () => {
    const someone = await visitor();
    const pages = [await open(someone), await open(await visitor())];
    await Promise.all(pages.map((page) => shows(page, 'visits', '0')));
    expect(await visitHello(demo.url, 10_000, 20)).toBe(10_000);
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
    await rename(ann, 'Ann');
    await rename(ben, 'Ben');
    await rename(cleo, 'Cleo');
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
    await Promise.all([ann, ben].map((page) => hears(page, said)));
    await hears(cleo, ['nobody hears me']);

    await cleo.fill('#text', 'for the garden');
    await cleo.click('nav >> text=lobby');
    await Promise.all([ann, ben, cleo].map((page) => shows(page, 'people', 'Ann, Ben, Cleo')));
    await hears(cleo, said);
    expect(await cleo.inputValue('#text')).toBe('');
    await shows(cleo, 'last', 'It was closed with 1000: it was not needed any more.');
    await ben.close();
    await Promise.all([ann, cleo].map((page) => shows(page, 'people', 'Ann, Cleo')));
    // What was begun to be written stays in its room.
    await cleo.goBack();
    await shows(cleo, 'room', 'garden');
    expect(await cleo.inputValue('#text')).toBe('for the garden');
    await shows(ann, 'people', 'Ann');
  });

  it('knows a visitor by the cookie of the page, in every window and room', async () => {
    const context = await visitor();
    const first = await open(context, '#lobby');
    const second = await open(context, '#garden');
    const stranger = await open(await visitor(), '#lobby');
    await Promise.all([first, second].map((page) => shows(page, 'windows', '2 windows')));
    await shows(stranger, 'windows', '1 window');
    const strangersName = await nameOf(stranger);
    await rename(first, 'Nobody Else');
    await expect.poll(() => second.inputValue('#name'), PATIENCE).toBe('Nobody Else');
    await shows(stranger, 'people', /Nobody Else/);
    expect(await nameOf(stranger)).toBe(strangersName);
    const [cookie] = await context.cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Lax', secure: scheme === 'https' });
    await second.close();
    await shows(first, 'windows', '1 window');
  });

  it('drops the connection, and makes a new one, in a room that is as it was', async () => {
    const context = await visitor();
    // So that no new attempt is made but by the button.
    await context.addInitScript(`
      const later = setTimeout;
      globalThis.setTimeout = (call, delay) => (delay > 400 ? 0 : later(call, delay));
    `);
    const page = await open(context);
    const name = await nameOf(page);
    await say(page, 'before');
    await hears(page, ['before']);
    await page.focus('#drop');
    await page.keyboard.press('Enter');
    await shows(page, 'last', 'It was closed with 1006: the connection broke off.');
    await shows(page, 'state', 'connection lost');
    await shows(page, 'next', /^The next attempt is in [0-9]+ s\.$/);
    // Who has the focus there keeps it, though the button does nothing now.
    expect(await page.evaluate('document.activeElement.id')).toBe('drop');
    await page.click('#reconnect');
    await shows(page, 'state', 'connected');
    await shows(page, 'next', '');
    expect(await nameOf(page)).toBe(name);
    await say(page, 'after');
    await hears(page, ['before', 'after']);
    await shows(page, 'windows', '1 window');
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
    await page.goto('data:text/html,<title>foreign</title>');
    expect(await closeOf(page, `''`)).toEqual([1006, '']);
  });

  it('tells the pages that it goes, and they find the next server', async () => {
    const pages = [await open(await visitor()), await open(await visitor(), '#garden')] as const;
    for (const page of pages) {
      await page.evaluate(`new MutationObserver(() => {
        (window.seen ??= []).push(document.getElementById('state').textContent);
      }).observe(document.getElementById('state'), { childList: true })`);
    }
    await demo.stop();
    for (const page of pages) {
      await shows(page, 'state', 'server stopped');
      await shows(page, 'last', 'It was closed with 1001: the server has stopped.');
      await shows(page, 'people', '–');
      expect(await page.evaluate('window.seen')).toContain('server stopping');
    }
    // What cannot be done now is said, and nothing that was written is lost.
    const [page] = pages;
    await page.click('#hello');
    await shows(page, 'note', 'The server does not answer.');
    await rename(page, 'Later');
    await shows(page, 'note', /^Not renamed, /);
    await page.locator('#doodle').click();
    await shows(page, 'note', /nobody would see it/);
    await say(page, 'welcome back');
    await shows(page, 'note', /^Not sent, /);

    demo = await startDemo({ ...environment, PORT: new URL(demo.url).port });
    await Promise.all(pages.map((each) => shows(each, 'state', 'connected')));
    // The failed attempts in between have closed nothing.
    await shows(page, 'last', 'It was closed with 1001: the server has stopped.');
    expect(await page.inputValue('#name')).toBe('Later');
    // The new server has forgotten the cookies, and given new ones.
    await page.press('#text', 'Enter');
    await hears(page, ['welcome back']);
  });
});

describe('the demo', () => {
  beforeAll(async () => {
    demo = await startDemo();
  });

  afterAll(() => demo.stop());

  it('tells a room what has changed, and gathers what changes often', async () => {
    const [ann, ben] = [await enter('crowd'), await enter('crowd')];
    const changes = (): unknown[] => of(ann.news, 'people').flatMap(({ people }) => people);
    await expect.poll(changes, PATIENCE).toHaveLength(2);
    await expect.poll(() => of(ben.news, 'you'), PATIENCE).toHaveLength(1);
    const { id } = of(ben.news, 'you')[0]!;
    ann.news.length = 0;
    for (let i = 0; i < 2000; i++) {
      ben.socket.send(JSON.stringify({ type: 'typing', isTyping: i % 2 === 0 }));
      ben.socket.send(JSON.stringify({ type: 'rename', name: `Ben ${i}` }));
    }
    ben.socket.send(JSON.stringify({ type: 'typing', isTyping: true }));
    const last = { id, name: 'Ben 1999', isHere: true, isTyping: true };
    await expect.poll(() => changes().at(-1), PATIENCE).toEqual(last);
    expect(ann.news.length).toBeLessThan(1000);
    await ben.socket.close(1000);
    const gone = { ...last, isHere: false, isTyping: false };
    await expect.poll(() => changes().at(-1), PATIENCE).toEqual(gone);
    for (const { people } of of(ann.news, 'people')) expect(people).toMatchObject([{ id }]);
  });

  it('keeps what was said and drawn last, also in the rooms that were left last', async () => {
    const [first, second] = [await enter('first'), await enter('second')];
    for (let i = 0; i < 60; i++) second.socket.send(JSON.stringify({ type: 'say', text: `${i}` }));
    for (let i = 0; i < 11; i++) second.socket.send(new Uint8Array(4000).fill(i));
    // What was drawn is not sent back: this is answered after it.
    for (const { socket } of [first, second]) socket.send('{"type":"say","text":"60"}');
    await expect.poll(() => of(first.news, 'said'), PATIENCE).toHaveLength(1);
    await expect.poll(() => of(second.news, 'said'), PATIENCE).toHaveLength(61);
    await first.socket.close(1000);
    for (let i = 0; i < 110; i++) await (await enter(`other ${i}`)).socket.close(1000);
    await second.socket.close(1000);

    const again = await enter('second');
    const said = of(again.news, 'room')[0]!.said.map(({ text }) => text);
    expect(said).toEqual(Array.from({ length: 50 }, (_, i) => `${i + 11}`));
    await expect.poll(() => of(again.news, 'strokes'), PATIENCE).toHaveLength(1);
    const strokes = of(again.news, 'strokes')[0]!.message;
    expect([strokes.length, strokes[0]]).toEqual([40_000, 1]);
    const forgotten = await enter('first');
    expect(of(forgotten.news, 'room')[0]!.said).toEqual([]);
  });

  it('leads to the lobby where the address names no room, and says so', async () => {
    const context = await visitor();
    const names = ['%', '..', 'a/b', 'x'.repeat(41), '%00', '%20', 'a\u202eb', '\u200b', '\u3164'];
    for (const name of names) {
      const page = await open(context, `#${name}`);
      await shows(page, 'room', 'lobby');
      await shows(page, 'no-room', /so this is the lobby/);
      expect(await page.locator('nav a[aria-current=true]').allTextContents()).toEqual(['lobby']);
      await page.close();
    }
    const page = await open(context, '#Gärten 2');
    await shows(page, 'room', 'Gärten 2');
    await shows(page, 'no-room', '');
    for (const name of ['%2E%2E', 'x'.repeat(41), 'a%E2%80%AEb', '%E2%80%8B']) {
      await expect(enter(name)).rejects.toMatchObject({ status: 404 });
    }
  });

  it('takes no name and no text that cannot be seen', async () => {
    const page = await open(await visitor(), '#names');
    const name = await nameOf(page);
    await rename(page, '\u200b\u202e');
    await shows(page, 'note', 'A name needs something that can be seen.');
    await shows(page, 'you', name);
    await rename(page, ' Zo\u200bë\u202e  \u0007X ');
    await shows(page, 'you', 'Zoë X');
    await expect.poll(() => page.inputValue('#name'), PATIENCE).toBe('Zoë X');
    await say(page, '\u200b');
    await say(page, 'seen');
    await hears(page, ['seen']);
    await shows(page, 'last', 'It has not been closed so far.');
    for (const order of ['{"type":"rename","name":"\u200b"}', '{"type":"say","text":"\u200b"}']) {
      const { socket } = await enter('names');
      socket.send(order);
      expect(await socket.closed).toMatchObject({ code: 1008 });
    }
  });

  it('tells somebody who is alone what to do', async () => {
    const context = await visitor();
    const page = await open(context, '#corner');
    await page.locator('#alone').waitFor();
    await page.locator('.sheet p').waitFor();
    const hint = `getComputedStyle(document.getElementById('said'), '::before').content`;
    expect(await page.evaluate(hint)).toContain('Nobody has said anything here yet.');
    const [second] = await Promise.all([context.waitForEvent('page'), page.click('#second')]);
    await shows(second, 'room', 'corner');
    await shows(second, 'state', 'connected');
    await page.locator('#alone').waitFor({ state: 'hidden' });
    await second.getByRole('img', { name: /^A sheet/ }).click();
    await page.locator('.sheet p').waitFor({ state: 'hidden' });
    await say(second, 'here');
    await hears(page, ['here']);
    expect(await page.evaluate(hint)).toBe('none');
  });

  it.each([
    { width: 320, height: 640, colorScheme: 'dark' as const },
    { width: 390, height: 844, colorScheme: 'light' as const },
    { width: 1440, height: 900, colorScheme: 'dark' as const },
  ])('fits a screen of $width pixels, $colorScheme', async ({ width, height, colorScheme }) => {
    const context = await visitor({ viewport: { width, height }, colorScheme });
    const page = await open(context, `#${'W'.repeat(36)}${width}`);
    await rename(page, 'W'.repeat(30));
    await shows(page, 'people', /W{30}/);
    const pageHeight = await page.evaluate('document.documentElement.scrollHeight');
    for (let i = 0; i < 20; i++) await say(page, 'W'.repeat(100));
    await page.locator('#said li').nth(19).waitFor();
    await shows(page, 'typing', '');
    // The list scrolls, and shows its end; the page stays as it is.
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    expect(await page.evaluate('document.documentElement.scrollHeight')).toBe(pageHeight);
    const below = `(({ scrollHeight, scrollTop, clientHeight }) =>
      scrollTop > 0 && scrollHeight - scrollTop - clientHeight)(document.getElementById('said'))`;
    expect(await page.evaluate(below)).toBeLessThan(2);
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

  it('counts as a visit what asks for /hello, and not for its head alone', async () => {
    const hello = `${demo.url}/hello`;
    const visit = async (): Promise<number> =>
      Number(/^Hello! This is visit ([0-9]+)\.\n$/.exec(await (await fetch(hello)).text())![1]);
    const before = await visit();
    const head = await fetch(hello, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/plain']);
    expect((await fetch(hello, { method: 'POST' })).status).toBe(405);
    expect(await visit()).toBe(before + 1);
  });

  it('has no page but its own, whatever is asked for', async () => {
    for (const path of ['/other', '//', '/%', '/../server.mjs', '/live/lobby']) {
      expect([path, await statusOf(demo.url, path)]).toEqual([path, 404]);
    }
    expect(await statusOf(demo.url, '/style.css?v=1')).toBe(200);
  });

  it('says in one line which of its settings cannot be', async () => {
    for (const [environment, line] of [
      [{ PORT: 'abc' }, /^PORT is a number from 0 to 65535, and not "abc"\n$/],
      [{ PORT: '65536' }, /^PORT is a number from 0 to 65535, and not "65536"\n$/],
      [{ KEY: SECURE.KEY }, /^https needs both KEY and CERT.*\n$/],
      [{ KEY: '/none', CERT: SECURE.CERT }, /^KEY and CERT are no key .* ENOENT.*\n$/],
      [{ KEY: SECURE.KEY, CERT: SECURE.KEY }, /^KEY and CERT are no key and .*\n$/],
      [{ PORT: new URL(demo.url).port }, /^cannot listen on port [0-9]+: .*EADDRINUSE.*\n$/],
    ] as const) {
      const env = { ...process.env, PORT: '0', ...environment };
      const run = promisify(execFile)(process.execPath, ['examples/demo/server.mjs'], { env });
      await expect(run).rejects.toMatchObject({ code: 1, stderr: expect.stringMatching(line) });
    }
  });
});

/** A visitor without a page, and all that the server tells them. */
async function enter(room: string): Promise<{ socket: Socket; news: News[] }> {
  const [cookie] = (await fetch(`${demo.url}/visitor`)).headers.getSetCookie();
  const socket = await connect(`${demo.url.replace('http', 'ws')}/live/${room}`, {
    headers: { Cookie: cookie!.split(';')[0]! },
  });
  const news: News[] = [];
  socket.on('message', (message) => {
    news.push(typeof message === 'string' ? JSON.parse(message) : { type: 'strokes', message });
  });
  await expect.poll(() => of(news, 'room'), PATIENCE).toHaveLength(1);
  return { socket, news };
}

/** Something that the server tells; which fields it has depends on its type. */
interface News {
  readonly type: string;
  readonly id: string;
  readonly people: readonly unknown[];
  readonly said: readonly { readonly text: string }[];
  readonly message: Uint8Array;
}

function of(news: readonly News[], type: string): News[] {
  return news.filter((each) => each.type === type);
}

/** Asks for `path` exactly as it is written. */
function statusOf(url: string, path: string, agent?: http.Agent): Promise<number> {
  const { protocol, port } = new URL(url);
  const get: typeof https.get = protocol === 'https:' ? https.get : http.get;
  const options = { host: 'localhost', port, path, ca: CERTIFICATE, ...(agent && { agent }) };
  return new Promise((resolve, reject) => {
    const done = (response: http.IncomingMessage): void => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    };
    get(options, done).once('error', reject);
  });
}

/** How many visits were answered with 200. */
async function visitHello(url: string, visits: number, atATime: number): Promise<number> {
  const { Agent } = url.startsWith('https') ? https : http;
  const agent = new Agent({ keepAlive: true, maxSockets: atATime });
  let [begun, answered] = [0, 0];
  const visit = async (): Promise<void> => {
    while (begun < visits) {
      begun += 1;
      if ((await statusOf(url, '/hello', agent)) === 200) answered += 1;
    }
  };
  await Promise.all(Array.from({ length: atATime }, visit));
  agent.destroy();
  return answered;
}
