import { expect } from 'vitest';
import type { WebSocketServerOptions } from '../../src/server/options.ts';
import { type Accepted, startServer } from './open-pair.ts';
import { type RawHead, rawRequest } from './raw-http.ts';
import { RawPeer } from './raw-peer.ts';

export interface Asked {
  readonly head: RawHead;
  readonly accepted: readonly Accepted[];
}

/** Sends one request to a real server. Where it is refused, a FIN must follow, and no reset. */
export async function ask(
  request: string | Buffer,
  options: WebSocketServerOptions = {},
): Promise<Asked> {
  const { port, accepted } = await startServer(options);
  const peer = await RawPeer.connect(port);
  await peer.write(typeof request === 'string' ? Buffer.from(request, 'latin1') : request);
  const head = await peer.readHead();
  if (head.status !== 101) {
    const body = await peer.readToEnd();
    expect(head.getAll('content-length')).toEqual([String(body.length)]);
    expect(accepted).toHaveLength(0);
  }
  return { head, accepted };
}

export async function statusOf(request: string, options?: WebSocketServerOptions): Promise<number> {
  return (await ask(request, options)).head.status;
}

/** A request with `line` in front of its other fields. */
export function withLine(line: string): string {
  return rawRequest().replace('\r\n', `\r\n${line}\r\n`);
}
