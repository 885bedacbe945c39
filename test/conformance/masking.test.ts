/** RFC 6455, section 5.3: masking between client and server. */
import { describe, expect, it } from 'vitest';
import { OPCODE } from '../../src/frame/opcode.ts';
import { hex, maskedFrame, rawFrame, readFrames } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

const FRAMES = 10_000;

describe('masking-keys', () => {
  it('6455-5.3-01 client: masks every frame with a fresh key from a strong source', () => {
    const clients = [new OpenConnection('client'), new OpenConnection('client')];
    for (let i = 0; i < FRAMES; i++) {
      clients[i % 2]!.connection.send(OPCODE.TEXT, 'the same text');
    }
    const keys = clients.flatMap((client) => client.sent()).map(({ key }) => key.readUInt32BE());
    expect(keys).toHaveLength(FRAMES);

    // Of 50 million pairs one in 2^32 is equal by chance: 0.012 of them. Three would be a wonder.
    expect(new Set(keys).size).toBeGreaterThan(FRAMES - 3);

    // 320,000 coins have a standard deviation of 283, and 10,000 for each bit one of 50.
    const onesAt = Array.from({ length: 32 }, () => 0);
    for (const key of keys) {
      for (let bit = 0; bit < 32; bit++) onesAt[bit]! += (key >>> bit) & 1;
    }
    const ones = onesAt.reduce((sum, count) => sum + count, 0);
    expect(Math.abs(ones - 160_000)).toBeLessThan(8 * 283);
    for (const count of onesAt) expect(Math.abs(count - 5_000)).toBeLessThan(8 * 50);
  });

  it('6455-5.3-01 client: lets nobody guess a key from the one before', () => {
    const client = new OpenConnection('client');
    for (let i = 0; i < FRAMES; i++) client.connection.send(OPCODE.BINARY, Buffer.alloc(1));
    const keys = client.sent().map(({ key }) => key.readUInt32BE());
    const differences = new Set<number>();
    const changes = new Set<number>();
    let changedBits = 0;
    for (let i = 1; i < FRAMES; i++) {
      differences.add((keys[i]! - keys[i - 1]!) >>> 0);
      const change = (keys[i]! ^ keys[i - 1]!) >>> 0;
      changes.add(change);
      for (let bit = 0; bit < 32; bit++) changedBits += (change >>> bit) & 1;
    }
    // A counter or a generator of low quality repeats its steps.
    expect(differences.size).toBeGreaterThan(FRAMES - 4);
    expect(changes.size).toBeGreaterThan(FRAMES - 4);
    expect(Math.abs(changedBits - 16 * (FRAMES - 1))).toBeLessThan(8 * 283);
  });

  it('6455-5.3-01 client: gives control frames and fragments keys of their own', () => {
    const client = new OpenConnection('client');
    const { connection } = client;
    for (const fin of [false, false, true]) {
      connection.sendFragment(OPCODE.TEXT, 'part', fin);
      connection.ping(Buffer.from('part'));
      connection.pong(Buffer.from('part'));
    }
    client.receiveFrames({ opcode: 9, payload: 'part' });
    connection.send(OPCODE.BINARY, Buffer.alloc(100_000));
    connection.close(1000);
    const keys = client.sent().map(({ key }) => key.toString('hex'));
    expect(keys).toHaveLength(12);
    expect(new Set(keys).size).toBe(12);
  });
});

describe('the masked payload', () => {
  it('6455-5.3-02 server: unmasks the example of section 5.7', () => {
    const server = new OpenConnection('server');
    server.receive(hex('81 85 37 fa 21 3d 7f 9f 4d 51 58'));
    expect(server.events).toEqual(['text Hello']);
  });

  it('6455-5.3-02 client: masks each byte with the byte of the key at its index modulo four', () => {
    const client = new OpenConnection('client');
    client.connection.send(OPCODE.TEXT, 'Hello');
    client.connection.flush();
    const { wire } = client.transport;
    const key = wire.subarray(2, 6);
    const masked = [...Buffer.from('Hello')].map((byte, i) => byte ^ key[i % 4]!);
    expect([...wire]).toEqual([0x81, 0x85, ...key, ...masked]);
  });

  it('6455-5.3-02 server: unmasks every length at every alignment', () => {
    const key = hex('01 80 ff 7f');
    for (let length = 0; length <= 70; length++) {
      const payload = Buffer.from(Array.from({ length }, (_, i) => (i * 37 + length) & 0xff));
      const frame = rawFrame({ opcode: 2, key, payload });
      for (let alignment = 0; alignment < 8; alignment++) {
        // In a long chunk words are masked, in a short one bytes.
        for (const room of [frame.length + 8, 1_024]) {
          const memory = Buffer.alloc(room);
          frame.copy(memory, alignment);
          const filler = rawFrame({ opcode: 9, key });
          const chunk = memory.subarray(alignment, alignment + frame.length);
          const server = new OpenConnection('server');
          if (room === 1_024) {
            const many = Buffer.concat([frame, ...Array.from({ length: 50 }, () => filler)]);
            many.copy(memory, alignment);
            server.connection.receive(memory.subarray(alignment, alignment + many.length));
          } else {
            server.connection.receive(chunk);
          }
          expect(server.events[0]).toBe(`binary ${payload.toString('hex')}`);
        }
      }
    }
  });

  it('6455-5.3-02 client: masks every length, wherever its frame comes to lie', () => {
    const client = new OpenConnection('client');
    const payloads: Buffer[] = [];
    for (let shift = 0; shift < 4; shift++) {
      for (let length = 0; length <= 70; length++) {
        payloads.push(Buffer.from(Array.from({ length }, (_, i) => (i * 41 + length) & 0xff)));
      }
      payloads.push(Buffer.alloc(shift));
    }
    for (const size of [1_000, 16_383, 16_384, 65_535, 65_536, 70_001]) {
      payloads.push(Buffer.from(Array.from({ length: size }, (_, i) => (i * 43 + size) & 0xff)));
    }
    for (const payload of payloads) client.connection.send(OPCODE.BINARY, payload);
    const sent = client.sent();
    expect(sent).toHaveLength(payloads.length);
    for (const [i, frame] of sent.entries()) expect(frame.payload.equals(payloads[i]!)).toBe(true);
  });

  it('6455-5.3-02 server: unmasks on, wherever the payload is cut', () => {
    const payload = Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 29) & 0xff));
    const frame = maskedFrame({ opcode: 2, payload });
    for (let cut = 1; cut < frame.length; cut++) {
      const server = new OpenConnection('server');
      server.receive(frame.subarray(0, cut));
      server.receive(frame.subarray(cut));
      expect(server.events).toEqual([`binary ${payload.toString('hex')}`]);
    }
  });

  it.each(ROLES)('6455-5.3-02 %s: leaves the length of the data as it is', (role) => {
    for (const size of [0, 1, 3, 4, 5, 125, 126, 65_536]) {
      const open = new OpenConnection(role);
      open.connection.send(OPCODE.BINARY, Buffer.alloc(size));
      const [frame] = open.sent();
      const headSize = 2 + (frame!.lengthBits - (frame!.lengthBits === 7 ? 7 : 0)) / 8;
      const keySize = role === 'client' ? 4 : 0;
      expect(open.transport.wire).toHaveLength(headSize + keySize + size);
    }
  });

  it('6455-5.3-03 client: does not change the buffer of the caller', () => {
    for (const size of [1, 5, 125, 126, 16_383, 16_384, 65_536, 200_000]) {
      const memory = Buffer.alloc(size + 16, 0x5a);
      const payload = memory.subarray(7, 7 + size);
      const client = new OpenConnection('client');
      const { connection } = client;
      connection.send(OPCODE.BINARY, payload);
      connection.sendFragment(OPCODE.BINARY, payload, false);
      connection.send(OPCODE.BINARY, payload);
      connection.sendFragment(OPCODE.BINARY, payload, true);
      connection.ping(payload.subarray(0, 125));
      connection.pong(payload.subarray(0, 125));
      connection.flush();
      expect(memory.equals(Buffer.alloc(size + 16, 0x5a))).toBe(true);
      const sent = readFrames(client.transport.wire);
      expect(sent).toHaveLength(6);
      for (const { payload: arrived } of sent) {
        expect(arrived.equals(payload.subarray(0, arrived.length))).toBe(true);
      }
    }
  });
});
