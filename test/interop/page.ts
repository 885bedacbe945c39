/** Scripts for pages: run in Chromium, or in this process with a `WebSocket` that they are given. */
import { readFile } from 'node:fs/promises';
import { type Server, createServer } from 'node:http';
import { compileFunction } from 'node:vm';
import { launchChromium } from '../support/chromium.ts';
import { portOf } from '../support/loopback.ts';

/** The scripts beside this file that a page has. */
const SCRIPTS = [new URL('page.js', import.meta.url), new URL('events.js', import.meta.url)];

export interface Page {
  /** Calls a function of the scripts. What goes in and comes out is what `JSON` can say. */
  call(name: string, argument?: object): Promise<unknown>;
  stop(): Promise<void>;
}

/** The scripts, with this `WebSocket`. */
export async function openHere(implementation: unknown): Promise<Page> {
  const global: { inPage: Readonly<Record<string, unknown>> } = { inPage: {} };
  for (const script of SCRIPTS) {
    const source = await readFile(script, 'utf8');
    const run = compileFunction(source, ['globalThis', 'WebSocket'], { filename: script.href });
    Reflect.apply(run, undefined, [global, implementation]);
  }
  return {
    async call(name, argument = {}) {
      const called = global.inPage[name];
      if (typeof called !== 'function') throw new TypeError(`there is no ${name}`);
      const result: unknown = await Reflect.apply(called, undefined, [argument]);
      return result;
    },
    stop: async () => {},
  };
}

/** The scripts in a page of Chromium, whose origin is none of the servers'. It trusts everybody. */
export async function openChromium(): Promise<Page> {
  const site = createServer((request, response) => {
    const script = SCRIPTS.find((_, i) => request.url === `/${i}.js`);
    if (script === undefined) {
      const tags = SCRIPTS.map((_, i) => `<script src=/${i}.js></script>`).join('');
      response.setHeader('Content-Type', 'text/html; charset=utf-8');
      response.end(`<!doctype html><title>A page</title>${tags}`);
      return;
    }
    response.setHeader('Content-Type', 'text/javascript; charset=utf-8');
    readFile(script).then(
      (source) => response.end(source),
      () => response.destroy(),
    );
  });
  const home = `http://127.0.0.1:${await listen(site)}/`;
  const browser = await launchChromium();
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto(home);
  return {
    async call(name, argument = {}) {
      const result: unknown = await page.evaluate(`inPage.${name}(${JSON.stringify(argument)})`);
      return result;
    },
    async stop() {
      await browser.close();
      site.closeAllConnections();
      site.close();
    },
  };
}

/** Lets a server listen on a port of this machine, which is returned. */
export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return portOf(server);
}
