/** Our `WebSocket`, run by the scripts that pages run, with the servers of others. */
import { WebSocket } from 'tautline';
import { beforeAll, describe, expect, it } from 'vitest';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { HOSTS, type Host, order } from './hosts.ts';
import { type Page, openHere } from './page.ts';
import { BINARY_SIZES, CLOSES, HUNDRED, TEXTS } from './samples.ts';

const HEADERS = { Cookie: 'session=a1', 'X-Test': 'one' };

/** With what browsers do not have. */
class FittedWebSocket extends WebSocket {
  constructor(url: string, protocols: string | string[] = []) {
    super(url, protocols, { headers: HEADERS, tls: { ca: CERTIFICATE } });
  }
}

let page: Page;
let count = 0;

beforeAll(async () => {
  page = await openHere(FittedWebSocket);
});

describe.each(HOSTS)('our WebSocket with $name', (kind) => {
  let host: Host;

  beforeAll(async () => {
    host = await kind.start();
    return () => host.stop();
  });

  it('gets texts, arrays and Blobs back', async () => {
    const { url } = host;
    expect(await page.call('describe', { url })).toEqual({
      readyState: 1,
      protocol: '',
      extensions: expect.stringMatching(/^permessage-deflate/),
    });
    expect(await page.call('echoTexts', { url, texts: TEXTS })).toEqual(TEXTS);
    expect(await page.call('echoTexts', { url, texts: HUNDRED })).toEqual(HUNDRED);
    const sizes = [1, ...BINARY_SIZES];
    expect(await page.call('echoArrays', { url, sizes })).toEqual(sizes);
    expect(await page.call('echoBlobs', { url, sizes })).toEqual(sizes);
  });

  it('tells its code and its reason', async () => {
    for (const args of CLOSES) {
      const path = `/${count++}`;
      expect(await page.call('close', { url: host.url + path, args })).toMatchObject({
        code: kind.answersWith ?? args[0],
        wasClean: true,
      });
      expect(await host.closeOf(path)).toEqual(args);
    }
  });

  it('is told a code and a reason', async () => {
    expect(await page.call('play', { name: 'closed by the server', url: host.url })).toEqual([
      'new: state 0, "", "", blob',
      expect.stringMatching(/^Event open: state 1, "", "permessage-deflate/),
      `MessageEvent message: state 1, the text "the last" from ${host.url}, "", true, 0 ports`,
      'CloseEvent close: state 3, 4321 "genug für heute" clean',
    ]);
  });

  it('sees 1006 where the server leaves without a Close', async () => {
    expect(await page.call('play', { name: 'left by the server', url: host.url })).toEqual([
      'new: state 0, "", "", blob',
      expect.stringMatching(/^Event open: state 1, "", "permessage-deflate/),
      'CloseEvent close: state 3, 1006 "" unclean',
      'waiting 0',
    ]);
  });

  it('does not open where it is refused', async () => {
    expect(await page.call('play', { name: 'a refusal', url: host.url })).toEqual([
      'new: state 0, "", "", blob',
      'Event error: state 3',
      'CloseEvent close: state 3, 1006 "" unclean',
    ]);
  });

  it('opens with a subprotocol that is spoken, and with none does not', async () => {
    const spoken = await page.call('play', { name: 'a subprotocol that is spoken', url: host.url });
    expect(spoken).toContainEqual(
      expect.stringMatching(/^Event open: state 1, "chat.v2", "permessage-deflate/),
    );
    const none = await page.call('play', { name: 'no subprotocol that is spoken', url: host.url });
    expect(none).toContain('CloseEvent close: state 3, 1006 "" unclean');
  });

  it('sends the header fields of its options', async () => {
    const socket = new FittedWebSocket(host.url);
    const text = await new Promise<unknown>((resolve, reject) => {
      socket.addEventListener('open', () => socket.send(order({ do: 'describe' })));
      socket.addEventListener('message', ({ data }) => resolve(data));
      socket.addEventListener('close', reject);
    });
    socket.close();
    expect(JSON.parse(String(text))).toMatchObject({
      headers: { cookie: 'session=a1', 'x-test': 'one' },
    });
  });
});

describe.each(HOSTS)('our WebSocket with $name over TLS', (kind) => {
  it('gets messages back, and closes', async () => {
    const host = await kind.start({ tls: { key: KEY, cert: CERTIFICATE } });
    const { url } = host;
    const sizes = [1, ...BINARY_SIZES];
    expect(await page.call('echoArrays', { url, sizes })).toEqual(sizes);
    expect(await page.call('close', { url, args: [4000] })).toMatchObject({ wasClean: true });
    await host.stop();
  });

  it('trusts nobody unless it is told to', async () => {
    const host = await kind.start({ tls: { key: KEY, cert: CERTIFICATE } });
    const distrustful = await openHere(WebSocket);
    expect(await distrustful.call('watch', { url: host.url })).toEqual([
      'new: state 0, "", "", blob',
      'Event error: state 3',
      'CloseEvent close: state 3, 1006 "" unclean',
    ]);
    await host.stop();
  });
});
