import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { PerMessageDeflate } from '../../src/extension/permessage-deflate.ts';
import { closeBody, readFrames } from '../support/bytes.ts';
import {
  DeflateConnection,
  ENGINES,
  type DeflateSetup,
  JobWatch,
  ReferencePeer,
  createDeflate,
  noise,
  short,
} from '../support/deflate-connection.ts';

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;

/** More than is compressed at once. */
const LARGE = noise(40_000);
const [DEFLATED] = short([`deflated ${LARGE}`]);

const opened: DeflateConnection[] = [];
let jobs: JobWatch;

beforeEach(() => {
  jobs = new JobWatch();
});

afterEach(async () => {
  for (const one of opened.splice(0)) one.end();
  await jobs.idle();
  vi.restoreAllMocks();
});

describe.each(ENGINES)('a prepared message, compressed with $engine,', ({ keepContexts }) => {
  function setup(given: DeflateSetup = {}): DeflateSetup {
    return { ...given, options: { keepContexts, ...given.options } };
  }

  function open(given: DeflateSetup = {}): DeflateConnection {
    const one = new DeflateConnection('server', setup(given));
    opened.push(one);
    return one;
  }

  /** How many compressors were made for messages alone: one for each compression. */
  function countCompressions(): () => number {
    const made = vi.spyOn(PerMessageDeflate.prototype, 'createAlone');
    return () => made.mock.calls.length;
  }

  function never(): void {
    expect.unreachable('it was to be there at once');
  }

  it('is one whole frame with RSV1, which refers to nothing', () => {
    const text = 'again and again and again and again';
    for (const data of [text, Buffer.from(text)]) {
      const message = new PreparedMessage(data);
      const [frame] = readFrames(message.deflated(createDeflate(setup()), never)!);
      expect(frame).toMatchObject({ fin: true, rsv: 4, masked: false });
      expect(frame!.opcode).toBe(typeof data === 'string' ? TEXT : BINARY);
      expect(new ReferencePeer().inflate(frame!.payload).toString()).toBe(text);
    }
  });

  it('is as it was where it would not become smaller', () => {
    for (const data of ['', 'x', Buffer.from(noise(400), 'hex')]) {
      const message = new PreparedMessage(data);
      expect(message.deflated(createDeflate(setup()), never)).toBe(message.frame);
    }
  });

  it('is compressed once for all connections of a kind', () => {
    const compressions = countCompressions();
    const message = new PreparedMessage('again and again and again');
    const many = Array.from({ length: 5 }, (_, at) =>
      open({ terms: { ownTakeover: at % 2 === 0 } }),
    );
    for (const one of many) one.connection.sendPrepared(message);
    expect(compressions()).toBe(1);
    for (const one of many) expect(one.read()).toEqual(['deflated again and again and again']);
  });

  it('is compressed for each kind, with its own window, level and memory', () => {
    const compressions = countCompressions();
    const text = noise(5_000) + noise(5_000);
    const message = new PreparedMessage(text);
    const kinds: DeflateSetup[] = [
      {},
      { terms: { ownWindowBits: 9 } },
      { terms: { ownWindowBits: 10 } },
      { options: { level: 9 } },
      { options: { memoryLevel: 1 } },
      { options: { keepContexts: !keepContexts } },
    ];
    for (const kind of [...kinds, ...kinds]) {
      const one = open(kind);
      one.connection.sendPrepared(message);
      expect(short(one.read())).toEqual(short([`deflated ${text}`]));
    }
    expect(compressions()).toBe(kinds.length);
  });

  it('is plain for those that do not compress it, whoever does', () => {
    const text = 'again and again and again';
    const message = new PreparedMessage(text);
    const small = open({ options: { threshold: 1_000 } });
    const narrow = open({ terms: { ownWindowBits: 8 } });
    const one = open();
    for (const each of [small, narrow, one]) each.connection.sendPrepared(message);
    one.connection.sendPrepared(message, false);
    expect(small.read()).toEqual([`plain ${text}`]);
    expect(narrow.read()).toEqual([`plain ${text}`]);
    expect(one.read()).toEqual([`deflated ${text}`, `plain ${text}`]);
  });

  it('is compressed by a client itself, among its own messages', () => {
    const compressions = countCompressions();
    const one = new DeflateConnection('client', setup());
    opened.push(one);
    one.connection.send(TEXT, 'mine, and mine again');
    one.connection.sendPrepared(new PreparedMessage('mine, and mine again'));
    const frames = one.sent();
    expect(frames.every(({ masked, rsv }) => masked && rsv === 4)).toBe(true);
    expect(frames[1]!.payload.length).toBeLessThan(frames[0]!.payload.length);
    expect(one.read()).toEqual(['deflated mine, and mine again', 'deflated mine, and mine again']);
    expect(compressions()).toBe(0);
  });

  it.each([true, false])('leaves the messages around it readable: takeover %s', (ownTakeover) => {
    const one = open({ terms: { ownTakeover } });
    const { connection } = one;
    const own = noise(3_000, 'own');
    const message = new PreparedMessage(noise(3_000, 'prepared'));
    const texts = ['own', 'own', 'prepared', 'prepared', 'own', 'prepared', 'own', 'own'];
    for (const what of texts) {
      if (what === 'own') connection.send(TEXT, own);
      else connection.sendPrepared(message);
    }
    connection.sendPrepared(message, false);
    connection.send(TEXT, own);
    expect(short(one.read())).toEqual(
      short([
        ...texts.map((what) => `deflated ${noise(3_000, what)}`),
        `plain ${noise(3_000, 'prepared')}`,
        `deflated ${own}`,
      ]),
    );
  });

  it('that is large is compressed in a thread, once for all that wait for it', async () => {
    const compressions = countCompressions();
    const message = new PreparedMessage(LARGE);
    const many = Array.from({ length: 6 }, () => open());
    for (const one of many) {
      one.connection.send(TEXT, 'before');
      one.connection.sendPrepared(message);
      one.connection.send(TEXT, 'behind');
      expect(one.connection.bufferedAmount).toBeGreaterThan(40_000);
    }
    await jobs.idle();
    const late = open();
    late.connection.sendPrepared(message);
    expect([compressions(), jobs.count]).toEqual([1, 1]);
    for (const one of many) {
      expect(short(one.read())).toEqual(['deflated before', DEFLATED, 'deflated behind']);
      expect(one.connection.bufferedAmount).toBe(0);
    }
    expect(short(late.read())).toEqual([DEFLATED]);
  });

  it('is compressed once also where another is still under way on each connection', async () => {
    const compressions = countCompressions();
    const other = noise(30_000, 'other');
    const messages = [LARGE, other, 'small and small and small'].map(
      (data) => new PreparedMessage(data),
    );
    const many = Array.from({ length: 4 }, () => open());
    for (const one of many) {
      for (const message of messages) one.connection.sendPrepared(message);
    }
    await jobs.idle();
    for (const one of many) {
      expect(short(one.read())).toEqual(
        short([`deflated ${LARGE}`, `deflated ${other}`, 'deflated small and small and small']),
      );
    }
    expect([compressions(), jobs.count]).toEqual([3, 2]);
  });

  it('that is large reaches those that are left, whoever leaves meanwhile', async () => {
    const message = new PreparedMessage(LARGE);
    const many = Array.from({ length: 7 }, () => open());
    for (const one of many) one.connection.sendPrepared(message);
    // The first has begun it.
    many[0]!.connection.terminate();
    many[2]!.connection.close(1000);
    many[3]!.receiveFrames({ opcode: CLOSE, payload: closeBody(1000) });
    many[5]!.end();
    await jobs.idle();
    const sent = many.map((one) => one.sent().map(({ opcode }) => opcode));
    expect(sent).toEqual([[], [TEXT], [CLOSE], [CLOSE], [TEXT], [], [TEXT]]);
    for (const at of [1, 4, 6]) expect(short(many[at]!.read())).toEqual([DEFLATED]);
  });

  it('that is large is sent, though all have left who waited for it, to who comes later', async () => {
    const message = new PreparedMessage(LARGE);
    const first = open();
    first.connection.sendPrepared(message);
    first.connection.terminate();
    const second = open();
    second.connection.sendPrepared(message);
    await jobs.idle();
    expect(short(second.read())).toEqual([DEFLATED]);
  });

  it('that is large and cannot be compressed is sent as it is', async () => {
    const random = Buffer.from(noise(80_000), 'hex');
    const message = new PreparedMessage(random);
    const one = open();
    one.connection.sendPrepared(message);
    await jobs.idle();
    const [frame] = one.sent();
    expect(frame!.rsv).toBe(0);
    expect(frame!.payload.equals(random)).toBe(true);
    expect(message.deflated(createDeflate(setup()), never)).toBe(message.frame);
  });

  it('fails those with 1011 that wait for it where zlib cannot, and is tried again', async () => {
    const message = new PreparedMessage(LARGE);
    const many = [open(), open()];
    const made = vi.spyOn(PerMessageDeflate.prototype, 'createAlone').mockReturnValueOnce({
      deflate: () => expect.unreachable(),
      deflatePart: () => expect.unreachable(),
      deflateLater: (_data, done) => void setImmediate(() => done(null)),
      forget: never,
      close: never,
    });
    for (const one of many) one.connection.sendPrepared(message);
    await Promise.all(many.map((one) => one.worked()));
    for (const one of many) {
      expect(one.sent().map(({ payload }) => payload)).toEqual([closeBody(1011)]);
    }
    const late = open();
    late.connection.sendPrepared(message);
    await jobs.idle();
    expect(short(late.read())).toEqual([DEFLATED]);
    expect(made).toHaveBeenCalledTimes(2);
  });

  it('is given to all that wait for it, also where one of them throws', () => {
    const message = new PreparedMessage(LARGE);
    const deflate = createDeflate(setup());
    let settle = (_payload: Buffer | null): void => {};
    vi.spyOn(deflate, 'createAlone').mockReturnValueOnce({
      deflate: () => expect.unreachable(),
      deflatePart: () => expect.unreachable(),
      deflateLater: (_data, done) => {
        settle = done;
      },
      forget: never,
      close: never,
    });
    const given: unknown[] = [];
    message.deflated(deflate, (frame) => given.push(frame));
    message.deflated(deflate, () => {
      throw new Error('of a handler');
    });
    message.deflated(deflate, (frame) => given.push(frame));
    expect(() => settle(Buffer.from('payload'))).toThrow('of a handler');
    expect(given.map((frame) => frame instanceof Uint8Array)).toEqual([true, true]);
    deflate.close();
  });

  it('leaves those unharmed that wait for it with one whose handler throws', async () => {
    const message = new PreparedMessage(noise(200_000));
    const [one, other] = [open(), open()];
    one.during.onMessage = (_opcode, source, start, end) => {
      if (source.toString('utf8', start, end) !== 'get') throw new Error('of the handler');
      one.connection.sendPrepared(message);
    };
    one.receiveTogether({ payload: 'get' }, { payload: 'throw' });
    other.connection.sendPrepared(message);
    await jobs.idle();
    expect(one.log).toEqual(['text get', 'text throw', 'thrown Error: of the handler']);
    expect(one.connection.readyState).not.toBe(1);
    other.connection.send(TEXT, 'behind');
    expect(short(other.read())).toEqual(short([`deflated ${noise(200_000)}`, 'deflated behind']));
  });

  it('gives its bytes to nobody to change', async () => {
    const data = Buffer.from(LARGE);
    const message = new PreparedMessage(data);
    const one = open();
    one.connection.sendPrepared(message);
    data.fill('z');
    await jobs.idle();
    expect(short(one.read())).toEqual([DEFLATED]);
  });
});
