/** What a hook without types may return instead of an answer, and how it is told. */
import { describe, expect, it, vi } from 'vitest';
import { WebSocketServer } from '../../src/server/server.ts';
import { listenLocally, statusAt } from '../support/joined-peer.ts';

/** The status that the client gets, and what the server tells of its hook. */
async function answerTo(upgrade: () => unknown): Promise<{ status: number; told: unknown[] }> {
  const server = new WebSocketServer();
  const onError = vi.fn<(error: Error) => void>();
  server.on('error', onError);
  Reflect.apply(server.route.bind(server), undefined, ['/chat/:room', { upgrade }]);
  const port = await listenLocally(server);
  const status = await statusAt(port, '/chat/7');
  return { status, told: onError.mock.calls.map(([error]) => error) };
}

function mistakeOf(name: string): TypeError {
  return new TypeError(
    `the hook upgrade of /chat/:room returned ${name}: \`return refuse(403)\` to refuse; to accept, return nothing or { data, headers, cookies, protocol }; or next()`,
  );
}

class Session {
  readonly data = 'secret';
}

describe.each([
  ['at once', (result: unknown) => () => result],
  ['later', (result: unknown) => async () => await Promise.resolve(result)],
])('what a hook returns %s', (_when, give) => {
  it.each([
    ['null', null, 'null'],
    ['false', false, 'false'],
    ['a string, without its text', 'secret', 'a string'],
    ['an array', [{ data: 1 }], 'an array'],
    ['an Error', new RangeError('secret'), 'a RangeError'],
    ['a Response', new Response('secret', { status: 401 }), 'a Response'],
    ['an object of a class, even with the right names', new Session(), 'a Session'],
    ['an object of no class', Object.create(Object.create(Object.create(null))), 'an object'],
    ['a wrong name, without its value', { data: 1, user: 'secret' }, 'an object with `user`'],
    ['a refusal of another copy', { status: 401, response: '' }, 'an object with `status`'],
  ])('is no answer, and is told with its route: %s', async (_what, result, name) => {
    const { status, told } = await answerTo(give(result));
    expect(status).toBe(500);
    expect(told).toEqual([mistakeOf(name)]);
  });

  it.each([
    ['has no prototype', Object.assign(Object.create(null), { data: 1 })],
    ['says undefined by every name', { data: undefined, headers: undefined, cookies: undefined }],
  ])('accepts where it %s', async (_what, result) => {
    expect(await answerTo(give(result))).toEqual({ status: 101, told: [] });
  });
});
