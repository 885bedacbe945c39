import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { launchChromium } from '../support/chromium.ts';
import { ExampleProcess, PATIENT } from './example-process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The example as somebody has it who has installed the packages: in a folder of its own. */
async function copyExample(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tautline-express-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await cp(join(ROOT, 'examples/express'), folder, { recursive: true });
  await cp(join(ROOT, 'package.json'), join(folder, 'node_modules/tautline/package.json'));
  await symlink(join(ROOT, 'dist'), join(folder, 'node_modules/tautline/dist'));
  for (const name of ['express', 'vite']) {
    await symlink(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  }
  return folder;
}

/** The token that Vite gives to its own pages. */
async function readToken(server: ExampleProcess): Promise<string> {
  const script = await (await fetch(new URL('/@vite/client', server.url))).text();
  return /const wsToken = "([^"]+)"/.exec(script)![1]!;
}

describe('examples/express/server.mjs', () => {
  it('serves the page by Vite, and what is not there as Express does', async () => {
    const server = await ExampleProcess.start('examples/express/server.mjs');
    const page = await fetch(server.url);
    expect(page.status).toBe(200);
    expect(await page.text()).toMatch(/<script type="module" src="\/@vite\/client">/);
    const other = await fetch(new URL('/other.json', server.url), { method: 'POST' });
    expect(other.status).toBe(404);
    expect(await server.stop()).toBe('0: ');
  });

  it('lets Vite decide who is told of changes', async () => {
    const server = await ExampleProcess.start('examples/express/server.mjs');
    const { origin } = new URL(server.url);
    const token = await readToken(server);
    const page = new WebSocket(server.at(`/?token=${token}`), 'vite-hmr', { origin });
    const [text]: unknown[] = await once(page, 'message');
    expect(JSON.parse(String(text))).toEqual({ type: 'connected' });
    expect(page.protocol).toBe('vite-hmr');

    const guessing = new WebSocket(server.at('/?token=guessed'), 'vite-hmr', { origin });
    const [, answer]: unknown[] = await once(guessing, 'unexpected-response');
    expect(answer).toMatchObject({ statusCode: 400 });

    const ended = once(page, 'close');
    expect(await server.stop()).toBe('0: ');
    await ended;
  });

  it('shows a page of Chromium its answers and each change of its file', async () => {
    const folder = await copyExample();
    const server = await ExampleProcess.start(join(folder, 'server.mjs'));
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
    const page = await browser.newPage();
    const opened: string[] = [];
    const isThere = Promise.all([page.waitForEvent('websocket'), page.goto(server.url)]);
    page.on('websocket', (socket) => opened.push(new URL(socket.url()).pathname));
    await isThere;
    await page.locator('#answer:text-is("Ann: hello")').waitFor();
    await expect.poll(() => opened.toSorted(), PATIENT).toEqual(['/', '/echo']);

    const file = join(folder, 'index.html');
    await writeFile(file, (await readFile(file, 'utf8')).replace('Change me', 'Changed'));
    await page.locator('h1:text-is("Changed")').waitFor();
    await page.locator('#answer:text-is("Ann: hello")').waitFor();
    await expect.poll(() => opened.toSorted(), PATIENT).toEqual(['/', '/', '/echo', '/echo']);

    // While the page is open, and both of its WebSockets are.
    expect(await server.stop()).toBe('0: ');
  });
});
