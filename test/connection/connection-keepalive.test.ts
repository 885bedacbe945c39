import { describe, expect, it } from 'vitest';
import type { ConnectionOptions } from '../../src/connection/handler.ts';
import { READY_STATE } from '../../src/connection/state.ts';
import { closeBody, peerFrame, type ReadFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

const INTERVAL = 30_000;
const TIMEOUT = 10_000;

/** Lets time pass, then looks at the clock. */
function after(one: OpenConnection, milliseconds: number): void {
  one.clock.advance(milliseconds);
  one.connection.tick();
}

function pings(one: OpenConnection): ReadFrame[] {
  return one.sent().filter((frame) => frame.opcode === PING);
}

/** The peer answers the Ping that was sent last. */
function answer(one: OpenConnection): void {
  one.receiveFrames({ opcode: PONG, payload: pings(one).at(-1)?.payload ?? '' });
}

describe.each(ROLES)('a %s that looks after its peer', (role) => {
  const open = (options: Partial<ConnectionOptions> = {}): OpenConnection =>
    new OpenConnection(role, options);

  it('sends a Ping when the interval is over, and not before', () => {
    const one = open();
    expect(one.connection.deadline).toBe(31_000);
    after(one, INTERVAL - 1);
    expect(one.transport.writes).toEqual([]);
    after(one, 1);
    expect(one.transport.writes).toHaveLength(1);
    expect(pings(one)).toMatchObject([{ fin: true, masked: role === 'client' }]);
    expect(one.connection.deadline).toBe(41_000);
    expect(one.log).toEqual([]);
  });

  it('sends none where the interval is 0', () => {
    const one = open({ pingInterval: 0 });
    expect(one.connection.deadline).toBe(Number.POSITIVE_INFINITY);
    after(one, 1e9);
    expect(one.transport.writes).toEqual([]);
  });

  it('sends one after the other, as long as they are answered', () => {
    const one = open();
    for (let i = 1; i <= 5; i++) {
      after(one, INTERVAL);
      expect(pings(one)).toHaveLength(i);
      answer(one);
    }
    expect(new Set(pings(one).map((frame) => frame.payload.toString('hex'))).size).toBe(5);
    expect(one.connection.readyState).toBe(READY_STATE.OPEN);
  });

  it('tells the latency, and the handler of the Pong', () => {
    const one = open();
    after(one, INTERVAL);
    one.clock.advance(123);
    answer(one);
    expect(one.connection.latency).toBe(123);
    expect(one.connection.deadline).toBe(61_000);
    expect(one.events).toEqual(['pong 00000001']);
  });

  it('gives up a peer that is silent for pingTimeout after a Ping', () => {
    const one = open();
    after(one, INTERVAL);
    after(one, TIMEOUT - 1);
    expect(one.transport.destroyed).toBe(false);
    after(one, 1);
    expect(one.transport.destroyed).toBe(true);
    expect(one.connection.readyState).toBe(READY_STATE.CLOSING);
    one.connection.receiveTransportClose();
    expect(one.log).toEqual(['close 1006  unclean']);
    // No Close: nobody is there to read it.
    expect(one.sent().map((frame) => frame.opcode)).toEqual([PING]);
  });

  it('takes any byte for a sign of life', () => {
    const one = open();
    after(one, INTERVAL);
    // One at a time, of a message that is still arriving.
    const wire = peerFrame(role, { opcode: BINARY, payload: Buffer.alloc(1_000) });
    for (let at = 0; at < 20; at++) {
      one.receive(wire.subarray(at, at + 1));
      after(one, TIMEOUT);
      expect(one.connection.readyState).toBe(READY_STATE.OPEN);
    }
  });

  it('takes the Pong to a later Ping of the application for an answer', () => {
    const one = open();
    after(one, INTERVAL);
    one.connection.ping(Buffer.from('later'));
    one.connection.flush();
    // Section 5.5.3: a Pong "for only the most recently processed Ping frame".
    one.receiveFrames({ opcode: PONG, payload: 'later' });
    let answered = pings(one).length;
    for (let i = 0; i < 12; i++) {
      after(one, TIMEOUT / 2);
      // Whatever is asked from here on is answered at once.
      if (pings(one).length > answered) answer(one);
      answered = pings(one).length;
    }
    expect(one.transport.destroyed).toBe(false);
  });

  it('gives up nobody while it does not read itself, and pings', () => {
    const one = open();
    one.connection.pause();
    after(one, INTERVAL);
    expect(pings(one)).toHaveLength(1);
    for (let i = 0; i < 10; i++) after(one, TIMEOUT);
    expect(one.transport.destroyed).toBe(false);
  });

  it('gives the peer its full time when it reads again', () => {
    const one = open();
    one.connection.pause();
    after(one, INTERVAL);
    for (let i = 0; i < 3; i++) after(one, TIMEOUT);
    one.clock.advance(TIMEOUT - 1);
    one.connection.resume();
    expect(one.connection.deadline).toBe(31_000 + 3 * TIMEOUT + TIMEOUT - 1 + TIMEOUT);
    after(one, TIMEOUT - 1);
    expect(one.transport.destroyed).toBe(false);
    after(one, 1);
    expect(one.transport.destroyed).toBe(true);
  });

  it('gives up nobody while it does not read and a message waits for our own fragments', () => {
    const one = open();
    one.connection.pause();
    one.connection.sendFragment(TEXT, 'a', false);
    one.connection.send(TEXT, 'b');
    one.connection.flush();
    after(one, INTERVAL);
    // The network has taken all that it was given: nothing shows that the peer is gone.
    expect(one.transport.writableLength).toBe(0);
    for (let i = 0; i < 5; i++) after(one, TIMEOUT);
    expect(one.transport.destroyed).toBe(false);
  });

  it('judges a peer that reads slowly by what the network takes', () => {
    const one = open();
    one.transport.stuck = true;
    one.connection.send(BINARY, Buffer.alloc(100_000));
    one.connection.flush();
    after(one, INTERVAL);
    for (let i = 0; i < 5; i++) {
      one.transport.writableLength -= 1_000;
      after(one, TIMEOUT);
      expect(one.transport.destroyed).toBe(false);
    }
    after(one, TIMEOUT);
    expect(one.transport.destroyed).toBe(true);
  });

  it('judges a peer by what the network takes also while it does not read itself', () => {
    const one = open();
    one.transport.stuck = true;
    one.connection.pause();
    one.connection.send(BINARY, Buffer.alloc(100_000));
    one.connection.flush();
    after(one, INTERVAL);
    one.transport.writableLength -= 1;
    after(one, TIMEOUT);
    expect(one.transport.destroyed).toBe(false);
    after(one, TIMEOUT);
    expect(one.transport.destroyed).toBe(true);
  });

  it('sends no Ping behind a Close', () => {
    const one = open({ closeTimeout: 60_000 });
    one.connection.close(1000);
    expect(one.connection.deadline).toBe(61_000);
    after(one, INTERVAL + TIMEOUT);
    expect(one.sent().map((frame) => frame.opcode)).toEqual([CLOSE]);
    expect(one.transport.destroyed).toBe(false);
  });

  it('waits for no Pong behind a Close, and has no deadline that is over', () => {
    const one = open({ pingInterval: 1_000, closeTimeout: 60_000 });
    after(one, 1_000);
    one.connection.close(1000);
    answer(one);
    expect(one.connection.deadline).toBe(62_000);
    after(one, 5_000);
    // A timer that is told a time in the past would fire again and again.
    expect(one.connection.deadline).toBe(62_000);
  });

  it('waits for no Pong when the peer has closed', () => {
    const one = open();
    after(one, INTERVAL);
    one.receiveFrames({ opcode: CLOSE, payload: closeBody(1000) });
    expect(one.connection.deadline).toBe(31_000 + 10_000);
    one.connection.receiveTransportClose();
    expect(one.connection.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  it('has no deadline when it was terminated', () => {
    const one = open();
    one.connection.terminate();
    expect(one.connection.deadline).toBe(Number.POSITIVE_INFINITY);
    after(one, 1e9);
    expect(one.sent()).toEqual([]);
  });

  it('tells onDrain when its own flush made room', () => {
    const one = open({ highWaterMark: 10 });
    one.connection.send(TEXT, 'x'.repeat(100));
    after(one, INTERVAL);
    expect(one.events).toEqual(['drain']);
    expect(one.sent().map((frame) => frame.opcode)).toEqual([TEXT, PING]);
  });
});
