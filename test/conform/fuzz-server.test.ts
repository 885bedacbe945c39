import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CASES } from '../../src/conform/cases/all.ts';
import { FuzzServer, type ServerRun } from '../../src/conform/fuzz-server.ts';
import type { CaseResult } from '../../src/conform/result.ts';
import { selectCases } from '../../src/conform/select.ts';
import { CERTIFICATE, KEY } from '../support/certificate.ts';
import { findCase, REAL } from '../support/conform-judge.ts';
import { visit } from '../support/conform-servers.ts';

const SOME = selectCases(CASES, '1.1.1,2.2,5.3');

async function start(
  options: Partial<ServerRun> = {},
): Promise<{ server: FuzzServer; port: number }> {
  const server = new FuzzServer({ port: 0, cases: SOME, settings: REAL, ...options });
  const port = await server.listen();
  onTestFinished(() => server.close());
  return { server, port };
}

async function verdicts(server: FuzzServer): Promise<Record<string, string[]>> {
  const agents = await server.collectResults();
  return Object.fromEntries(
    [...agents].map(([agent, results]) => [
      agent,
      results.map(({ id, behavior }) => `${id} ${behavior}`),
    ]),
  );
}

describe('testing clients', () => {
  it('counts the cases', async () => {
    const { port } = await start();
    expect(await visit(port, '/getCaseCount')).toMatchObject({ status: '101', texts: ['3'] });
  });

  it('runs them by their number, by their id, and for each client', async () => {
    const seen: CaseResult[] = [];
    const { server, port } = await start({ onResult: (result) => seen.push(result) });
    await visit(port, '/runCase?case=3&agent=good');
    await visit(port, '/runCase?casetuple=1.1.1&agent=good');
    await visit(port, '/runCase?case=2&agent=bad', 'sends Pongs without the payload');
    expect(await verdicts(server)).toEqual({
      good: ['1.1.1 OK', '5.3 OK'],
      bad: ['2.2 FAILED'],
    });
    expect(seen.map(({ id }) => id)).toEqual(['5.3', '1.1.1', '2.2']);
    expect(seen[0]?.log.handshake[0]).toMatch(/^GET \/runCase\?case=3&agent=good /);
    expect(seen[0]?.log.handshake[1]).toMatch(/^HTTP\/1\.1 101 /);
  });

  it('keeps the last run of a case, and names those who have no name', async () => {
    const { server, port } = await start({ agent: 'nameless' });
    await visit(port, '/runCase?case=2', 'sends Pongs without the payload');
    await visit(port, '/runCase?case=2');
    expect(await verdicts(server)).toEqual({ nameless: ['2.2 OK'] });
    const other = await start();
    await visit(other.port, '/runCase?case=2');
    expect(await verdicts(other.server)).toEqual({ client: ['2.2 OK'] });
  });

  it('tells of a case, and of its verdict when that is there', async () => {
    const { port } = await start();
    const info = await visit(port, '/getCaseInfo?case=2');
    expect(JSON.parse(info.texts[0]!)).toEqual({
      id: '2.2',
      description: 'A Ping with a short text',
    });
    await visit(port, '/runCase?case=2&agent=a', 'sends Pongs without the payload');
    const status = await visit(port, '/getCaseStatus?case=2&agent=a');
    expect(JSON.parse(status.texts[0]!)).toEqual({ behavior: 'FAILED' });
    expect(await visit(port, '/getCaseStatus?case=1&agent=a')).toMatchObject({
      status: '400',
      body: 'Case 1.1.1 was not run by "a"',
    });
  });

  it('is told when a client is done', async () => {
    const done: string[] = [];
    const { port } = await start({ onUpdate: async (agent) => void done.push(agent) });
    expect(await visit(port, '/updateReports?agent=a%20b')).toMatchObject({ texts: [] });
    expect(done).toEqual(['a b']);
  });

  it.each([
    ['/runCase?agent=a', 'There is no such case'],
    ['/runCase?case=4&agent=a', 'There is no such case'],
    ['/getCaseInfo?case=x', 'There is no such case'],
    ['/other', 'There is no /other'],
    ['//', 'There is no /'],
  ])('refuses %s', async (target, body) => {
    const { port } = await start();
    expect(await visit(port, target)).toEqual({ status: '400', body, texts: [] });
  });

  it('fails a case whose client does not ask rightly', async () => {
    const seen: CaseResult[] = [];
    const { server, port } = await start({ onResult: (result) => seen.push(result) });
    const change = (request: string): string => request.replace('Version: 13', 'Version: 8');
    const answer = await visit(port, '/runCase?case=1&agent=old', undefined, change);
    expect(answer).toMatchObject({ status: '400', body: 'The version of WebSocket is not 13' });
    expect(await verdicts(server)).toEqual({ old: ['1.1.1 FAILED'] });
    expect(seen[0]?.sentence).toContain('The version of WebSocket is not 13');
    await visit(port, '/getCaseCount', undefined, change);
    expect(seen).toHaveLength(1);
  });

  it('refuses what is no head', async () => {
    const { port } = await start();
    const socket = connect(port, '127.0.0.1');
    socket.write('GET / HTTP/1.1\r\nnonsense\r\n\r\n');
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 400 [^]*This is no field/);
    const empty = connect(port, '127.0.0.1');
    empty.write('\r\n\r\n');
    expect(String((await once(empty, 'data'))[0])).toMatch(/^HTTP\/1\.1 400 [^]*This is no GET/);
  });

  it('lives on when a client breaks off', async () => {
    const { port } = await start();
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.resetAndDestroy();
    expect(await visit(port, '/getCaseCount')).toMatchObject({ texts: ['3'] });
  });

  it('speaks TLS', async () => {
    const { port } = await start({ tls: { cert: CERTIFICATE, key: KEY } });
    const socket = connectTls({ port, host: '127.0.0.1', ca: CERTIFICATE });
    socket.write('GET / HTTP/1.1\r\n\r\n');
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('says where it cannot listen', async () => {
    const { port } = await start();
    const second = new FuzzServer({ port, cases: SOME, settings: REAL });
    await expect(second.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('has no result of a case that runs when it closes', async () => {
    const seen: CaseResult[] = [];
    const { server, port } = await start({
      cases: selectCases(CASES, '9.1.1'),
      settings: { ...REAL, second: 50 },
      onResult: (result) => seen.push(result),
    });
    const visited = visit(port, '/runCase?case=1&agent=a', 'does nothing at all');
    await delay(20);
    await server.close();
    await visited;
    expect(await verdicts(server)).toEqual({ a: [] });
    expect(seen).toEqual([]);
  });

  it('ends the connections that there are when it closes', async () => {
    const { server, port } = await start({ settings: { ...REAL, second: 50 } });
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => socket.destroy());
    await once(socket, 'connect');
    await visit(port, '/getCaseCount');
    const closed = once(socket, 'close');
    await server.close();
    await closed;
  });
});

describe('negotiating with a client', () => {
  const coder = {
    encode: (payload: Buffer) => Promise.resolve(payload),
    decode: (payload: Buffer) => Promise.resolve(payload),
    close: () => {},
  };
  const conformCase = {
    ...findCase(CASES, '1.1.2'),
    extension: {
      offer: '',
      acceptAnswer: () => coder,
      answerOffer: (offer: string) =>
        offer === 'x-test' ? { answer: 'x-test; yes', coder } : undefined,
    },
  };

  it.each([
    ['x-test', 'x-test; yes'],
    ['other', undefined],
    [undefined, undefined],
  ])('answers the offer %s', async (offer, answer) => {
    const { server, port } = await start({ cases: [conformCase] });
    await visit(port, '/runCase?case=1', undefined, (request) =>
      offer === undefined
        ? request
        : request.replace('\r\n\r\n', `\r\nSec-WebSocket-Extensions: ${offer}\r\n\r\n`),
    );
    const [result] = (await server.collectResults()).get('client') ?? [];
    const field = /Sec-WebSocket-Extensions: (.*)\r/.exec(result!.log.handshake[1]!);
    expect(field?.[1]).toBe(answer);
  });
});
