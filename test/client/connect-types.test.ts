import { describe, expectTypeOf, it } from 'vitest';
import { type ConnectOptions, connect } from '../../src/client/connect.ts';
import type { Message } from '../../src/connection/delivery.ts';
import type { Socket } from '../../src/connection/socket.ts';

interface User {
  name: string;
}

/** Never called: what is written here is only compiled. */
async function examples(user: User, signal: AbortSignal): Promise<void> {
  expectTypeOf(connect('ws://a')).resolves.toEqualTypeOf<Socket<undefined>>();
  expectTypeOf(connect(new URL('ws://a'), {})).resolves.toEqualTypeOf<Socket<undefined>>();
  expectTypeOf(connect('ws://a', { signal })).resolves.toEqualTypeOf<Socket<undefined>>();
  expectTypeOf(connect('ws://a', { data: undefined })).resolves.toEqualTypeOf<Socket<undefined>>();

  const socket = await connect('ws://a', { data: user, protocols: ['a', 'b'], signal });
  expectTypeOf(socket).toEqualTypeOf<Socket<User>>();
  expectTypeOf(socket.data).toEqualTypeOf<User>();
  socket.data = { name: 'Ann' };
  // @ts-expect-error -- a user has a name
  socket.data = {};

  const other = await connect('ws://a', { data: { count: 0, names: ['a'] } });
  expectTypeOf(other.data).toEqualTypeOf<{ count: number; names: string[] }>();
  expectTypeOf(connect<User>('ws://a', { data: user })).resolves.toEqualTypeOf<Socket<User>>();
  expectTypeOf(connect<User>('ws://a', {})).resolves.toEqualTypeOf<Socket<User | undefined>>();

  for await (const message of socket) expectTypeOf(message).toEqualTypeOf<Message>();
  socket.on('message', (message, binary) => {
    expectTypeOf(message).toEqualTypeOf<Message>();
    expectTypeOf(binary).toEqualTypeOf<boolean>();
  });
}

/** The same, of what must not compile. */
async function mistakes(user: User): Promise<void> {
  // @ts-expect-error -- a user has a name
  await connect<User>('ws://a', { data: {} });
  // @ts-expect-error -- subprotocols are an option
  await connect('ws://a', 'chat');
  // @ts-expect-error -- strings
  await connect('ws://a', { protocols: [1] });
  // @ts-expect-error -- no such option
  await connect('ws://a', { protocol: 'chat' });
  // @ts-expect-error -- no such option, beside data
  await connect('ws://a', { data: user, protocol: 'chat' });
  // @ts-expect-error -- milliseconds
  await connect('ws://a', { handshakeTimeout: '10 s' });
  // @ts-expect-error -- 'string' or 'buffer'
  await connect('ws://a', { text: 'blob' });
  // @ts-expect-error -- the URL says where to connect to
  await connect('ws://a', { tls: { host: 'b' } });
  // @ts-expect-error -- a string or a URL
  await connect(3000);
  // @ts-expect-error -- there is no data
  (await connect('ws://a')).data.name = 'Ann';
}

describe('the types of connect', () => {
  it('infer the data, and refuse options that are wrong', () => {
    expectTypeOf(examples).returns.resolves.toBeVoid();
    expectTypeOf(mistakes).returns.resolves.toBeVoid();
  });

  it('take options that are undefined', () => {
    expectTypeOf<{ signal: undefined; maxPayload: undefined }>().toExtend<ConnectOptions>();
    expectTypeOf<ConnectOptions['data']>().toEqualTypeOf<undefined>();
    expectTypeOf<ConnectOptions<User>['data']>().toEqualTypeOf<User | undefined>();
  });
});
