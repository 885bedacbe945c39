import { describe, expect, it, vi } from 'vitest';
import { READY_STATE } from '../../src/connection/state.ts';
import { closeBody, cuts, hex, peerFrame } from '../support/bytes.ts';
import {
  DEFLATING_ROLES,
  DeflateConnection,
  type DeflateSetup,
  createDeflate,
  followConnections,
  noise,
  short,
} from '../support/deflate-connection.ts';
import { ROLES } from '../support/open-connection.ts';

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** More than is inflated at once, compressed. */
const LARGE = noise(60_000);

const connections = followConnections();

describe.each(DEFLATING_ROLES)('a $role that inflates with $engine', ({ role, keepContexts }) => {
  const open = connections.opener(role, keepContexts);

  it('reads compressed messages among plain ones', () => {
    const one = open();
    const { peer } = one;
    one.receiveFrames(
      peer.frame('Grüße'),
      { payload: 'plain' },
      peer.frame('Grüße, Grüße'),
      peer.frame(Buffer.of(0, 255), { opcode: BINARY }),
      peer.frame(''),
      peer.frame('', { opcode: BINARY }),
    );
    expect(one.log).toEqual([
      'text Grüße',
      'text plain',
      'text Grüße, Grüße',
      'binary 00ff',
      'text ',
      'binary ',
    ]);
  });

  it('joins the fragments of a compressed message, with control frames between them', () => {
    const one = open();
    const payload = one.peer.deflate('a message in three fragments');
    one.receiveFrames(
      { fin: false, rsv: 4, payload: payload.subarray(0, 3) },
      { opcode: PING, payload: 'p' },
      { fin: false, opcode: 0, payload: '' },
      { opcode: PONG, payload: 'q' },
      { fin: true, opcode: 0, payload: payload.subarray(3) },
      one.peer.frame('and the next message'),
    );
    expect(one.log).toEqual([
      'ping p',
      'pong q',
      'text a message in three fragments',
      'text and the next message',
    ]);
  });

  it('takes a last fragment of no bytes', () => {
    const one = open();
    const payload = one.peer.deflate('all is in the first');
    one.receiveFrames({ fin: false, rsv: 4, payload }, { opcode: 0 }, one.peer.frame('next'));
    expect(one.log).toEqual(['text all is in the first', 'text next']);
  });

  it.each([7, 32, 64, 1_000])('takes maxPayload noise in fragments of %d bytes', async (size) => {
    const maxPayload = 10_000;
    const one = open({ limits: { maxPayload } });
    const { deflater } = createDeflate();
    const bytes = Buffer.from(noise(2 * maxPayload), 'hex');
    for (let at = 0; at < maxPayload; at += size) {
      const fin = at + size >= maxPayload;
      const payload = deflater.deflatePart(bytes.subarray(at, at + size), fin);
      one.receiveFrames({ fin, rsv: at === 0 ? 4 : 0, opcode: at === 0 ? 2 : 0, payload });
    }
    deflater.close();
    await vi.waitFor(() => expect(one.log.length).toBe(1));
    expect(short(one.log)).toEqual(short([`binary ${bytes.toString('hex')}`]));
  });

  it('reads the same however the wire is cut', async () => {
    const one = open({ terms: { peerTakeover: false } });
    const wire = Buffer.concat([
      peerFrame(role, one.peer.frame('a€')),
      peerFrame(role, { opcode: PING, payload: 'p' }),
      peerFrame(role, one.peer.frame('b')),
    ]);
    for (const chunks of cuts(wire)) {
      one.log.splice(0);
      // What was inflated in one turn would be too much for it.
      await new Promise(setImmediate);
      for (const chunk of chunks) one.receive(chunk);
      expect(one.log).toEqual(['text a€', 'ping p', 'text b']);
    }
  });

  it.each([
    ['a continuation', { fin: false, payload: 'a' }, { opcode: 0, rsv: 4, payload: 'b' }],
    ['a Ping', { payload: 'a' }, { opcode: PING, rsv: 4 }],
    ['a Pong', { payload: 'a' }, { opcode: PONG, rsv: 4 }],
    ['a Close', { payload: 'a' }, { opcode: CLOSE, rsv: 4 }],
  ])('refuses RSV1 on %s', (_, before, frame) => {
    const one = open();
    one.receiveFrames(before, frame);
    expect(one.log.at(-1)).toBe('error WS_ERR_RESERVED_BITS');
    expect(one.sent().at(-1)!.payload.subarray(0, 2)).toEqual(closeBody(1002));
  });

  it.each([1, 2, 3, 5, 6, 7])('refuses the other reserved bits beside RSV1: %d', (rsv) => {
    const one = open();
    one.receiveFrames({ rsv, payload: hex('00') });
    expect(one.log).toEqual(['error WS_ERR_RESERVED_BITS']);
  });

  it.each([
    ['bytes that are no compressed data', hex('ff ff ff')],
    ['a message that was cut', hex('f2 48 cd c9')],
    ['nothing at all', hex('')],
  ])('fails with 1007 for %s', (_, payload) => {
    const one = open();
    one.receiveFrames({ rsv: 4, payload });
    expect(one.log).toEqual(['error WS_ERR_INVALID_DEFLATE']);
    expect(one.sent()[0]!.payload.subarray(0, 2)).toEqual(closeBody(1007));
    expect(one.transport.ended).toBe(true);
  });

  it('fails with 1007 for a text that is not UTF-8 when it is inflated', () => {
    const one = open();
    one.receiveFrames(one.peer.frame(hex('ff'), { opcode: BINARY }), one.peer.frame(hex('ff')));
    expect(one.log).toEqual(['binary ff', 'error WS_ERR_INVALID_UTF8']);
  });

  it('fails with 1007 for a text that ends within a character', () => {
    const one = open();
    one.receiveFrames(one.peer.frame(Buffer.from('€').subarray(0, 2)));
    expect(one.log).toEqual(['error WS_ERR_INVALID_UTF8']);
  });

  it('counts frames, and not what comes out of them', () => {
    const one = open({ limits: { maxFragments: 3 } });
    const payload = one.peer.deflate('x'.repeat(1_000));
    const first = { fin: false, rsv: 4, payload };
    one.receiveFrames(first, { fin: false, opcode: 0 }, { opcode: 0 });
    expect(short(one.log)).toEqual(short([`text ${'x'.repeat(1_000)}`]));
    one.receiveFrames(first, { fin: false, opcode: 0 }, { fin: false, opcode: 0 }, { opcode: 0 });
    expect(one.log.at(-1)).toBe('error WS_ERR_TOO_MANY_FRAGMENTS');
  });

  it('lets a message have maxPayload bytes when it is inflated, and not one more', () => {
    for (const size of [999, 1_000, 1_001]) {
      const one = open({ limits: { maxPayload: 1_000 } });
      one.receiveFrames(one.peer.frame('x'.repeat(size)));
      const isTooBig = size > 1_000;
      expect(one.log).toEqual([
        isTooBig ? 'error WS_ERR_MESSAGE_TOO_BIG' : `text ${'x'.repeat(size)}`,
      ]);
      if (isTooBig) expect(one.sent()[0]!.payload.subarray(0, 2)).toEqual(closeBody(1009));
    }
  });

  it('lets what cannot be compressed be as large as any other message', () => {
    const data = Buffer.from(noise(2_000), 'hex');
    const one = open({ limits: { maxPayload: data.length } });
    const frame = one.peer.frame(data, { opcode: BINARY });
    expect(Buffer.from(frame.payload!).length).toBeGreaterThan(data.length);
    one.receiveFrames(frame);
    expect(one.log).toEqual([`binary ${data.toString('hex')}`]);
  });

  it('fails with 1009 where so much is announced as no message can need', () => {
    const one = open({ limits: { maxPayload: 1_000 } });
    const wire = peerFrame(role, { rsv: 4, payload: Buffer.alloc(2_000) });
    one.receive(wire.subarray(0, 10));
    expect(one.log).toEqual(['error WS_ERR_MESSAGE_TOO_BIG']);
  });

  it('counts what is announced over the fragments of a message, and anew for the next', () => {
    const one = open({ limits: { maxPayload: 1_000 } });
    for (let count = 0; count < 3; count++) {
      one.receiveFrames(one.peer.frame(noise(1_000, `${count}`)));
    }
    expect(one.log).toHaveLength(3);
    // Empty stored blocks give nothing, and cost.
    const payload = Buffer.concat(Array.from({ length: 100 }, () => hex('00 00 00 ff ff')));
    one.receiveFrames({ fin: false, rsv: 4, payload }, { fin: false, opcode: 0, payload });
    expect(one.log).toHaveLength(3);
    one.receiveFrames({ fin: false, opcode: 0, payload });
    expect(one.log.at(-1)).toBe('error WS_ERR_MESSAGE_TOO_BIG');
  });

  it('gives a compressed message in pieces where that was asked for', () => {
    const one = open();
    one.connection.giveInPieces(true);
    const payload = one.peer.deflate('€ in pieces');
    one.receiveFrames(
      { fin: false, rsv: 4, payload: payload.subarray(0, 4) },
      { opcode: 0, payload: payload.subarray(4) },
    );
    const text = one.log.map((entry) => entry.replace(/^(?:last )?piece /, '')).join('');
    expect(text).toBe('€ in pieces');
    expect(one.log.at(-1)).toMatch(/^last /);
    expect(one.log.slice(0, -1).some((entry) => entry.startsWith('last'))).toBe(false);
  });

  it('bounds what is given in pieces by maxPayload', () => {
    const one = open({ limits: { maxPayload: 100 } });
    one.connection.giveInPieces(true);
    one.receiveFrames(one.peer.frame('x'.repeat(100)), one.peer.frame('x'.repeat(101)));
    expect(one.log.filter((entry) => !entry.startsWith('piece '))).toEqual([
      `last piece ${'x'.repeat(100)}`,
      'error WS_ERR_MESSAGE_TOO_BIG',
    ]);
  });

  it('drops what comes behind its own Close, without inflating it', () => {
    const one = open();
    one.receiveFrames(one.peer.frame('before'));
    const push = vi.spyOn(one.deflate, 'inflater');
    one.connection.close(1000);
    one.receiveFrames(
      one.peer.frame('behind'),
      { rsv: 4, payload: hex('ff ff') },
      { fin: false, rsv: 4, payload: hex('f2 48') },
      { opcode: PING },
      { opcode: 0, payload: '' },
      { opcode: CLOSE, payload: closeBody(1000) },
    );
    expect(push).not.toHaveBeenCalled();
    one.end();
    expect(one.log).toEqual(['text before', 'close 1000  clean']);
  });

  it('drops the rest of a message in whose midst it closes', () => {
    const one = open();
    const payload = one.peer.deflate('never seen as a whole');
    one.receiveFrames({ fin: false, rsv: 4, payload: payload.subarray(0, 5) });
    one.connection.close(1000);
    one.receiveFrames(
      { opcode: 0, payload: payload.subarray(5) },
      { payload: 'plain' },
      { opcode: CLOSE, payload: closeBody(1000) },
    );
    one.end();
    expect(one.log).toEqual(['close 1000  clean']);
  });

  it('still inflates behind its own Close where it was asked to receive', () => {
    const one = open();
    one.connection.close(1000, '', true);
    one.receiveFrames(one.peer.frame('behind'), { opcode: CLOSE, payload: closeBody(1000) });
    expect(one.log).toEqual(['text behind']);
  });

  it('may be closed, or ended, by the handler that is given a message', () => {
    for (const act of ['close', 'terminate'] as const) {
      const one = open();
      one.during = { onMessage: () => one.connection[act]() };
      one.receiveTogether(one.peer.frame('first'), one.peer.frame('second'));
      expect(one.log).toEqual(['text first']);
    }
  });

  it('may send from inside the handler while what it was given still means the same', () => {
    const one = open();
    const seen: string[] = [];
    one.during = {
      onMessage: (_opcode, source, start, end) => {
        one.connection.send(TEXT, 'something else, and longer than that');
        seen.push(source.toString('utf8', start, end));
      },
    };
    one.receiveFrames(one.peer.frame('first, first'), one.peer.frame('second, first'));
    expect(seen).toEqual(['first, first', 'second, first']);
  });

  it('fails with 1011 where the handler throws, and receive throws it on', () => {
    const one = open();
    one.during = {
      onMessage: () => {
        throw new Error('of the application');
      },
    };
    expect(() => one.receiveFrames(one.peer.frame('x'))).toThrow('of the application');
    expect(one.sent()[0]!.payload).toEqual(closeBody(1011));
    expect(one.log).toEqual(['text x']);
  });

  it('keeps apart what two connections were sent before', () => {
    const [one, other] = [open(), open()];
    for (const text of ['the secret of one', 'the secret of one, again']) {
      one.receiveFrames(one.peer.frame(text));
      other.receiveFrames(other.peer.frame(text.replace('one', 'another')));
    }
    expect(one.log).toEqual(['text the secret of one', 'text the secret of one, again']);
    expect(other.log).toEqual(['text the secret of another', 'text the secret of another, again']);
  });

  it.each([9, 12, 15])('keeps to the window of %d bits that was agreed on', (peerWindowBits) => {
    const one = open({ terms: { peerWindowBits } });
    const texts = [noise(5_000), noise(5_000), noise(700)];
    one.receiveFrames(...texts.map((text) => one.peer.frame(text)));
    expect(one.log).toEqual(texts.map((text) => `text ${text}`));
  });

  it('reads large messages between small ones in their order', async () => {
    const one = open();
    const texts = ['before', LARGE, 'between', LARGE.slice(1), 'behind'];
    one.receiveTogether(...texts.map((text) => one.peer.frame(text)));
    expect(one.log).toEqual(['text before']);
    await one.worked();
    await one.worked();
    expect(short(one.log)).toEqual(short(texts.map((text) => `text ${text}`)));
    expect(one.connection.readyState).toBe(READY_STATE.OPEN);
  });
});

describe.each(ROLES)('a %s that inflates as the bytes come', (role) => {
  function open(setup: DeflateSetup = {}): DeflateConnection {
    return connections.add(new DeflateConnection(role, setup));
  }

  it('fails with 1007 for invalid UTF-8 before the message ends', () => {
    const one = open();
    const payload = one.peer.deflate(Buffer.concat([hex('61 ff'), Buffer.from(noise(500))]));
    one.receiveFrames({ fin: false, rsv: 4, payload });
    expect(one.log).toEqual(['error WS_ERR_INVALID_UTF8']);
  });

  it('fails with 1007 for invalid UTF-8 before the frame ends', () => {
    const one = open();
    const payload = one.peer.deflate(Buffer.concat([hex('61 ff'), Buffer.from(noise(2_000))]));
    const wire = peerFrame(role, { rsv: 4, payload });
    for (const byte of wire.subarray(0, -100)) one.receive(Buffer.of(byte));
    expect(one.log).toEqual(['error WS_ERR_INVALID_UTF8']);
  });

  it('fails with 1007 for bad data before the message ends', () => {
    const one = open();
    one.receiveFrames({ fin: false, rsv: 4, payload: hex('ff ff ff') });
    expect(one.log).toEqual(['error WS_ERR_INVALID_DEFLATE']);
  });

  it('fails with 1009 for a message that grows too large before it ends', () => {
    const one = open({ limits: { maxPayload: 10_000 } });
    const payload = one.peer.deflate('x'.repeat(10_001));
    one.receiveFrames({ fin: false, rsv: 4, payload });
    expect(one.log).toEqual(['error WS_ERR_MESSAGE_TOO_BIG']);
  });

  it('gives pieces as they come', () => {
    const one = open();
    one.connection.giveInPieces(true);
    const first = one.peer.deflate('first');
    one.receiveFrames({ fin: false, rsv: 4, payload: Buffer.concat([first, hex('00 00 ff ff')]) });
    expect(one.log).toEqual(['piece first']);
    one.receiveFrames({ opcode: 0, payload: hex('00') });
    expect(one.log).toEqual(['piece first', 'last piece ']);
  });

  it('gives pieces that the receiver may keep where they are large', () => {
    const one = open();
    one.connection.giveInPieces(true);
    const kept: Buffer[] = [];
    one.during = {
      onPiece: (_opcode, source, start, end) => kept.push(source.subarray(start, end)),
    };
    const texts = ['a', 'b'].map((letter) => letter.repeat(20_000));
    one.receiveFrames(...texts.map((text) => one.peer.frame(text)));
    expect(short(kept.map(String))).toEqual(short(texts));
  });
});
