import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ConformCase } from '../../src/conform/case.ts';
import { CASES } from '../../src/conform/cases/all.ts';
import type { Extension } from '../../src/conform/extension.ts';
import { addressOf, type ClientRun, testServer } from '../../src/conform/fuzz-client.ts';
import type { CaseResult } from '../../src/conform/result.ts';
import { selectCases } from '../../src/conform/select.ts';
import { CERTIFICATE } from '../support/certificate.ts';
import { findCase, REAL } from '../support/conform-judge.ts';
import { startEchoServer } from '../support/conform-servers.ts';

const HELLO = findCase(CASES, '1.1.2');

function run(url: URL, options: Partial<ClientRun> = {}): Promise<CaseResult[]> {
  return testServer({ url, agent: 'echo', cases: [HELLO], settings: REAL, ...options });
}

describe('testing a server', () => {
  it('runs the cases in order, and says so of each', async () => {
    const { url } = await startEchoServer();
    const cases = selectCases(CASES, '1.1.*,2.*,7.3.*');
    const seen: CaseResult[] = [];
    const results = await run(url, { cases, onResult: (result) => seen.push(result) });
    expect(results.map(({ id }) => id)).toEqual(cases.map(({ id }) => id));
    expect(seen).toEqual(results);
    for (const { behavior, behaviorClose, agent } of results) {
      expect([behavior, behaviorClose, agent]).toEqual(['OK', 'OK', 'echo']);
    }
  });

  it('asks for the path and the query of the URL, with the host', async () => {
    const { url } = await startEchoServer();
    const [result] = await run(new URL('/some/path?and=query', url));
    const [request, response] = result!.log.handshake;
    expect(request).toMatch(/^GET \/some\/path\?and=query HTTP\/1\.1\r\n/);
    expect(request).toContain(`\r\nHost: ${url.host}\r\n`);
    expect(request).not.toContain('Sec-WebSocket-Extensions');
    expect(response).toMatch(/^HTTP\/1\.1 101 /);
  });

  it('speaks TLS, and looks at the certificate', async () => {
    const { url } = await startEchoServer({ isSecure: true });
    const [trusted] = await run(url, { ca: CERTIFICATE });
    expect(trusted?.behavior).toBe('OK');
    const [careless] = await run(url, { isInsecure: true });
    expect(careless?.behavior).toBe('OK');
    const [refused] = await run(url);
    expect(refused).toMatchObject({ behavior: 'FAILED', ending: undefined });
    expect(refused?.sentence).toMatch(/^The connection did not open: .*self-signed certificate/);
    const [named] = await run(new URL(`wss://localhost:${url.port}`), { ca: CERTIFICATE });
    expect(named?.behavior).toBe('OK');
  });

  it('fails the case where the opening handshake is wrong', async () => {
    const { url } = await startEchoServer({
      respond: (response) => response.replace('Accept: ', 'Accept: x'),
    });
    const [result] = await run(url);
    expect(result).toMatchObject({ behavior: 'FAILED', behaviorClose: 'FAILED' });
    expect(result?.sentence).toContain('Sec-WebSocket-Accept');
    expect(result?.log.handshake).toHaveLength(2);
  });

  it('gives a server up that is gone, and looks once more for each case', async () => {
    const { url } = await startEchoServer({ limit: 2 });
    const cases = selectCases(CASES, '1.1.*,1.2.1');
    const results = await run(url, { cases, settings: { ...REAL, second: 20 } });
    expect(results.map(({ behavior }) => behavior)).toEqual([
      'OK',
      'OK',
      ...Array.from({ length: 7 }, () => 'FAILED'),
    ]);
    for (const { sentence } of results.slice(2)) expect(sentence).toMatch(/ECONNREFUSED/);
  });

  it('waits for a server that is started again', async () => {
    const { url, port } = await startEchoServer({ limit: 2 });
    const cases = selectCases(CASES, '1.1.*');
    let restarting: Promise<unknown> | undefined;
    const onResult = ({ id }: CaseResult): void => {
      if (id === '1.1.2') restarting = delay(300).then(() => startEchoServer({ port }));
    };
    const results = await run(url, { cases, onResult });
    await restarting;
    expect(results.map(({ behavior }) => behavior)).toEqual(cases.map(() => 'OK'));
  });

  it('comes back to a server that was given up, for what is left', async () => {
    const { url, port } = await startEchoServer({ limit: 1 });
    const cases = selectCases(CASES, '1.1.*');
    let restarting: Promise<unknown> | undefined;
    const results = await run(url, {
      cases,
      settings: { ...REAL, second: 200 },
      onResult: ({ id, behavior }) => {
        if (behavior === 'FAILED') restarting ??= startEchoServer({ port });
        else expect(id).not.toBe('1.1.2');
      },
    });
    await restarting;
    expect(results[1]?.sentence).toMatch(/ECONNREFUSED/);
    expect(results.at(-1)?.behavior).toBe('OK');
  });

  it('does not try again where nobody ever was', async () => {
    const server = await startEchoServer();
    server.close();
    const results = await run(server.url, { cases: selectCases(CASES, '1.1') });
    expect(results[0]?.sentence).toMatch(/ECONNREFUSED/);
    expect(results[7]?.sentence).toBe(
      'The connection did not open: not tried, as there is no server',
    );
  });

  it('takes a server that refuses many handshakes for what it is: there', async () => {
    let count = 0;
    const { url } = await startEchoServer({
      respond: (response) => (++count > 6 ? response : response.replace('101', '503')),
    });
    const results = await run(url, { cases: selectCases(CASES, '1.1') });
    expect(results.map(({ behavior }) => behavior)).toEqual([
      ...Array.from({ length: 6 }, () => 'FAILED'),
      'OK',
      'OK',
    ]);
  });

  it('does not wait for ever for an answer', async () => {
    const { url } = await startEchoServer({ respond: () => '' });
    const [result] = await run(url, { settings: { second: 2, messages: 1 } });
    expect(result?.sentence).toMatch(/in time$/);
  });

  it('does not wait for ever for TCP', async () => {
    const { port } = await startEchoServer();
    const url = new URL(`wss://127.0.0.1:${port}`);
    const [result] = await run(url, { settings: { second: 2, messages: 1 } });
    expect(result?.sentence).toContain('TCP was not there in time');
  });

  it('ends between two cases when it is told to', async () => {
    const { url } = await startEchoServer();
    const controller = new AbortController();
    const results = await run(url, {
      cases: selectCases(CASES, '1.1'),
      signal: controller.signal,
      onResult: () => controller.abort(),
    });
    expect(results).toHaveLength(1);
  });

  it.each([
    ['is not answered', { respond: () => '' }],
    ['is not ended', { flaw: 'does nothing at all' }],
  ] as const)('ends within a case that %s', async (_what, options) => {
    const { url } = await startEchoServer(options);
    const controller = new AbortController();
    const running = run(url, { signal: controller.signal });
    await delay(50);
    controller.abort();
    expect(await running).toEqual([]);
  });
});

describe('the address in a URL', () => {
  it.each([
    ['ws://example.com/path', false, 'example.com', 80],
    ['wss://example.com', true, 'example.com', 443],
    ['wss://127.0.0.1:9001', true, '127.0.0.1', 9001],
    ['ws://[::1]:9001', false, '::1', 9001],
  ])('%s', (url, isSecure, host, port) => {
    expect(addressOf(new URL(url))).toEqual({ isSecure, host, port });
  });
});

describe('negotiating with a server', () => {
  const coder = {
    encode: (payload: Buffer) => Promise.resolve(payload),
    decode: (payload: Buffer) => Promise.resolve(payload),
    close: () => {},
  };
  const extension: Extension = {
    offer: 'x-test',
    acceptAnswer: (answer) => {
      if (answer !== 'x-test') throw new Error(`This is no answer: ${answer}`);
      return coder;
    },
    answerOffer: () => undefined,
  };

  function caseThat(said: (hasCoder: boolean) => void): ConformCase {
    return {
      ...HELLO,
      extension,
      run: async (peer, settings) => {
        said(peer.coder === coder);
        return HELLO.run(peer, settings);
      },
    };
  }

  it.each([
    ['x-test', true],
    [undefined, false],
  ])('gives the case what was agreed upon: %s', async (answer, agreed) => {
    const { url } = await startEchoServer({
      respond: (response) =>
        answer === undefined
          ? response
          : response.replace('\r\n\r\n', `\r\nSec-WebSocket-Extensions: ${answer}\r\n\r\n`),
    });
    let seen: boolean | undefined;
    const [result] = await run(url, { cases: [caseThat((hasCoder) => (seen = hasCoder))] });
    expect(result?.behavior).toBe('OK');
    expect(result?.log.handshake[0]).toContain('\r\nSec-WebSocket-Extensions: x-test\r\n');
    expect(seen).toBe(agreed);
  });

  it('fails the case where the answer is wrong', async () => {
    const { url } = await startEchoServer({
      respond: (response) =>
        response.replace('\r\n\r\n', '\r\nSec-WebSocket-Extensions: other\r\n\r\n'),
    });
    const [result] = await run(url, { cases: [caseThat(() => {})] });
    expect(result?.sentence).toContain('This is no answer: other');
  });
});
