import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Socket as NetSocket } from 'node:net';

/** The next transport that a listener of this process accepts: the near end, which servers hide. */
export async function nextAccepted(): Promise<NetSocket> {
  return await new Promise((resolve) => {
    const onAccepted = (message: unknown): void => {
      unsubscribe('net.server.socket', onAccepted);
      const socket: unknown =
        typeof message === 'object' && message !== null && 'socket' in message
          ? message.socket
          : null;
      if (socket instanceof NetSocket) resolve(socket);
    };
    subscribe('net.server.socket', onAccepted);
  });
}
