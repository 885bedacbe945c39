import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ConnectionOptions } from '../../src/connection/handler.ts';
import { Outbound } from '../../src/connection/outbound.ts';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { readFrames } from '../support/bytes.ts';
import { DeflateConnection } from '../support/deflate-connection.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

const TEXT = 1;
const BINARY = 2;

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(ROLES)('what a %s sends', (role) => {
  function sentBy(open: OpenConnection): string[] {
    return open.sent().map(({ opcode, fin, payload }) => `${opcode} ${fin} ${payload.toString()}`);
  }

  it('goes out in its order, and says that there is room', () => {
    const open = new OpenConnection(role);
    const { connection } = open;
    expect(connection.send(TEXT, 'text')).toBe(true);
    expect(connection.send(BINARY, Buffer.from('bytes'))).toBe(true);
    expect(connection.sendPrepared(new PreparedMessage('prepared'))).toBe(true);
    expect(connection.ping(Buffer.from('ping'))).toBe(true);
    expect(connection.pong()).toBe(true);
    expect(connection.isInMessage).toBe(false);
    connection.beginMessage();
    expect(connection.isInMessage).toBe(true);
    expect(connection.sendFragment(TEXT, 'first', false)).toBe(true);
    expect(connection.send(TEXT, 'behind')).toBe(true);
    expect(connection.sendFragment(TEXT, 'last', true)).toBe(true);
    expect([
      connection.hasRoom(),
      connection.hasFragmentRoom(),
      connection.hasControlRoom(),
    ]).toEqual([true, true, true]);
    expect(connection.bufferedAmount).toBeGreaterThan(0);
    expect(sentBy(open)).toEqual([
      '1 true text',
      '2 true bytes',
      '1 true prepared',
      '9 true ping',
      '10 true ',
      '1 false first',
      '0 true last',
      '1 true behind',
    ]);
    expect([connection.bufferedAmount, connection.dropped]).toEqual([0, 0]);
  });

  it('is compressed where that was negotiated, and where it may be', () => {
    const { connection, transport } = new DeflateConnection(role);
    connection.send(TEXT, 'x'.repeat(100));
    connection.send(TEXT, 'x'.repeat(100), false);
    connection.flush();
    expect(readFrames(transport.wire).map(({ rsv }) => rsv)).toEqual([0b100, 0]);
    connection.terminate();
  });

  it('says that there is none, and may be dropped', () => {
    const open = new OpenConnection(role, {
      highWaterMark: 0,
      maxBackpressure: 100,
      backpressurePolicy: 'drop',
    });
    const { connection, transport } = open;
    transport.stuck = true;
    transport.highWaterMark = 0;
    expect(connection.send(TEXT, 'x'.repeat(100))).toBe(false);
    connection.flush();
    expect(connection.isBlocked).toBe(true);
    expect(connection.send(TEXT, 'no room')).toBe(false);
    expect(connection.sendPrepared(new PreparedMessage('no room'))).toBe(false);
    expect(connection.ping()).toBe(false);
    expect(connection.dropped).toBe(2);
    expect(connection.hasRoom()).toBe(false);
    expect(open.log).not.toContain('error WS_ERR_READS_TOO_SLOWLY');
  });

  it('fails the connection where the policy is to close', () => {
    const open = new OpenConnection(role, { highWaterMark: 0, maxBackpressure: 100 });
    open.transport.stuck = true;
    open.transport.highWaterMark = 0;
    open.connection.send(TEXT, 'x'.repeat(100));
    open.connection.flush();
    expect(open.connection.send(TEXT, 'no room')).toBe(false);
    expect(open.log).toContain('error WS_ERR_READS_TOO_SLOWLY');
  });

  it('is nothing once it is not open, and does not throw for that', () => {
    const open = new OpenConnection(role);
    const { connection } = open;
    connection.close(1000);
    expect(connection.send(TEXT, 'late')).toBe(false);
    expect(connection.sendPrepared(new PreparedMessage('late'))).toBe(false);
    expect(connection.sendFragment(TEXT, 'late', true)).toBe(false);
    expect([connection.ping(), connection.pong()]).toEqual([false, false]);
    const turns: boolean[] = [];
    connection.takeTurn((granted) => void turns.push(granted));
    expect(turns).toEqual([false]);
    expect(open.sent().map(({ opcode }) => opcode)).toEqual([8]);
  });

  it('has its turn when what is under way has ended', () => {
    const open = new OpenConnection(role);
    const { connection } = open;
    const turns: string[] = [];
    connection.takeTurn((granted) => void turns.push(`first ${granted}`));
    connection.beginMessage();
    connection.takeTurn((granted) => void turns.push(`second ${granted}`));
    expect(turns).toEqual(['first true']);
    connection.sendFragment(TEXT, 'only', true);
    expect(turns).toEqual(['first true', 'second true']);
  });

  it('is refused where it cannot be sent, before anything changes', () => {
    const open = new OpenConnection(role);
    const { connection } = open;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a caller without types
    expect(() => connection.send(9 as 1, 'text')).toThrow(TypeError);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a caller without types
    expect(() => connection.sendFragment(TEXT, 5 as unknown as string, true)).toThrow(TypeError);
    expect(() => connection.ping(Buffer.alloc(126))).toThrow(RangeError);
    expect(open.sent()).toEqual([]);
  });
});

describe.each(ROLES)('a %s that has sent all', (role) => {
  /** The connection, and who sends for it: another one each time that it was forgotten. */
  function open(options: Partial<ConnectionOptions> = {}) {
    const one = new OpenConnection(role, options);
    const flushes = vi.spyOn(Outbound.prototype, 'flush');
    const made = (): number => new Set(flushes.mock.contexts).size;
    const { connection, transport, clock } = one;
    return { connection, transport, clock, made };
  }

  it('does without what it sent by, and makes it again', () => {
    const { connection, transport, made } = open();
    for (const text of ['one', 'two']) {
      expect(connection.send(TEXT, text)).toBe(true);
      connection.flush();
    }
    expect(made()).toBe(2);
    expect(readFrames(transport.wire).map(({ payload }) => payload.toString())).toEqual([
      'one',
      'two',
    ]);
  });

  it('says the same without it as with it', () => {
    const { connection, transport } = open();
    const answers = (): unknown[] => [
      connection.bufferedAmount,
      connection.dropped,
      connection.hasRoom(),
      connection.isInMessage,
      connection.isBlocked,
    ];
    const nothing = [0, 0, true, false, false];
    expect(answers()).toEqual(nothing);
    connection.send(TEXT, 'text');
    expect(connection.bufferedAmount).toBe(role === 'server' ? 6 : 10);
    connection.flush();
    expect(answers()).toEqual(nothing);
    // What somebody else has written.
    transport.writableLength = 30;
    expect(connection.bufferedAmount).toBe(30);
    transport.writableLength = 0;
    connection.flush();
    connection.receiveDrain();
    expect(answers()).toEqual(nothing);
  });

  it('keeps it as long as the network has not taken all, and for those who wait', () => {
    const { connection, transport, made } = open({ highWaterMark: 0 });
    transport.highWaterMark = 0;
    transport.stuck = true;
    expect(connection.send(TEXT, 'waits')).toBe(false);
    connection.flush();
    connection.send(TEXT, 'behind');
    connection.flush();
    expect([made(), connection.isBlocked]).toEqual([1, true]);
    transport.unstick();
    connection.receiveDrain();
    expect([made(), connection.isBlocked]).toEqual([1, false]);
    connection.send(TEXT, 'again');
    connection.flush();
    expect(made()).toBe(2);
  });

  it('keeps it while a message is under way, and where something was dropped', () => {
    const limits = { maxBackpressure: 10, backpressurePolicy: 'drop' } as const;
    const { connection, transport, made } = open(limits);
    connection.beginMessage();
    connection.sendFragment(TEXT, 'first', false);
    connection.flush();
    connection.sendFragment(TEXT, 'last', true);
    connection.flush();
    expect([made(), readFrames(transport.wire).length]).toEqual([1, 2]);
    transport.highWaterMark = 0;
    transport.stuck = true;
    connection.send(TEXT, 'fits, alone');
    connection.flush();
    connection.send(TEXT, 'does not');
    transport.unstick();
    connection.receiveDrain();
    connection.send(TEXT, 'later');
    connection.flush();
    expect([made(), connection.dropped]).toEqual([2, 1]);
  });

  it('knows of all that the network took: a peer that reads is alive, though it is silent', () => {
    const { connection, transport, clock } = open({ pingInterval: 100, pingTimeout: 50 });
    const wait = (milliseconds: number): void => {
      clock.advance(milliseconds);
      connection.tick();
    };
    connection.send(TEXT, 'x'.repeat(20_000));
    connection.flush();
    transport.stuck = true;
    connection.send(TEXT, 'x'.repeat(20_000));
    connection.flush();
    wait(100);
    transport.unstick();
    connection.receiveDrain();
    wait(50);
    expect(transport.destroyed).toBe(false);
    // Now nothing waits that it could read.
    wait(50);
    expect(transport.destroyed).toBe(true);
  });
});
