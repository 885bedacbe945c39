/** RFC 7692, sections 5 and 7.1: how permessage-deflate is offered, and what is made of it. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { connect } from '../../src/client/connect.ts';
import type { Socket } from '../../src/connection/socket.ts';
import { HandshakeError } from '../../src/errors.ts';
import type { DeflateOptions } from '../../src/extension/deflate-options.ts';
import { peerFrame, type ReadFrame } from '../support/bytes.ts';
import { noise } from '../support/deflate-connection.ts';
import { deflateAlone, inflateAlone } from '../support/deflate-reference.ts';
import { startServer } from '../support/open-pair.ts';
import { rawRequest, rawResponse } from '../support/raw-http.ts';
import { RawListener, RawPeer } from '../support/raw-peer.ts';
import { SocketLog } from '../support/socket-log.ts';

const FIELD = 'Sec-WebSocket-Extensions';
const NAME = 'sec-websocket-extensions';
const PMD = 'permessage-deflate';
const ALL_BITS = [8, 9, 10, 11, 12, 13, 14, 15];

/** What no parameter may be: RFC 7692, section 7.1. */
const INVALID = [
  'server_no_context_takeover=true',
  'client_no_context_takeover=1',
  'server_max_window_bits',
  'server_max_window_bits=7',
  'server_max_window_bits=16',
  'server_max_window_bits=08',
  'server_max_window_bits=1e1',
  'server_max_window_bits=0x9',
  'server_max_window_bits=+9',
  'server_max_window_bits=-9',
  'server_max_window_bits=10.0',
  'server_max_window_bits=100',
  'client_max_window_bits=7',
  'client_max_window_bits=16',
  'client_max_window_bits=015',
  'client_max_window_bits=ten',
  'unknown',
  'unknown=1',
  'window_bits=10',
  '__proto__',
  'constructor=1',
  'toString',
  'hasOwnProperty',
  'Server_No_Context_Takeover',
  'server_no_context_takeover; server_no_context_takeover',
  'client_no_context_takeover; client_no_context_takeover',
  'server_max_window_bits=10; server_max_window_bits=10',
  'server_max_window_bits=10; server_max_window_bits=11',
  'client_max_window_bits; client_max_window_bits=10',
  'server_no_context_takeover; unknown',
];

interface Negotiated {
  /** What the answer says, or what was offered. */
  readonly said: string[];
  readonly socket: Socket;
  readonly log: SocketLog;
  readonly peer: RawPeer;
}

/** A server of ours, and its answer to offers that were written by hand. */
async function answerTo(
  offers: string | readonly string[],
  deflate: boolean | DeflateOptions = { threshold: 0 },
): Promise<Negotiated> {
  const { port, accepted } = await startServer({ deflate });
  const peer = await RawPeer.connect(port);
  await peer.write(rawRequest({ [FIELD]: offers }));
  const head = await peer.readHead();
  expect(head.status).toBe(101);
  const { socket, log } = accepted[0]!;
  return { said: head.getAll(NAME), socket, log, peer };
}

type ClientDeflate = boolean | DeflateOptions | readonly DeflateOptions[];

/** A client of ours, its offers, and what becomes of an answer that was written by hand. */
async function offerAndGet(
  answer: string | null,
  deflate: ClientDeflate,
): Promise<{ offered: string[]; peer: RawPeer; opening: Promise<Socket> }> {
  const listener = await RawListener.listen();
  const opening = connect(`ws://127.0.0.1:${listener.port}/`, { deflate });
  opening.catch(() => {});
  const peer = await listener.accept();
  const request = await peer.readHead();
  await peer.write(rawResponse(request.getAll('sec-websocket-key')[0]!, { [FIELD]: answer }));
  return { offered: request.getAll(NAME), peer, opening };
}

async function agreeOn(answer: string | null, deflate: ClientDeflate): Promise<Negotiated> {
  const { offered, peer, opening } = await offerAndGet(answer, deflate);
  const socket = await opening;
  onTestFinished(() => socket.terminate());
  return { said: offered, socket, log: new SocketLog(socket), peer };
}

/** The client fails the connection: with an error, without a frame, and TCP ends. */
async function failsOn(answer: string, deflate: ClientDeflate): Promise<void> {
  const { peer, opening } = await offerAndGet(answer, deflate);
  const error = await opening.catch((thrown: unknown) => thrown);
  expect(error, answer).toBeInstanceOf(HandshakeError);
  expect(error).toMatchObject({ code: 'WS_ERR_ANSWER_EXTENSIONS' });
  expect(await peer.readToLeave()).toHaveLength(0);
}

async function sent({ socket, peer }: Negotiated, ...messages: string[]): Promise<ReadFrame[]> {
  for (const message of messages) socket.send(message);
  return peer.readFrames(messages.length);
}

/** A text of which each part refers to what stands nearly as far back as that is allowed. */
function farReaching(): string {
  const block = noise(450);
  return block + noise(30_000) + block + block + noise(60) + block;
}

describe('section 5', () => {
  it('7692-5-01 client: lists its offers in order of preference, with other parameters each', async () => {
    const { said } = await agreeOn(null, [
      { windowBits: 10, peerContextTakeover: false },
      { peerWindowBits: 9 },
      {},
    ]);
    expect(said).toEqual([
      [
        `${PMD}; server_no_context_takeover; client_max_window_bits=10`,
        `${PMD}; server_max_window_bits=9; client_max_window_bits`,
        `${PMD}; client_max_window_bits`,
      ].join(', '),
    ]);
  });

  it('7692-5-02 server: accepts one offer at the most, the first that it can', async () => {
    const offers = [
      'x-other',
      `${PMD}; server_max_window_bits=7`,
      `${PMD}; unknown`,
      `${PMD}; server_max_window_bits=10`,
      `${PMD}; server_max_window_bits=12`,
      PMD,
    ];
    const expected = [`${PMD}; server_max_window_bits=10`];
    expect((await answerTo(offers.join(', '))).said).toEqual(expected);
    // In several fields it means the same.
    expect((await answerTo(offers)).said).toEqual(expected);
    expect((await answerTo(offers.slice(0, 3))).said).toEqual([]);
  });

  it.each([
    'x-other',
    'permessage-bzip2',
    `${PMD}; client_max_window_bits=11`,
    `${PMD}; server_max_window_bits=12; server_no_context_takeover; client_max_window_bits=15`,
    `${PMD}; server_no_context_takeover; server_max_window_bits=13`,
    `${PMD}; server_max_window_bits=12`,
    PMD,
  ])('7692-5-03 client: fails on %j, which fits none of its offers', async (answer) => {
    await failsOn(answer, { windowBits: 10, peerWindowBits: 12, peerContextTakeover: false });
  });

  it('7692-5-03 client: takes an answer that fits the second of its offers', async () => {
    const deflate = [{ peerContextTakeover: false }, { threshold: 0 }];
    const { socket } = await agreeOn(PMD, deflate);
    expect(socket.extensions).toBe(PMD);
  });

  it('7692-5-04 client: fails where permessage-deflate is accepted twice', async () => {
    await failsOn(`${PMD}, ${PMD}`, true);
    await failsOn(`${PMD}; server_max_window_bits=9, ${PMD}`, [{ peerWindowBits: 9 }, {}]);
  });

  it('7692-5-04 server: never accepts it twice', async () => {
    const { said } = await answerTo([`${PMD}, ${PMD}`, `${PMD}; client_max_window_bits=9`]);
    expect(said).toEqual([PMD]);
  });
});

describe('section 7', () => {
  it('7692-7-01 server: knows the name and the four parameters', async () => {
    const all = [
      'server_no_context_takeover',
      'client_no_context_takeover',
      'server_max_window_bits=10',
      'client_max_window_bits=11',
    ];
    for (const parameters of [all, all.toReversed()]) {
      const { said } = await answerTo([PMD, ...parameters].join('; '));
      expect(said).toEqual([[PMD, ...all].join('; ')]);
    }
    // A quoted value is the same value.
    const quoted = `${PMD}; server_max_window_bits="10"`;
    expect((await answerTo(quoted)).said).toEqual([`${PMD}; server_max_window_bits=10`]);
    for (const name of ['perframe-deflate', 'x-webkit-deflate-frame', `${PMD}2`]) {
      expect((await answerTo(name)).said).toEqual([]);
    }
  });

  it('7692-7-01 client: offers the name with parameters of the four, each once', async () => {
    const narrow = { windowBits: 9, peerWindowBits: 10 };
    const { said } = await agreeOn(null, {
      ...narrow,
      contextTakeover: false,
      peerContextTakeover: false,
    });
    expect(said).toEqual([
      [
        PMD,
        'server_no_context_takeover',
        'client_no_context_takeover',
        'server_max_window_bits=10',
        'client_max_window_bits=9',
      ].join('; '),
    ]);
  });

  it.each(INVALID)('7692-7.1-01 server: declines %j, and takes the next offer', async (invalid) => {
    const declined = await answerTo(`${PMD}; ${invalid}`);
    expect(declined.said).toEqual([]);
    // Then nothing is compressed.
    const [frame] = await sent(declined, 'x'.repeat(5_000));
    expect(frame!.rsv).toBe(0);
    expect((await answerTo(`${PMD}; ${invalid}, ${PMD}`)).said).toEqual([PMD]);
  });

  it.each(INVALID)('7692-7.1-02 client: fails on an answer with %j', async (invalid) => {
    await failsOn(`${PMD}; ${invalid}`, [{ windowBits: 9 }, {}]);
  });

  it('7692-7.1-02 client: fails on what its offer does not allow', async () => {
    await failsOn(`${PMD}; client_max_window_bits=13`, { windowBits: 12 });
    await failsOn(PMD, { peerWindowBits: 14 });
    await failsOn(PMD, { peerContextTakeover: false });
  });
});

describe('section 7.1.1', () => {
  it('7692-7.1.1.1-01 server: forgets each message where that is asked for, and says so', async () => {
    const open = await answerTo(`${PMD}; server_no_context_takeover`);
    expect(open.said).toEqual([`${PMD}; server_no_context_takeover`]);
    const text = noise(2_000);
    const frames = await sent(open, text, text);
    expect(frames.map(({ rsv }) => rsv)).toEqual([4, 4]);
    for (const { payload } of frames) expect(inflateAlone(payload).toString()).toBe(text);
  });

  it('7692-7.1.1.1-02 server: may forget each message though that was not asked for', async () => {
    const open = await answerTo(PMD, { threshold: 0, contextTakeover: false });
    expect(open.said).toEqual([`${PMD}; server_no_context_takeover`]);
    const text = noise(2_000);
    for (const { payload } of await sent(open, text, text)) {
      expect(inflateAlone(payload).toString()).toBe(text);
    }
  });

  it('7692-7.1.1.1-02 client: takes it though it did not ask for it', async () => {
    const { peer, log } = await agreeOn(`${PMD}; server_no_context_takeover`, true);
    for (const text of ['alone, and alone', 'alone, and again']) {
      const payload = deflateAlone(Buffer.from(text));
      await peer.write(peerFrame('client', { rsv: 4, payload }));
    }
    await log.until('text alone, and again');
    expect(log.entries).toEqual(['text alone, and alone', 'text alone, and again']);
  });

  it.each(['server_no_context_takeover', 'client_no_context_takeover'])(
    '7692-7.1.1.1-03 server: declines %s with a value',
    async (name) => {
      for (const value of ['1', 'true', '"x"']) {
        expect((await answerTo(`${PMD}; ${name}=${value}`)).said).toEqual([]);
      }
    },
  );

  it.each(['server_no_context_takeover', 'client_no_context_takeover'])(
    '7692-7.1.1.1-03 client: fails on %s with a value',
    async (name) => {
      for (const value of ['1', 'true', '""', '"x"'])
        await failsOn(`${PMD}; ${name}=${value}`, true);
    },
  );

  it('7692-7.1.1.2-01 client: forgets each message where the server says so, asked or not', async () => {
    for (const contextTakeover of [true, false]) {
      const open = await agreeOn(`${PMD}; client_no_context_takeover`, {
        threshold: 0,
        contextTakeover,
      });
      expect(open.said[0]!.includes('client_no_context_takeover')).toBe(!contextTakeover);
      const text = noise(2_000);
      const frames = await sent(open, text, text);
      expect(frames.map(({ rsv }) => rsv)).toEqual([4, 4]);
      for (const { payload } of frames) expect(inflateAlone(payload).toString()).toBe(text);
    }
  });
});

describe('section 7.1.2', () => {
  it('7692-7.1.2.1-01 server: takes server_max_window_bits from 8 to 15, and nothing else', async () => {
    for (const bits of ALL_BITS) {
      const offer = `${PMD}; server_max_window_bits=${bits}`;
      expect((await answerTo(offer)).said).toEqual([offer]);
    }
    for (const value of ['', '=', '=0', '=7', '=16', '=08', '=8.0', '=1e1', '="8 "', '=９']) {
      const { port } = await startServer({ deflate: true });
      const peer = await RawPeer.connect(port);
      await peer.write(rawRequest({ [FIELD]: `${PMD}; server_max_window_bits${value}` }));
      // What does not even fit the grammar is refused.
      const head = await peer.readHead();
      expect([101, 400]).toContain(head.status);
      expect(head.getAll(NAME)).toEqual([]);
    }
  });

  it('7692-7.1.2.1-01 client: takes server_max_window_bits from 8 to 15, and nothing else', async () => {
    for (const bits of ALL_BITS) {
      const { socket } = await agreeOn(`${PMD}; server_max_window_bits=${bits}`, true);
      expect(socket.extensions).toBe(`${PMD}; server_max_window_bits=${bits}`);
    }
    for (const value of ['', '=0', '=7', '=16', '=08', '=1e1', '="8 "']) {
      await failsOn(`${PMD}; server_max_window_bits${value}`, true);
    }
  });

  it('7692-7.1.2.1-02 server: answers with no more than was asked for, and keeps to it', async () => {
    for (const offered of [9, 12, 15]) {
      for (const windowBits of [10, 15]) {
        const open = await answerTo(`${PMD}; server_max_window_bits=${offered}`, {
          threshold: 0,
          windowBits,
        });
        const bits = Math.min(offered, windowBits);
        expect(open.said).toEqual([`${PMD}; server_max_window_bits=${bits}`]);
        const text = farReaching();
        const [frame] = await sent(open, text);
        expect(frame!.rsv).toBe(4);
        expect(inflateAlone(frame!.payload, bits).toString()).toBe(text);
      }
    }
  });

  it('7692-7.1.2.1-03 server: may use a smaller window though that was not asked for', async () => {
    const open = await answerTo(PMD, { threshold: 0, windowBits: 10 });
    expect(open.said).toEqual([`${PMD}; server_max_window_bits=10`]);
    const text = farReaching();
    const [frame] = await sent(open, text);
    expect(inflateAlone(frame!.payload, 10).toString()).toBe(text);
  });

  it('7692-7.1.2.1-03 client: reads from a smaller window though it did not ask for it', async () => {
    const answer = `${PMD}; server_max_window_bits=9; server_no_context_takeover`;
    const { peer, socket } = await agreeOn(answer, true);
    const message = new Promise((resolve) => socket.once('message', resolve));
    const text = farReaching();
    const payload = deflateAlone(Buffer.from(text), { windowBits: 9 });
    await peer.write(peerFrame('client', { rsv: 4, payload }));
    expect(await message).toBe(text);
  });

  it('7692-7.1.2.2-01 server: takes client_max_window_bits with and without a value', async () => {
    expect((await answerTo(`${PMD}; client_max_window_bits`)).said).toEqual([PMD]);
    for (const bits of ALL_BITS) {
      const offer = `${PMD}; client_max_window_bits=${bits}`;
      expect((await answerTo(offer)).said).toEqual([bits < 15 ? offer : PMD]);
    }
    // In an answer it always has a value.
    const narrow = await answerTo(`${PMD}; client_max_window_bits`, { peerWindowBits: 11 });
    expect(narrow.said).toEqual([`${PMD}; client_max_window_bits=11`]);
    for (const value of ['=7', '=16', '=08', '=1e1', '="7"']) {
      expect((await answerTo(`${PMD}; client_max_window_bits${value}`)).said).toEqual([]);
    }
  });

  it('7692-7.1.2.2-01 client: fails on client_max_window_bits without a value, or a wrong one', async () => {
    for (const value of ['', '=7', '=16', '=08', '=1e1', '=""']) {
      await failsOn(`${PMD}; client_max_window_bits${value}`, true);
    }
    for (const bits of ALL_BITS) {
      const answer = `${PMD}; client_max_window_bits=${bits}`;
      expect((await agreeOn(answer, true)).socket.extensions).toBe(answer);
    }
  });

  it('7692-7.1.2.2-02 server: asks for no smaller window of a client that did not offer one', async () => {
    const { said, peer, log, socket } = await answerTo(PMD, { peerWindowBits: 9 });
    expect(said).toEqual([PMD]);
    // And reads what that client compresses with the largest.
    const text = farReaching();
    const payload = deflateAlone(Buffer.from(text));
    const message = new Promise((resolve) => socket.once('message', resolve));
    await peer.write(peerFrame('server', { rsv: 4, payload }));
    expect(await message).toBe(text);
    expect(log.entries).toHaveLength(1);
  });

  it('7692-7.1.2.2-03 client: compresses with no larger window than the server says', async () => {
    for (const [bits, windowBits] of [
      [9, 15],
      [10, 10],
      [9, 10],
    ]) {
      const open = await agreeOn(`${PMD}; client_max_window_bits=${bits}`, {
        threshold: 0,
        windowBits,
      });
      const text = farReaching();
      const [frame] = await sent(open, text);
      expect(frame!.rsv).toBe(4);
      expect(inflateAlone(frame!.payload, bits).toString()).toBe(text);
    }
    await failsOn(`${PMD}; client_max_window_bits=15`, { windowBits: 10 });
    await failsOn(`${PMD}; client_max_window_bits=11`, { windowBits: 10 });
  });

  it('7692-7.1.2.2-03 client: keeps to what it offered where the server says nothing', async () => {
    const open = await agreeOn(PMD, { threshold: 0, windowBits: 10 });
    const text = farReaching();
    const [frame] = await sent(open, text);
    expect(inflateAlone(frame!.payload, 10).toString()).toBe(text);
  });

  it('7692-7.1.2.2-04 server: sends as it is under a limit of 8, and reads what has it', async () => {
    const offer = `${PMD}; server_max_window_bits=8; client_max_window_bits=8`;
    const open = await answerTo(offer);
    expect(open.said).toEqual([offer]);
    const text = farReaching();
    const [frame] = await sent(open, text);
    expect([frame!.rsv, frame!.payload.toString() === text]).toEqual([0, true]);
    const payload = deflateAlone(Buffer.from('x'.repeat(250)), { windowBits: 9 });
    const message = new Promise((resolve) => open.socket.once('message', resolve));
    await open.peer.write(peerFrame('server', { rsv: 4, payload }));
    expect(await message).toBe('x'.repeat(250));
  });

  it('7692-7.1.2.2-04 client: sends as it is under a limit of 8, and reads what has it', async () => {
    const answer = `${PMD}; server_max_window_bits=8; client_max_window_bits=8`;
    const open = await agreeOn(answer, { threshold: 0 });
    const text = farReaching();
    const [frame] = await sent(open, text);
    expect([frame!.rsv, frame!.payload.toString() === text]).toEqual([0, true]);
    const payload = deflateAlone(Buffer.from('x'.repeat(250)), { windowBits: 9 });
    const message = new Promise((resolve) => open.socket.once('message', resolve));
    await open.peer.write(peerFrame('client', { rsv: 4, payload }));
    expect(await message).toBe('x'.repeat(250));
  });
});
