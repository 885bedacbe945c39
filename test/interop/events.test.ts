/** Our `WebSocket` beside that of a browser: the same script, against the same server of others. */
import { createServer } from 'node:http';
import { WebSocket } from 'tautline';
import { beforeAll, describe, expect, it } from 'vitest';
import { HOSTS, type Host } from './hosts.ts';
import { type Page, listen, openChromium, openHere } from './page.ts';

const ours = await openHere(WebSocket);
const names = await ours.call('listScenarios');
if (!Array.isArray(names)) throw new TypeError('no list');
const scenarios: string[] = names.map(String);

let chromium: Page;
let host: Host;
/** A URL where nobody listens. */
let deaf: string;

beforeAll(async () => {
  chromium = await openChromium();
  // As long as we do not speak permessage-deflate.
  host = await HOSTS[0]!.start({ deflate: false });
  const nobody = createServer();
  deaf = `ws://127.0.0.1:${await listen(nobody)}`;
  nobody.close();
  return async () => {
    await chromium.stop();
    await host.stop();
  };
});

describe('our WebSocket sees what that of Chromium sees', () => {
  it.each(scenarios)('%s', async (name) => {
    const argument = { name, url: host.url, deaf };
    const theirs = await chromium.call('play', argument);
    expect(await ours.call('play', argument)).toEqual(theirs);
  });
});
