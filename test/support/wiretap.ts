import { connect, createServer } from 'node:net';
import { onTestFinished } from 'vitest';
import { listenOn } from './raw-peer.ts';

/** A wire that passes on every byte and every FIN, and keeps a copy. */
export interface Wiretap {
  /** Where to connect in place of the tapped port. */
  readonly port: number;
  readonly fromClient: () => Buffer;
  readonly fromServer: () => Buffer;
}

/** Taps what goes to `port` of this machine, until the test is over. */
export async function tap(port: number): Promise<Wiretap> {
  const sent: Buffer[] = [];
  const answered: Buffer[] = [];
  const transports: { destroy(): void }[] = [];
  const listener = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    for (const [from, to, copies] of [
      [near, far, sent],
      [far, near, answered],
    ] as const) {
      from.on('data', (chunk: Buffer) => {
        copies.push(chunk);
        to.write(chunk);
      });
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      transports.push(from);
    }
  });
  onTestFinished(() => {
    for (const transport of transports) transport.destroy();
  });
  return {
    port: await listenOn(listener),
    fromClient: () => Buffer.concat(sent),
    fromServer: () => Buffer.concat(answered),
  };
}

/** The content types of the TLS records in `bytes` (RFC 5246, section 6.2.1): 21 is an alert. */
export function tlsRecordTypes(bytes: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at < bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) types.push(bytes[at]!);
  return types;
}
