import { once } from 'node:events';
import { connect } from 'tautline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { launchChromium } from '../support/chromium.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { ExampleProcess } from './example-process.ts';
import { startNginx } from './nginx-process.ts';

const FILE = 'examples/behind-nginx.mjs';

/** The address of the echo, as seen from before nginx. */
const echoOf = (origin: string): string => `${origin.replace('http', 'ws')}/echo`;

describe('examples/behind-nginx.mjs, behind examples/nginx/nginx.conf', () => {
  it('echoes texts and bytes of 0 to 1 MiB, in order', async () => {
    const server = await ExampleProcess.start(FILE);
    const origin = await startNginx(server.port);
    const socket = await connect(echoOf(origin), { origin });
    const messages = socket[Symbol.asyncIterator]();
    for (const size of [0, 1, 125, 126, 65_535, 65_536, 1024 * 1024]) {
      // As many bytes of UTF-8.
      const text = 'é'.repeat(size / 2) + '.'.repeat(size % 2);
      const bytes = Buffer.alloc(size, 'bytes');
      socket.send(text);
      socket.send(bytes);
      expect((await messages.next()).value === text).toBe(true);
      const { value } = await messages.next();
      expect(Buffer.isBuffer(value) && value.equals(bytes)).toBe(true);
    }
    expect(await socket.close(4000)).toEqual({ code: 4000, reason: '', wasClean: true });
    expect(await server.stop()).toBe('0: ');
  });

  it('knows the client by what nginx says of it, and not by what it says itself', async () => {
    const server = await ExampleProcess.start(FILE);
    const origin = await startNginx(server.port);
    const headers = { 'X-Forwarded-For': '192.0.2.1', 'X-Forwarded-Proto': 'https' };
    await connect(echoOf(origin), { headers });
    expect(await server.printed(/^.* came by .*$/m)).toBe('127.0.0.1 came by http');
    expect(await server.stop()).toBe('0: ');
  });

  it('echoes to clients that come by TLS, and knows that they do', async () => {
    const server = await ExampleProcess.start(FILE);
    const tls = { key: KEY, cert: CERTIFICATE };
    const origin = await startNginx(server.port, {}, tls);
    const url = echoOf(origin).replace('127.0.0.1', 'localhost');
    const page = origin.replace('127.0.0.1', 'localhost');
    const socket = await connect(url, { origin: page, tls: { ca: CERTIFICATE } });
    expect(await server.printed(/^.* came by .*$/m)).toBe('127.0.0.1 came by https');
    const bytes = Buffer.alloc(1024 * 1024, 'bytes');
    socket.send(bytes);
    const [message] = await once(socket, 'message');
    expect(Buffer.isBuffer(message) && message.equals(bytes)).toBe(true);
    expect(await socket.close()).toMatchObject({ wasClean: true });
    // A page that anybody on the way may have changed.
    const insecure = connect(url, {
      origin: page.replace('https:', 'http:'),
      tls: { ca: CERTIFICATE },
    });
    await expect(insecure).rejects.toMatchObject({ status: 403 });
    expect(await server.stop()).toBe('0: ');
  });

  it('lets pages of the address of nginx in, and no others', async () => {
    const server = await ExampleProcess.start(FILE);
    const origin = await startNginx(server.port);
    const { port } = new URL(origin);
    for (const own of [origin, `https://127.0.0.1:${port}`]) {
      const socket = await connect(echoOf(origin), { origin: own });
      await socket.close();
    }
    const foreign = ['https://example.com', 'null', `http://localhost:${port}`];
    // These would get through if nginx did not pass Host on, or without its port.
    const likeHost = [`http://127.0.0.1:${server.port}`, 'http://tautline', 'http://127.0.0.1'];
    for (const other of [...foreign, ...likeHost]) {
      const refused = connect(echoOf(origin), { origin: other });
      await expect(refused).rejects.toMatchObject({ status: 403 });
    }
    expect(await server.stop()).toBe('0: ');
  });

  it('lets in the page of Chromium that nginx has served', async () => {
    const server = await ExampleProcess.start(FILE);
    const origin = await startNginx(server.port);
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
    const talk = `new Promise((resolve) => {
      const socket = new WebSocket('${echoOf(origin)}');
      socket.onopen = () => socket.send('from a page');
      socket.onmessage = ({ data }) => resolve(data);
      socket.onclose = ({ code }) => resolve(code);
    })`;
    const page = await browser.newPage();
    expect((await page.goto(`${origin}/nothing`))!.status()).toBe(426);
    expect(await page.evaluate(talk)).toBe('from a page');
    // The same server under another name is another origin.
    await page.goto(`${origin.replace('127.0.0.1', 'localhost')}/nothing`);
    expect(await page.evaluate(talk)).toBe(1006);
    expect(await server.stop()).toBe('0: ');
  });

  it('answers 426 to what is no upgrade, and 404 where no route is', async () => {
    const server = await ExampleProcess.start(FILE);
    const origin = await startNginx(server.port);
    const plain = await fetch(`${origin}/echo`);
    expect(plain.status).toBe(426);
    expect(await plain.text()).toMatch(/RFC 6455/);
    const lost = connect(new URL('/other', echoOf(origin)).href);
    await expect(lost).rejects.toMatchObject({ status: 404 });
    expect(await server.stop()).toBe('0: ');
  });

  it('tells clients by 1001 that it stops', async () => {
    const server = await ExampleProcess.start(FILE);
    const origin = await startNginx(server.port);
    const url = echoOf(origin);
    const sockets = await Promise.all([connect(url), connect(url), connect(url)]);
    expect(await server.stop()).toBe('0: ');
    for (const { closed } of sockets) {
      expect(await closed).toEqual({ code: 1001, reason: '', wasClean: true });
    }
    await expect(connect(url)).rejects.toMatchObject({ status: 502 });
  });

  it('keeps a silent connection by its Pings, which nginx would end', async () => {
    const changes = { 'proxy_read_timeout 75s;': 'proxy_read_timeout 2s;' };
    const [server, silent] = await Promise.all([
      ExampleProcess.start(FILE, { PING_INTERVAL: '500' }),
      ExampleProcess.start(FILE, { PING_INTERVAL: '0' }),
    ]);
    const [origin, other] = await Promise.all([
      startNginx(server.port, changes),
      startNginx(silent.port, changes),
    ]);
    const socket = await connect(echoOf(origin), { pingInterval: 0 });
    const cut = await connect(echoOf(other), { pingInterval: 0 });

    expect(await cut.closed).toMatchObject({ code: 1006, wasClean: false });
    // The next one comes after more than the timeout of nginx, whenever the first one did.
    for (let i = 0; i < 6; i++) await once(socket, 'ping');
    socket.send('still there?');
    expect(await once(socket, 'message')).toEqual(['still there?', false]);
    expect(await socket.close()).toMatchObject({ wasClean: true });
    expect(await Promise.all([server.stop(), silent.stop()])).toEqual(['0: ', '0: ']);
  });
});
