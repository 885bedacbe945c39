import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { MessageStream } from '../../src/connection/message-stream.ts';
import type { SendOptions } from '../../src/connection/socket-options.ts';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { closeBody } from '../support/bytes.ts';
import { ENGINES, noise, short } from '../support/deflate-connection.ts';
import { DeflateSocket, LARGE, prose } from '../support/deflate-live.ts';
import { turns } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';
import { openSocket } from '../support/open-socket.ts';

const WAYS = ENGINES.flatMap(({ engine, keepContexts }) =>
  ROLES.map((role) => ({ engine, keepContexts, role })),
);

async function* slowly<Piece>(pieces: readonly Piece[]): AsyncGenerator<Piece> {
  for (const piece of pieces) {
    await turns(1);
    yield piece;
  }
}

describe.each(WAYS)('a $role with permessage-deflate, by $engine,', ({ role, keepContexts }) => {
  const open = (takeover = true, threshold = 0): Promise<DeflateSocket> =>
    DeflateSocket.open(role, {
      options: { keepContexts, threshold },
      terms: { ownTakeover: takeover, peerTakeover: takeover },
    });

  it.each([true, false])(
    'sends messages of every kind in the order in which they were given (takeover: %s)',
    async (takeover) => {
      const deflating = await open(takeover);
      const { socket } = deflating;
      socket.send('a small one, a small one');
      socket.send(LARGE);
      socket.send(Buffer.from('bytes, bytes, bytes, bytes'));
      socket.send(new PreparedMessage('prepared, prepared, prepared'));
      void socket.send(slowly(['from an', ' iterable', ' from an', ' iterable']));
      socket.send(new PreparedMessage(`prepared ${LARGE}`));
      void socket.send(new Blob([LARGE]));
      socket.send('the last, the last, the last, the last');
      expect(short(await deflating.readMany(8))).toEqual(
        short([
          'deflated a small one, a small one',
          `deflated ${LARGE}`,
          'deflated bytes, bytes, bytes, bytes',
          'deflated prepared, prepared, prepared',
          'deflated from an iterable from an iterable in 5',
          `deflated prepared ${LARGE}`,
          `deflated ${LARGE} in 3`,
          'deflated the last, the last, the last, the last',
        ]),
      );
    },
  );

  it.each([true, false])(
    'gives out what the peer has compressed, small and large (takeover: %s)',
    async (takeover) => {
      const deflating = await open(takeover);
      const { socket } = deflating;
      const messages: unknown[] = [];
      const done = new Promise<void>((resolve) => {
        socket.on('message', (message, binary) => {
          messages.push([message.toString(), binary]);
          if (message.length === 0) resolve();
        });
      });
      const text = noise(60_000);
      await deflating.send('small', LARGE, Buffer.from(text), 'small', text, '');
      await done;
      expect(messages).toEqual([
        ['small', false],
        [LARGE, false],
        [text, true],
        ['small', false],
        [text, false],
        ['', false],
      ]);
    },
  );

  it('is iterated over, and streams what is compressed', async () => {
    const deflating = await open();
    const sending = deflating.send('one', LARGE, 'three');
    const messages: unknown[] = [];
    for await (const message of deflating.socket) {
      messages.push(message);
      if (messages.length === 3) break;
    }
    expect(messages).toEqual(['one', LARGE, 'three']);
    await sending;

    const streamed = new Promise<MessageStream>((resolve) => {
      deflating.socket.on('stream', resolve);
    });
    await deflating.send(`streamed ${LARGE}`);
    let text = '';
    for await (const piece of await streamed) text += piece.toString();
    expect(text).toBe(`streamed ${LARGE}`);
  });

  it('waits for what is compressed elsewhere: flushed, drained and close', async () => {
    const deflating = await open();
    const { socket } = deflating;
    expect(socket.send(LARGE)).toBe(false);
    expect(socket.bufferedAmount).toBeGreaterThanOrEqual(LARGE.length);
    const drains: string[] = [];
    socket.on('drain', () => drains.push('drain'));
    await socket.drained();
    expect(drains).toEqual(['drain']);
    expect(await deflating.read()).toBe(`deflated ${LARGE}`);

    socket.send(`2 ${LARGE}`);
    socket.send('and a small one behind');
    await socket.flushed();
    expect(socket.bufferedAmount).toBe(0);
    expect(await deflating.readMany(2)).toEqual([
      `deflated 2 ${LARGE}`,
      'deflated and a small one behind',
    ]);

    socket.send(`3 ${LARGE}`);
    void socket.close(4000, 'done');
    expect(socket.readyState).toBe(2);
    expect(socket.send('too late')).toBe(false);
    expect(await deflating.read()).toBe(`deflated 3 ${LARGE}`);
    expect(await deflating.frame()).toMatchObject({ opcode: 8, rsv: 0 });
    expect(socket.dropped).toBe(0);
  });

  it('ends as a stream behind what was written to it', async () => {
    const deflating = await open();
    const duplex = deflating.socket.duplex();
    duplex.resume();
    const chunk = prose(30_000);
    duplex.end(chunk);
    expect(await deflating.read()).toBe(`deflated ${chunk}`);
    const { payload } = await deflating.frame();
    expect(payload).toEqual(closeBody(1000));
    await deflating.sendFrames({ opcode: 8, payload });
    deflating.peer.end();
    expect(await deflating.closed).toEqual([1000, '', true]);
  });
});

describe.each(ROLES)('a %s with permessage-deflate', (role) => {
  it('sends what it was told not to compress as it is, in every form', async () => {
    const deflating = await DeflateSocket.open(role);
    const { socket } = deflating;
    const plain: SendOptions = { compress: false };
    const text = 'again and again and again';
    socket.send(text, plain);
    socket.send(Buffer.from(text), plain);
    socket.sendText(text, plain);
    socket.sendBinary(text, plain);
    socket.send(new PreparedMessage(text), plain);
    void socket.send([text], plain);
    void socket.sendText(new Blob([text]), plain);
    void socket.sendBinary([text], plain);
    socket.send(LARGE, plain);
    socket.send(text, {});
    socket.send(text, { compress: undefined });
    socket.sendText(text, { compress: true });
    void socket.sendBinary(new Blob([text]), { compress: true });
    void socket.sendText([Buffer.from(text)], { compress: true });
    expect(short(await deflating.readMany(14))).toEqual(
      short([
        `plain ${text}`,
        `plain ${text}`,
        `plain ${text}`,
        `plain ${text}`,
        `plain ${text}`,
        `plain ${text} in 2`,
        `plain ${text} in 2`,
        `plain ${text} in 2`,
        `plain ${LARGE}`,
        `deflated ${text}`,
        `deflated ${text}`,
        `deflated ${text}`,
        `deflated ${text} in 2`,
        `deflated ${text} in 2`,
      ]),
    );
  });

  it('compresses what has pieces as one message, of which the first frame has RSV1', async () => {
    const deflating = await DeflateSocket.open(role, { options: { threshold: 1024 } });
    const { socket } = deflating;
    const pieces = ['Grüße, \ud83d', '\ude00 ', LARGE, '', ' Grüße, \ud83d\ude00'];
    // Its size is not known before, so the threshold does not count.
    void socket.send(slowly(pieces));
    const [whole] = short([await deflating.read()]);
    const fragments = 6;
    expect(whole).toBe(short([`deflated Grüße, 😀 ${LARGE} Grüße, 😀 in ${fragments}`])[0]);
    void socket.send(Readable.from([Buffer.from('a stream'), Buffer.from(' of Node')]));
    void socket.send(slowly([]));
    void socket.send(['']);
    void socket.send(new Blob([]));
    const messages = await deflating.readMany(4);
    expect(messages[0]).toBe('deflated a stream of Node in 3');
    expect(messages.slice(1).map((message) => message.split(' ')[0])).toEqual([
      'deflated',
      'deflated',
      'deflated',
    ]);
    expect(messages.slice(1).join('')).not.toMatch(/words|Grüße/);
  });

  it('compresses no pieces where the window is too small, or the threshold never reached', async () => {
    const small = await DeflateSocket.open(role, { terms: { ownWindowBits: 8 } });
    void small.socket.send(['pieces, ', 'pieces']);
    small.socket.send(LARGE);
    expect(await small.readMany(2)).toEqual(['plain pieces, pieces in 3', `plain ${LARGE}`]);
  });

  it('leaves a connection intact whose pieces throw: 1011, and nothing else', async () => {
    const deflating = await DeflateSocket.open(role);
    const { socket } = deflating;
    const errors: unknown[] = [];
    socket.on('error', (error) => errors.push(error));
    const failure = new Error('no more pieces');
    async function* failing(): AsyncGenerator<string> {
      yield 'the first piece';
      throw failure;
    }
    expect(await socket.send(failing())).toBe(false);
    expect(errors).toEqual([failure]);
    expect(await deflating.frame()).toMatchObject({ opcode: 1, fin: false, rsv: 4 });
    expect((await deflating.frame()).payload.readUInt16BE()).toBe(1011);
  });

  it('has what was agreed on in `extensions`, and without an agreement nothing', async () => {
    const { socket } = await DeflateSocket.open(role);
    expect(socket.extensions).toBe('permessage-deflate');
    const other = await openSocket(role, { deflate: true });
    expect(other.socket.extensions).toBe('');
    // The option alone changes nothing.
    other.socket.send(LARGE);
    expect(await other.frame()).toMatchObject({ rsv: 0 });
    await other.dispose();
  });

  it('gives out texts as bytes where that was asked for', async () => {
    const deflating = await DeflateSocket.open(role, { socketOptions: { text: 'buffer' } });
    const messages: unknown[] = [];
    const done = new Promise<void>((resolve) => {
      deflating.socket.on('message', (...values) => {
        messages.push(values);
        if (messages.length === 3) resolve();
      });
    });
    await deflating.send('small', LARGE, 'small');
    await done;
    // Nobody overwrites them.
    expect(messages).toEqual([
      [Buffer.from('small'), false],
      [Buffer.from(LARGE), false],
      [Buffer.from('small'), false],
    ]);
  });

  it('refuses options of a message that there are not, before it sends anything', async () => {
    const deflating = await DeflateSocket.open(role);
    const { socket } = deflating;
    for (const options of [{ compressed: false }, { fin: true }, null, 5, 'compress']) {
      for (const method of ['send', 'sendText', 'sendBinary'] as const) {
        // @ts-expect-error: the options are wrong on purpose.
        expect(() => socket[method]('text', options)).toThrow(TypeError);
        // @ts-expect-error: here too.
        expect(() => socket[method](['text'], options)).toThrow(TypeError);
      }
    }
    socket.send('the only one');
    expect(await deflating.read()).toBe('deflated the only one');
  });

  it('forgets what is compressed elsewhere when it terminates', async () => {
    const deflating = await DeflateSocket.open(role);
    const { socket } = deflating;
    socket.send(LARGE);
    const flushed = socket.flushed();
    socket.terminate();
    await expect(flushed).rejects.toMatchObject({ code: 'WS_ERR_CONNECTION_CLOSED' });
    expect(await deflating.closed).toEqual([1006, '', false]);
    expect(socket.bufferedAmount).toBe(0);
    expect((await deflating.peer.readToLeave()).length).toBe(0);
  });
});

describe('bytes that are sent', () => {
  it('may be changed at once by a client, also those that a thread compresses', async () => {
    const deflating = await DeflateSocket.open('client');
    const bytes = Buffer.from(LARGE);
    deflating.socket.send(bytes);
    bytes.fill(0);
    const small = Buffer.from('small, small, small');
    deflating.socket.send(small);
    small.fill(0);
    expect(await deflating.readMany(2)).toEqual([
      `deflated ${LARGE}`,
      'deflated small, small, small',
    ]);
  });
});
