import type { Server } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import type { ConformCase } from '../../../src/conform/case.ts';
import { DEFLATE_12 } from '../../../src/conform/cases/12-deflate.ts';
import { messages, SHAPES } from '../../../src/conform/cases/12-messages.ts';
import { SOURCE } from '../../../src/conform/cases/12-payloads.ts';
import { DEFLATE_13 } from '../../../src/conform/cases/13-deflate.ts';
import { testServer } from '../../../src/conform/fuzz-client.ts';
import { FuzzServer } from '../../../src/conform/fuzz-server.ts';
import { Peer } from '../../../src/conform/peer.ts';
import type { CaseResult } from '../../../src/conform/result.ts';
import {
  acceptFirst,
  echoAt,
  FAULTS,
  type Fault,
  serveEcho,
  urlOf,
} from '../../support/conform-deflate-peer.ts';

/** Where a peer is silent it is waited for, for ten of these. */
const SECOND = 60;
const SETTINGS = { second: SECOND, messages: 5 };

const servers: (Server | FuzzServer | WebSocketServer)[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) void server.close();
});

function caseOf(id: string): ConformCase {
  return [...DEFLATE_12, ...DEFLATE_13].find((one) => one.id === id)!;
}

interface Trial {
  readonly id: string;
  readonly fault?: Fault;
  readonly negotiate?: (offer: string) => string | undefined;
  readonly count?: number;
}

async function judgeServer({ id, fault, negotiate, count = 5 }: Trial): Promise<CaseResult> {
  const { url, server } = await serveEcho({ fault, negotiate });
  servers.push(server);
  const settings = { second: SECOND, messages: count };
  const [result] = await testServer({ url, agent: 'a', cases: [caseOf(id)], settings });
  return result!;
}

const OFFER = 'permessage-deflate; client_max_window_bits';

async function judgeClient(id: string, offer?: string, fault?: Fault): Promise<CaseResult> {
  const cases = [caseOf(id)];
  const server = new FuzzServer({ port: 0, cases, settings: SETTINGS });
  servers.push(server);
  const port = await server.listen();
  await echoAt(new URL(`ws://127.0.0.1:${port}/runCase?case=1&agent=a`), offer, fault);
  return (await server.collectResults()).get('a')![0]!;
}

/** One of each that differs in more than its size. */
const IDS = ['12.1.4', '12.2.3', '12.3.2', '12.4.1', '12.5.11', '13.1.5', '13.2.4', '13.3.6'];
const MORE_IDS = ['13.4.4', '13.5.5', '13.6.4', '13.7.12'];

describe('a server with permessage-deflate', () => {
  it.each([...IDS, ...MORE_IDS])('passes %s', async (id) => {
    const result = await judgeServer({ id });
    expect(result.sentence).toMatch(
      /^All 5 messages came back as they were sent: \d+ bytes, compressed to \d+\. The peer compressed 5 of them\.$/,
    );
    expect([result.behavior, result.behaviorClose]).toEqual(['OK', 'OK']);
  });

  it('may answer without compressing', async () => {
    const server = new WebSocketServer({ port: 0, perMessageDeflate: true });
    servers.push(server);
    server.on('connection', (socket) => {
      socket.on('message', (data: Buffer, isBinary) =>
        socket.send(data, { binary: isBinary, compress: false }),
      );
    });
    const url = urlOf(server.address());
    const cases = [caseOf('12.1.5'), caseOf('12.2.1')];
    const results = await testServer({ url, agent: 'a', cases, settings: SETTINGS });
    expect(results.map(({ behavior }) => behavior)).toEqual(['OK', 'OK']);
    for (const { sentence } of results)
      expect(sentence).toMatch(/The peer compressed 0 of them\.$/);
  });

  it('is told that it does not implement what it does not accept', async () => {
    const result = await judgeServer({ id: '13.3.1', negotiate: () => undefined });
    expect(result.sentence).toContain('did not agree');
    expect([result.behavior, result.behaviorClose]).toEqual(['UNIMPLEMENTED', 'OK']);
  });

  it.each([
    ['13.2.1', 'permessage-deflate'],
    ['13.3.1', 'permessage-deflate'],
    ['13.3.1', 'permessage-deflate; server_max_window_bits=10'],
    ['12.1.1', 'permessage-deflate; foo'],
    ['12.1.1', 'x-webkit-deflate-frame'],
  ])('fails %s where it answers %s', async (id, answer) => {
    const result = await judgeServer({ id, negotiate: () => answer });
    expect(result.sentence).toContain('The connection did not open');
    expect(result.behavior).toBe('FAILED');
  });

  it('may choose what the judge is to do', async () => {
    const negotiate = (): string =>
      'permessage-deflate; client_no_context_takeover; client_max_window_bits=9';
    expect((await judgeServer({ id: '12.1.5', negotiate })).behavior).toBe('OK');
  });
});

describe('a client with permessage-deflate', () => {
  it.each([...IDS, ...MORE_IDS])('passes %s', async (id) => {
    const result = await judgeClient(id, OFFER);
    expect(result.sentence).toMatch(/^All 5 messages came back/);
    expect([result.behavior, result.behaviorClose]).toEqual(['OK', 'OK']);
  });

  it('is told that it does not implement what it does not offer', async () => {
    const results = [
      await judgeClient('12.1.1'),
      await judgeClient('13.3.1', 'permessage-deflate'),
      await judgeClient('13.7.1', 'permessage-deflate'),
    ];
    expect(results.map(({ behavior }) => behavior)).toEqual([
      'UNIMPLEMENTED',
      'UNIMPLEMENTED',
      'OK',
    ]);
  });

  it('fails with an offer that is no list', async () => {
    const result = await judgeClient('12.1.1', 'permessage deflate');
    expect(result.behavior).toBe('FAILED');
  });
});

/** Where the fault shows. */
function idOf(fault: Fault): string {
  if (fault === 'a context that should be forgotten') return '13.2.4';
  return fault === 'a window that is too large' ? '13.3.5' : '12.1.4';
}

describe.each([...FAULTS])('%s', (fault, sentence) => {
  it('is found in a server', async () => {
    const result = await judgeServer({ id: idOf(fault), fault, negotiate: acceptFirst });
    expect(result.behavior).toBe('FAILED');
    expect(result.sentence).toMatch(sentence);
  });

  it('is found in a client', async () => {
    const result = await judgeClient(idOf(fault), OFFER, fault);
    expect(result.behavior).toBe('FAILED');
    expect(result.sentence).toMatch(sentence);
  });
});

describe('a case of many messages', () => {
  it('finds what is too much at the very end', async () => {
    const result = await judgeServer({ id: '12.1.1', fault: 'everything twice', count: 1 });
    expect(result.sentence).toBe('More came back than was sent.');
  });

  it('says which message it was, and what came', async () => {
    const result = await judgeServer({ id: '12.1.1', fault: 'the wrong opcode' });
    expect(result.sentence).toMatch(/^Message 1 of 5: it is not what came back. Sent: text, 16/);
    expect(result.received).toEqual([expect.stringContaining('binary, 16 bytes')]);
  });

  it('logs the first messages and the closing', async () => {
    const { log } = await judgeServer({ id: '12.1.1' });
    const meanings = log.entries.map(({ meaning }) => meaning.split(',')[0]);
    expect(meanings.slice(0, 6)).toEqual(['text', 'text', 'text', 'text', 'text', 'text']);
    expect(meanings.slice(6)).toEqual(['Close', 'Close', 'The peer ended TCP']);
    expect([log.firstCount, log.leftOut]).toEqual([6, 4]);
  });

  it('is over with the connection, whatever was about to be sent', async () => {
    const { coder } = caseOf('12.1.1').extension!.answerOffer(OFFER)!;
    const stream = new PassThrough();
    const peer = new Peer(stream, { role: 'server', settings: SETTINGS, coder });
    peer.events.push({
      kind: 'message',
      isBinary: false,
      payload: SOURCE.JSON.read().subarray(0, 16),
    });
    const running = caseOf('12.1.1').run(peer, SETTINGS);
    coder.close();
    stream.destroy();
    expect(await running).toMatchObject({ behavior: 'FAILED' });
  });

  it('ends when its time is over', async () => {
    const conformCase = messages({
      id: 'x',
      terms: 'nothing',
      source: SOURCE.JSON,
      shape: { ...SHAPES[0]!, seconds: 0 },
      wishes: [{ noContextTakeover: false, maxWindowBits: undefined }],
    });
    const { url, server } = await serveEcho({ fault: 'silence' });
    servers.push(server);
    const [result] = await testServer({
      url,
      agent: 'a',
      cases: [conformCase],
      settings: SETTINGS,
    });
    expect(result!.sentence).toBe('Message 1 of 5: it did not come back.');
  });
});
