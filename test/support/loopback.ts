import { once } from 'node:events';
import { type Server, type Socket as NetSocket, connect, createServer } from 'node:net';

/** Both ends of one TCP connection over the loopback interface. Each may be half-open. */
export async function connectPair(): Promise<{ near: NetSocket; far: NetSocket }> {
  const listener = createServer({ allowHalfOpen: true, noDelay: true });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const accepted = new Promise<NetSocket>((resolve) => {
    listener.once('connection', resolve);
  });
  const far = await dial(listener);
  const near = await accepted;
  listener.close();
  return { near, far };
}

/** The TCP port that a listener has. */
export function portOf(listener: Server): number {
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP port');
  return address.port;
}

async function dial(listener: Server): Promise<NetSocket> {
  const transport = connect({ port: portOf(listener), host: '127.0.0.1', allowHalfOpen: true });
  await once(transport, 'connect');
  return transport;
}
