import { describe, expect, it } from 'vitest';
import { resolveRateLimit } from '../../src/connection/rate-limit.ts';
import type { SocketHooks } from '../../src/connection/socket-events.ts';
import type { Socket } from '../../src/connection/socket.ts';
import { openLive, turns, watchRejections } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

/** One message in an hour. */
const options = { rateLimit: resolveRateLimit({ messages: 1 / 3600 }) };

describe.each(ROLES)('a %s socket with a rateLimit', (role) => {
  it('tells an error, and closes with 1008', async () => {
    const errors: unknown[] = [];
    const live = await openLive(role, { options, hooks: { message: () => {} } });
    live.socket.on('error', (error) => void errors.push(error));
    await live.sendTexts('a', 'b');
    expect((await live.answerClose()).payload.readUInt16BE()).toBe(1008);
    expect((await live.closed)[0]).toBe(1006);
    expect(errors).toMatchObject([{ code: 'WS_ERR_SENDS_TOO_FAST', closeCode: 1008 }]);
  });

  it('drops where it is told so, and counts', async () => {
    const got: unknown[] = [];
    const rateLimit = { ...options.rateLimit!, onExceeded: 'drop' } as const;
    const live = await openLive(role, {
      options: { rateLimit },
      hooks: { message: (_socket, message) => got.push(message) },
    });
    await live.sendTexts('a', 'b', 'c');
    await live.readAll();
    expect([got, live.socket.ignored]).toEqual([['a'], 2]);
    await live.closeByPeer();
    expect(await live.closed).toEqual([1000, '', true]);
  });

  it('asks its hook, which is given the socket', async () => {
    const got: unknown[] = [];
    const asked: unknown[] = [];
    const live = await openLive(role, {
      options,
      hooks: {
        message: (_socket, message) => got.push(message),
        excess(socket, rate) {
          asked.push(socket, rate);
          return got.length === 1 ? 'take' : 'drop';
        },
      },
    });
    await live.sendTexts('a', 'b', 'c');
    await live.readAll();
    expect([got, live.socket.ignored]).toEqual([['a', 'b'], 1]);
    expect(asked).toEqual([live.socket, 'messages', live.socket, 'messages']);
  });

  const wrong: [string, SocketHooks<Socket<undefined>>][] = [
    [
      'throws',
      {
        excess() {
          throw new Error('mine');
        },
      },
    ],
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an async hook, say
    ['answers too late', { excess: () => Promise.resolve('drop') as never }],
  ];

  it.each(wrong)('closes with 1011 when its hook %s', async (_name, { excess }) => {
    const errors: Error[] = [];
    const live = await openLive(role, {
      options,
      hooks: { message: () => {}, excess, error: (_socket, error) => errors.push(error) },
    });
    await live.sendTexts('a', 'b');
    expect((await live.answerClose()).payload.readUInt16BE()).toBe(1011);
    await live.closed;
    expect(errors).toHaveLength(1);
    expect(errors[0]!.message).toMatch(/mine|the hook excess answers/);
  });

  it('tells what an async hook rejects with, which ends nothing but the socket', async () => {
    const rejections = watchRejections();
    const errors: string[] = [];
    const live = await openLive(role, {
      options,
      hooks: {
        message: () => {},
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion
        excess: () => Promise.reject(new Error('mine')) as never,
        error: (_socket, error) => errors.push(error.message),
      },
    });
    await live.sendTexts('a', 'b');
    expect((await live.answerClose()).payload.readUInt16BE()).toBe(1011);
    await live.closed;
    await turns();
    expect(errors).toEqual(["the hook excess answers 'close', 'drop', 'take' or nothing", 'mine']);
    expect(rejections).toEqual([]);
  });
});
