import { describe, expect, it, vi } from 'vitest';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { READY_STATE } from '../../src/connection/state.ts';
import { closeBody, readFrames } from '../support/bytes.ts';
import {
  DEFLATING_ROLES,
  DeflateConnection,
  followConnections,
  noise,
  short,
} from '../support/deflate-connection.ts';
import { ROLES } from '../support/open-connection.ts';

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;

/** More than is compressed at once. */
const LARGE = noise(40_000);
const [DEFLATED, PLAIN] = short([`deflated ${LARGE}`, `plain ${LARGE}`]);

const connections = followConnections();
const { jobs } = connections;

describe.each(DEFLATING_ROLES)('a $role that compresses with $engine', ({ role, keepContexts }) => {
  const open = connections.opener(role, keepContexts);

  it('sets RSV1 on what is compressed, in one frame, and the peer reads it', () => {
    const one = open();
    const { connection } = one;
    connection.send(TEXT, 'Grüße');
    connection.send(BINARY, Buffer.from('Grüße, Grüße'));
    connection.send(TEXT, '');
    expect(
      one.sent().map(({ fin, rsv, opcode, masked }) => ({ fin, rsv, opcode, masked })),
    ).toEqual(
      [TEXT, BINARY, TEXT].map((opcode) => ({
        fin: true,
        rsv: 4,
        opcode,
        masked: role === 'client',
      })),
    );
    expect(one.read()).toEqual(['deflated Grüße', 'deflated Grüße, Grüße', 'deflated ']);
  });

  it('remembers what it sent before, unless it must not', () => {
    const texts = [noise(2_000), noise(2_000)];
    const sizes = [true, false].map((ownTakeover) => {
      const one = open({ terms: { ownTakeover } });
      for (const text of texts) one.connection.send(TEXT, text);
      const [first, second] = one.sent().map(({ payload }) => payload.length);
      expect(short(one.read())).toEqual(short(texts.map((text) => `deflated ${text}`)));
      return second! < first! / 2;
    });
    expect(sizes).toEqual([true, false]);
  });

  it.each([9, 11, 15])('keeps to the window of %d bits that was agreed on', (ownWindowBits) => {
    const one = open({ terms: { ownWindowBits } });
    const texts = [noise(5_000), noise(5_000), noise(700)];
    for (const text of texts) one.connection.send(TEXT, text);
    // The peer inflates with exactly that window.
    expect(short(one.read())).toEqual(short(texts.map((text) => `deflated ${text}`)));
  });

  it('compresses nothing under a limit of 8 bits', () => {
    const one = open({ terms: { ownWindowBits: 8 } });
    one.connection.send(TEXT, LARGE);
    one.connection.sendPrepared(new PreparedMessage(LARGE));
    one.connection.beginMessage();
    one.connection.sendFragment(TEXT, LARGE, true);
    expect(short(one.read())).toEqual([PLAIN, PLAIN, PLAIN]);
  });

  it('compresses from the threshold on, in bytes', () => {
    const one = open({ options: { threshold: 100 } });
    const texts = ['x'.repeat(99), 'x'.repeat(100), 'ü'.repeat(49), 'ü'.repeat(50), '€'.repeat(33)];
    for (const text of texts) one.connection.send(TEXT, text);
    for (const size of [99, 100]) one.connection.send(BINARY, Buffer.alloc(size, 'b'));
    const kinds = one.read().map((entry) => entry.split(' ')[0]);
    const [plain, deflated] = ['plain', 'deflated'];
    expect(kinds).toEqual([plain, deflated, plain, deflated, plain, plain, deflated]);
  });

  it('compresses nothing that it was asked not to', () => {
    const one = open();
    const { connection } = one;
    connection.send(TEXT, 'secret', false);
    connection.send(TEXT, LARGE, false);
    connection.sendPrepared(new PreparedMessage('prepared'), false);
    connection.beginMessage(false);
    connection.sendFragment(TEXT, 'in frag', false);
    connection.sendFragment(TEXT, 'ments', true);
    connection.send(TEXT, 'secret, but compressed');
    expect(short(one.read())).toEqual([
      'plain secret',
      PLAIN,
      'plain prepared',
      'plain in fragments in 2',
      'deflated secret, but compressed',
    ]);
  });

  it('sends as it is what would only grow, where nothing refers to it', () => {
    const random = Buffer.from(noise(400), 'hex');
    const alone = open({ terms: { ownTakeover: false } });
    alone.connection.send(BINARY, random);
    expect(alone.sent().map(({ rsv }) => rsv)).toEqual([0]);
    const kept = open();
    kept.connection.send(BINARY, random);
    kept.connection.send(BINARY, random);
    const frames = kept.sent();
    expect(frames.map(({ rsv }) => rsv)).toEqual([4, 4]);
    expect(frames[1]!.payload.length).toBeLessThan(50);
  });

  it('compresses fragments as one message: RSV1 stands on the first frame alone', () => {
    const one = open();
    const { connection } = one;
    connection.beginMessage();
    connection.sendFragment(TEXT, 'one ', false);
    connection.ping();
    connection.sendFragment(TEXT, '', false);
    connection.sendFragment(TEXT, 'one two', false);
    connection.sendFragment(TEXT, '', true);
    connection.send(TEXT, 'one two three');
    const frames = one.sent();
    expect(frames.map(({ fin, rsv, opcode }) => [fin, rsv, opcode])).toEqual([
      [false, 4, TEXT],
      [true, 0, PING],
      [false, 0, 0],
      [false, 0, 0],
      [true, 0, 0],
      [true, 4, TEXT],
    ]);
    expect(one.read()).toEqual([
      'control 9 ',
      'deflated one one two in 4',
      'deflated one two three',
    ]);
  });

  it('compresses a message that is a single fragment, or an empty one', () => {
    const one = open();
    for (const text of ['alone', '']) {
      one.connection.beginMessage();
      one.connection.sendFragment(TEXT, text, true);
    }
    expect(one.read()).toEqual(['deflated alone', 'deflated ']);
  });

  it('compresses no fragments that began without beginMessage', () => {
    const one = open();
    one.connection.sendFragment(TEXT, 'a', false);
    one.connection.sendFragment(TEXT, 'b', true);
    one.connection.send(TEXT, 'c');
    expect(one.read()).toEqual(['plain ab in 2', 'deflated c']);
  });

  it('sends large messages in the order in which they came, among all others', async () => {
    const one = open();
    const { connection } = one;
    const texts = ['small', LARGE, 'behind', LARGE.slice(1), 'and behind that'];
    for (const text of texts) connection.send(TEXT, text);
    connection.sendPrepared(new PreparedMessage('prepared '.repeat(9)));
    connection.send(TEXT, 'plain', false);
    connection.sendPrepared(new PreparedMessage(LARGE));
    connection.send(TEXT, 'the last');
    expect(one.sent()).toHaveLength(1);
    await jobs.idle();
    const deflated = [...texts, 'prepared '.repeat(9)].map((text) => `deflated ${text}`);
    expect(short(one.read())).toEqual(
      short([...deflated, 'plain plain', `deflated ${LARGE}`, 'deflated the last']),
    );
    expect(connection.bufferedAmount).toBe(0);
    expect(connection.isInMessage).toBe(false);
  });

  it('grants turns behind a large message, and sends their fragments there', async () => {
    const one = open();
    const { connection } = one;
    const granted: boolean[] = [];
    connection.send(TEXT, LARGE);
    connection.takeTurn((turn) => {
      granted.push(turn);
      connection.beginMessage();
    });
    connection.send(TEXT, 'behind');
    expect([granted, connection.isInMessage]).toEqual([[], true]);
    await one.worked();
    expect(granted).toEqual([true]);
    connection.sendFragment(TEXT, 'fragment', false);
    connection.sendFragment(TEXT, 's', true);
    expect(short(one.read())).toEqual([DEFLATED, 'deflated fragments in 2', 'deflated behind']);
  });

  it('never tears a large message, nor fragments that are sent without a turn', async () => {
    const one = open();
    const { connection } = one;
    connection.send(TEXT, LARGE);
    connection.sendFragment(TEXT, 'frag', false);
    await jobs.idle();
    connection.sendFragment(TEXT, 'ments', true);
    expect(short(one.read())).toEqual([DEFLATED, 'plain fragments in 2']);
  });

  it('sends control frames before a large message that is compressed', async () => {
    const one = open();
    one.connection.send(TEXT, LARGE);
    expect(one.connection.ping(Buffer.from('p'))).toBe(true);
    one.receiveFrames({ opcode: PING, payload: 'answer me' });
    await one.worked();
    await Promise.resolve();
    expect(short(one.read())).toEqual(['control 9 p', 'control 10 answer me', DEFLATED]);
  });

  it('asks for a flush when a large message is compressed', async () => {
    const one = open();
    one.flushes = false;
    one.connection.send(TEXT, LARGE);
    one.connection.send(TEXT, 'behind');
    one.connection.flush();
    const before = one.pendings;
    await one.worked();
    expect(one.pendings).toBe(before + 1);
    expect(short(one.read())).toEqual([DEFLATED, 'deflated behind']);
  });

  it('counts a large message as buffered, and tells when it has gone', async () => {
    const one = open({ limits: { highWaterMark: 39_999 } });
    const { connection } = one;
    expect(connection.send(TEXT, LARGE)).toBe(false);
    expect(connection.bufferedAmount).toBeGreaterThanOrEqual(40_000);
    expect(connection.hasRoom()).toBe(false);
    expect(one.log).toEqual([]);
    await vi.waitFor(() => expect(one.log).toEqual(['drain']));
    expect([connection.bufferedAmount, connection.hasRoom()]).toEqual([0, true]);
  });

  it('counts the bytes of a large text, not its characters', () => {
    const one = open();
    one.connection.send(TEXT, '€'.repeat(20_000));
    expect(one.connection.bufferedAmount).toBeGreaterThanOrEqual(60_000);
  });

  it('says that there is room below the high-water mark', () => {
    const one = open({ limits: { highWaterMark: 50_000 } });
    expect(one.connection.send(TEXT, LARGE)).toBe(true);
    expect(one.connection.send(TEXT, LARGE)).toBe(false);
  });

  it('fails with 1013 where the policy is to close', () => {
    const one = open({ limits: { maxBackpressure: 60_000 } });
    expect(one.connection.send(TEXT, LARGE)).toBe(true);
    expect(one.connection.send(TEXT, LARGE)).toBe(false);
    expect(one.log).toEqual(['error WS_ERR_READS_TOO_SLOWLY']);
    const closes = one.sent().map(({ payload }) => payload);
    expect(closes.map((payload) => payload.readUInt16BE(0))).toEqual([1013]);
    // It is our compressor that is slow: nothing is said against the peer.
    expect(closes[0]!.toString('utf8', 2)).not.toMatch(/peer|read/);
  });

  it('drops what finds no room beside a large message, where that is the policy', async () => {
    const one = open({ limits: { maxBackpressure: 60_000, backpressurePolicy: 'drop' } });
    const { connection } = one;
    expect(connection.send(TEXT, LARGE)).toBe(true);
    expect(connection.send(TEXT, LARGE)).toBe(false);
    expect(connection.send(TEXT, 'small')).toBe(true);
    expect(connection.dropped).toBe(1);
    await one.worked();
    expect(short(one.read())).toEqual([DEFLATED, 'deflated small']);
  });

  it.each([1_000, 80_000])(
    'sends the latest of %d bytes when a large message has gone, where that is the policy',
    async (size) => {
      const one = open({
        limits: { maxBackpressure: 40_100, highWaterMark: 100, backpressurePolicy: 'latest' },
      });
      const { connection } = one;
      const latest = noise(size, 'latest');
      connection.send(TEXT, LARGE);
      connection.send(TEXT, noise(size, 'older'));
      connection.send(TEXT, latest);
      expect(connection.dropped).toBe(1);
      await vi.waitFor(() => expect(connection.bufferedAmount).toBe(0));
      expect(short(one.read())).toEqual(short([`deflated ${LARGE}`, `deflated ${latest}`]));
    },
  );

  it('drops a large message that is not compressed yet when it closes', async () => {
    const one = open();
    const { connection } = one;
    const granted: boolean[] = [];
    connection.send(TEXT, LARGE);
    connection.send(TEXT, 'behind');
    connection.takeTurn((turn) => granted.push(turn));
    connection.close(1000);
    expect([granted, connection.dropped]).toEqual([[false], 2]);
    await jobs.idle();
    expect(one.sent().map(({ opcode }) => opcode)).toEqual([CLOSE]);
    expect(connection.bufferedAmount).toBe(0);
  });

  it('drops it when the peer closes, whose Close is answered at once', async () => {
    const one = open();
    one.connection.send(TEXT, LARGE);
    one.connection.sendPrepared(new PreparedMessage(LARGE));
    one.receiveFrames({ opcode: CLOSE, payload: closeBody(1000) });
    expect(readFrames(one.transport.wire).map(({ opcode }) => opcode)).toEqual([CLOSE]);
    await jobs.idle();
    expect(one.sent().map(({ opcode }) => opcode)).toEqual([CLOSE]);
  });

  it.each(['terminate', 'receiveTransportClose', 'failInternally'] as const)(
    'drops it after %s',
    async (end) => {
      const one = open();
      one.connection.send(TEXT, LARGE);
      one.connection[end]();
      const wire = one.transport.wire;
      await jobs.idle();
      one.connection.flush();
      expect(one.transport.wire).toEqual(wire);
      expect(one.connection.bufferedAmount).toBe(0);
    },
  );

  it('drops a large prepared message in the same way', async () => {
    for (const end of ['close', 'terminate', 'receiveTransportClose'] as const) {
      const one = open();
      one.connection.sendPrepared(new PreparedMessage(LARGE));
      one.connection[end]();
      await jobs.idle();
      expect(one.sent().map(({ opcode }) => opcode)).toEqual(end === 'close' ? [CLOSE] : []);
    }
  });

  it('still sends large messages when it is only paused', async () => {
    const one = open();
    one.connection.pause();
    one.connection.send(TEXT, LARGE);
    await jobs.idle();
    expect(short(one.read())).toEqual([DEFLATED]);
  });

  it('copies what it compresses later, so that a thread reads nothing that was given away', async () => {
    const one = open();
    const data = Buffer.from(LARGE);
    one.connection.send(BINARY, data);
    one.connection.send(BINARY, data.subarray(0, 20_000));
    data.fill('z');
    await jobs.idle();
    const texts = [LARGE, LARGE.slice(0, 20_000)];
    expect(short(one.read())).toEqual(short(texts.map((text) => `deflated ${text}`)));
  });

  it('fails with 1011 where zlib cannot compress a large message', async () => {
    const one = open();
    vi.spyOn(one.deflate.deflater, 'deflateLater').mockImplementation((_data, done) => {
      setImmediate(() => done(null));
    });
    one.connection.send(TEXT, LARGE);
    one.connection.send(TEXT, 'behind');
    await one.worked();
    expect(one.sent().map(({ payload }) => payload)).toEqual([closeBody(1011)]);
    expect(one.connection.readyState).toBe(READY_STATE.CLOSING);
  });

  it('fails the connection where zlib cannot compress a small one', () => {
    const one = open();
    vi.spyOn(one.deflate.deflater, 'deflate').mockImplementationOnce(() => {
      throw new Error('no memory');
    });
    expect(one.connection.send(TEXT, 'x')).toBe(false);
    expect(one.connection.send(TEXT, 'y')).toBe(false);
    expect(one.connection.readyState).not.toBe(1);
    const [close] = readFrames(one.transport.wire);
    expect([close?.opcode, close?.payload.readUInt16BE(0)]).toEqual([CLOSE, 1011]);
  });
});

describe.each(ROLES)('the end of a %s', (role) => {
  const ends: [string, (one: DeflateConnection) => void][] = [
    ['terminate', (one) => one.connection.terminate()],
    ['the loss of the transport', (one) => one.connection.receiveTransportClose()],
    ['FIN without a Close', (one) => one.connection.receiveEnd()],
    ['a failure of ours', (one) => one.connection.failInternally()],
    ['a fault of the peer', (one) => one.receiveFrames({ rsv: 4, payload: 'bad' })],
    ["the peer's Close", (one) => one.receiveFrames({ opcode: CLOSE, payload: closeBody(1000) })],
    [
      'a clean closing handshake that we begin',
      (one) => {
        one.connection.close(1000);
        one.receiveFrames({ opcode: CLOSE, payload: closeBody(1000) });
      },
    ],
    [
      'too much that waits',
      (one) => {
        one.transport.stuck = true;
        one.transport.highWaterMark = 1;
        for (let count = 0; count < 4; count++) one.connection.send(TEXT, 'x'.repeat(300), false);
      },
    ],
    [
      'a handler that throws',
      (one) => {
        one.during = {
          onMessage: () => {
            throw new Error('of the application');
          },
        };
        expect(() => one.receiveFrames({ payload: 'x' })).toThrow('of the application');
      },
    ],
    [
      'a peer that is silent',
      (one) => {
        for (let count = 0; count < 3; count++) {
          one.clock.advance(40_000);
          one.connection.tick();
        }
      },
    ],
  ];

  it.each(ends)('Jetty #293: frees the memory of zlib: %s', (_, end) => {
    const limits = { maxBackpressure: 1_000, highWaterMark: 1_000 };
    const one = connections.add(new DeflateConnection(role, { limits }));
    one.connection.send(TEXT, 'x');
    one.receiveFrames(one.peer.frame('y'));
    const close = vi.spyOn(one.deflate, 'close');
    const parts = [one.deflate.deflater, one.deflate.inflater(null!, null!)];
    const closes = parts.map((part) => vi.spyOn(part, 'close'));
    expect(close).not.toHaveBeenCalled();
    end(one);
    expect(close).toHaveBeenCalled();
    for (const closed of closes) expect(closed).toHaveBeenCalled();
    // Nothing is made anew.
    expect(one.deflate.compresses(1_000)).toBe(false);
    expect(one.connection.send(TEXT, 'z')).toBe(false);
  });
});
