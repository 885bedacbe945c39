/** RFC 7692, sections 6, 7.2 and 8: how messages are compressed, sent and read. */
import { afterEach, describe, expect, it } from 'vitest';
import { OPCODE } from '../../src/frame/opcode.ts';
import { hex, peerFrame } from '../support/bytes.ts';
import {
  DeflateConnection,
  type DeflateSetup,
  noise,
  short,
} from '../support/deflate-connection.ts';
import { inflateAlone } from '../support/deflate-reference.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';
import { openPair } from '../support/open-pair.ts';

/** "Hello", compressed as section 7.2.3 shows it: the first time, and when it came before. */
const HELLO = 'f2 48 cd c9 c9 07 00';
const HELLO_AGAIN = 'f2 00 11 00 00';

const opened: DeflateConnection[] = [];

afterEach(() => {
  for (const one of opened.splice(0)) one.end();
});

function open(role: 'client' | 'server', setup: DeflateSetup = {}): DeflateConnection {
  const one = new DeflateConnection(role, setup);
  opened.push(one);
  return one;
}

/** The code of the Close that was sent. */
function closeCode(one: DeflateConnection): number {
  return one.sent().at(-1)!.payload.readUInt16BE(0);
}

describe.each(ROLES)('section 6 (%s)', (role) => {
  it(`7692-6.1-01 ${role}: sets RSV1 on the first frame of a compressed message alone`, () => {
    const one = open(role);
    const { connection } = one;
    connection.beginMessage();
    connection.sendFragment(OPCODE.TEXT, 'one', false);
    connection.ping(Buffer.from('ping'));
    connection.sendFragment(OPCODE.TEXT, 'two', false);
    connection.pong(Buffer.from('pong'));
    connection.sendFragment(OPCODE.TEXT, 'three', true);
    connection.send(OPCODE.TEXT, 'four');
    connection.close(1000);
    expect(one.sent().map(({ opcode, rsv, fin }) => [opcode, rsv, fin])).toEqual([
      [OPCODE.TEXT, 4, false],
      [OPCODE.PING, 0, true],
      [OPCODE.CONTINUATION, 0, false],
      [OPCODE.PONG, 0, true],
      [OPCODE.CONTINUATION, 0, true],
      [OPCODE.TEXT, 4, true],
      [OPCODE.CLOSE, 0, true],
    ]);
  });

  it(`7692-6.1-02 ${role}: compresses a message as a whole, and sets no RSV1 on a plain one`, () => {
    const one = open(role, { terms: { ownTakeover: false } });
    const text = noise(3_000);
    one.connection.beginMessage();
    one.connection.sendFragment(OPCODE.TEXT, text, false);
    one.connection.sendFragment(OPCODE.TEXT, text, true);
    one.connection.send(OPCODE.TEXT, 'plain', false);
    const [first, second, plain] = one.sent();
    // The second refers to the first.
    expect(second!.payload.length).toBeLessThan(first!.payload.length / 2);
    const joined = Buffer.concat([first!.payload, second!.payload]);
    expect(short([inflateAlone(joined).toString()])).toEqual(short([text + text]));
    expect([plain!.rsv, plain!.payload.toString()]).toEqual([0, 'plain']);
  });

  it(`7692-6.1-03 ${role}: may send any message as it is, and takes such`, () => {
    const one = open(role, { options: { threshold: 10 } });
    one.connection.send(OPCODE.TEXT, 'small');
    one.connection.send(OPCODE.TEXT, 'large enough');
    one.connection.send(OPCODE.TEXT, 'large enough', false);
    expect(one.sent().map(({ rsv }) => rsv)).toEqual([0, 4, 0]);
    one.receiveFrames({ payload: 'plain' }, { rsv: 4, payload: hex(HELLO) }, { payload: 'plain' });
    expect(one.log).toEqual(['text plain', 'text Hello', 'text plain']);
  });

  it(`7692-6.2-01 ${role}: inflates the joined payload where RSV1 is set, and nothing else`, () => {
    const one = open(role);
    one.receiveFrames(
      { fin: false, rsv: 4, payload: hex('f2 48 cd') },
      { opcode: OPCODE.PING },
      { fin: false, opcode: 0, payload: '' },
      { opcode: 0, payload: hex('c9 c9 07 00') },
      { payload: 'Hello' },
    );
    expect(one.log).toEqual(['ping ', 'text Hello', 'text Hello']);
    for (const opcode of [OPCODE.CONTINUATION, OPCODE.PING, OPCODE.PONG, OPCODE.CLOSE]) {
      const other = open(role);
      other.receiveFrames({ fin: false, payload: 'begun' }, { opcode, rsv: 4 });
      expect(other.log).toEqual(['error WS_ERR_RESERVED_BITS']);
      expect(closeCode(other)).toBe(1002);
    }
  });
});

describe.each(ROLES)('section 7.2 (%s)', (role) => {
  it(`7692-7.2.1-01 ${role}: ends a message with an empty block whose last 4 bytes are left out`, () => {
    const texts = ['Hello', 'x'.repeat(500), noise(5_000)];
    const payloads = texts.map((text) => {
      const one = open(role);
      one.connection.send(OPCODE.TEXT, text);
      return one.sent()[0]!.payload;
    });
    expect(payloads[0]).toEqual(hex(HELLO));
    for (const [at, payload] of payloads.entries()) {
      expect(payload.subarray(-4)).not.toEqual(hex('00 00 ff ff'));
      // With them it is whole, and ends with a byte.
      expect(short([inflateAlone(payload).toString()])).toEqual(short([texts[at]!]));
    }
  });

  it(`7692-7.2.1-02 ${role}: sends blocks of any type, several in a message, which all are read`, () => {
    const one = open(role);
    // What is stored, what has codes of its own, and what is flushed between fragments.
    const random = Buffer.from(noise(8_000), 'hex');
    one.connection.beginMessage();
    one.connection.sendFragment(OPCODE.BINARY, random, false);
    one.connection.sendFragment(OPCODE.BINARY, 'x'.repeat(5_000), false);
    one.connection.sendFragment(OPCODE.BINARY, noise(5_000), true);
    const payload = Buffer.concat(one.sent().map((frame) => frame.payload));
    const data = Buffer.concat([random, Buffer.from('x'.repeat(5_000)), Buffer.from(noise(5_000))]);
    expect(one.peer.inflate(payload).equals(data)).toBe(true);
    // The mirror: "Hello" as a stored block, and one with codes of its own behind an empty one.
    one.receiveFrames(
      { rsv: 4, payload: hex('00 05 00 fa ff 48 65 6c 6c 6f 00') },
      { rsv: 4, payload: hex(`00 00 00 ff ff 00 00 00 ff ff ${HELLO}`) },
    );
    expect(one.log).toEqual(['text Hello', 'text Hello']);
  });

  it(`7692-7.2.1-03 ${role}: sends an empty message as one byte`, () => {
    const one = open(role);
    one.connection.send(OPCODE.TEXT, '');
    one.connection.beginMessage();
    one.connection.sendFragment(OPCODE.TEXT, '', true);
    one.connection.send(OPCODE.TEXT, '');
    expect(one.sent().map(({ rsv, payload }) => [rsv, payload])).toEqual(
      Array.from({ length: 3 }, () => [4, hex('00')]),
    );
  });

  it(`7692-7.2.2-01 ${role}: keeps the window from message to message, if it was agreed`, () => {
    const kept = open(role);
    kept.receiveFrames({ rsv: 4, payload: hex(HELLO) }, { rsv: 4, payload: hex(HELLO_AGAIN) });
    expect(kept.log).toEqual(['text Hello', 'text Hello']);
    const alone = open(role, { terms: { peerTakeover: false } });
    alone.receiveFrames({ rsv: 4, payload: hex(HELLO) }, { rsv: 4, payload: hex(HELLO) });
    alone.receiveFrames({ rsv: 4, payload: hex(HELLO_AGAIN) });
    expect(alone.log).toEqual(['text Hello', 'text Hello', 'error WS_ERR_INVALID_DEFLATE']);
  });

  it(`7692-7.2.2-02 ${role}: goes on behind a block with BFINAL, inside a message and behind it`, () => {
    const final = 'f3 48 cd c9 c9 07 00';
    const one = open(role);
    one.receiveFrames(
      { rsv: 4, payload: hex(`${final} 00`) },
      { rsv: 4, payload: hex(`${final} ${final} ${HELLO}`) },
      { rsv: 4, payload: hex(HELLO) },
    );
    expect(one.log).toEqual(['text Hello', 'text HelloHelloHello', 'text Hello']);
  });

  it.each([
    ['a reserved type of block', '07'],
    ['lengths of a stored block that do not fit', '00 05 00 00 00 48'],
    ['a reference to what was never sent', HELLO_AGAIN],
    ['a message that was cut', 'f2 48 cd c9'],
    ['no bytes', ''],
  ])(`7692-7.2.2-03 ${role}: fails with 1007 for %s`, (_, payload) => {
    const one = open(role);
    one.receiveFrames({ rsv: 4, payload: hex(payload) });
    expect(one.log).toEqual(['error WS_ERR_INVALID_DEFLATE']);
    expect(closeCode(one)).toBe(1007);
    expect(one.transport.ended).toBe(true);
  });

  it(`7692-7.2.2-04 ${role}: bounds what comes out, while it comes`, () => {
    const bomb = 'x'.repeat(10_000_000);
    for (const fin of [true, false]) {
      const one = open(role, { limits: { maxPayload: 1_000 } });
      const payload = one.peer.deflate(bomb).subarray(0, 1_000);
      one.receive(peerFrame(role, { fin, rsv: 4, payload }));
      expect(one.log).toEqual(['error WS_ERR_MESSAGE_TOO_BIG']);
      expect(closeCode(one)).toBe(1009);
    }
  });

  it.each([
    ['7.2.3.1: one block', [`c1 07 ${HELLO}`], ['text Hello']],
    ['7.2.3.1: in two frames', ['41 03 f2 48 cd', '80 04 c9 c9 07 00'], ['text Hello']],
    [
      '7.2.3.2: with the window of the message before',
      [`c1 07 ${HELLO}`, `c1 05 ${HELLO_AGAIN}`],
      ['text Hello', 'text Hello'],
    ],
    ['7.2.3.3: no compression', ['c1 0b 00 05 00 fa ff 48 65 6c 6c 6f 00'], ['text Hello']],
    ['7.2.3.4: BFINAL', ['c1 08 f3 48 cd c9 c9 07 00 00'], ['text Hello']],
    ['7.2.3.5: two blocks', ['c1 0d f2 48 05 00 00 00 ff ff ca c9 c9 07 00'], ['text Hello']],
    ['7.2.3.6: an empty message', ['c1 01 00'], ['text ']],
  ])(`7692-7.2.3-01 ${role}: reads the example of section %s`, (_, wires, log) => {
    const one = open(role);
    for (const wire of wires) {
      const bytes = hex(wire);
      const payload = bytes.subarray(2);
      const [first] = bytes;
      const frame = { fin: first! >= 0x80, rsv: (first! >> 4) & 7, opcode: first! & 15, payload };
      one.receive(peerFrame(role, frame));
    }
    expect(one.log).toEqual(log);
  });
});

describe.each(ROLES)('section 8 (%s)', (role) => {
  it(`7692-8-01 ${role}: compresses nothing where that was not asked for, nor a message that must not be`, async () => {
    const { socket, peer } = await openPair(role);
    const text = 'a secret, and what an attacker chose: a secret, '.repeat(100);
    socket.send(text);
    const [frame] = await peer.readFrames(1);
    expect([frame!.rsv, frame!.payload.toString()]).toEqual([0, text]);
    const core = new OpenConnection(role);
    core.connection.send(OPCODE.TEXT, text, true);
    expect(core.sent()[0]!.rsv).toBe(0);

    const one = open(role);
    one.connection.send(OPCODE.TEXT, 'a secret', false);
    one.connection.send(OPCODE.TEXT, 'chosen by an attacker');
    expect(one.sent().map(({ rsv }) => rsv)).toEqual([0, 4]);
    // What was sent as it is never becomes a part of what is compressed.
    expect(one.read()).toEqual(['plain a secret', 'deflated chosen by an attacker']);
  });
});
