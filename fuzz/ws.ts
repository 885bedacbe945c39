/**
 * The reading half of `ws`, whose types do not name it: what it makes of the same bytes.
 *
 * @module
 */

import type { Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import * as ws from 'ws';
import { type Setting, nameBytes } from './played.ts';

type Make<Made> = new (options: Record<string, unknown>) => Made;

interface WsDeflate {
  accept(offers: Record<string, unknown>[]): unknown;
  cleanup(): void;
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both are exported
const { Receiver, PerMessageDeflate } = ws as unknown as {
  readonly Receiver: Make<Writable>;
  readonly PerMessageDeflate: Make<WsDeflate>;
};

/** What came of a wire: messages, Pings and Pongs, and how it ended. */
export interface Reading {
  readonly events: readonly string[];
  /** `open`, `closed CODE REASON` by the peer, or the close code with which it is failed. */
  readonly end: string;
}

/** The symbol under which `ws` keeps the close code of an error. */
function closeCodeOf(error: Error): string {
  for (const symbol of Object.getOwnPropertySymbols(error)) {
    if (symbol.description === 'status-code') return String(Reflect.get(error, symbol));
  }
  return error.message;
}

function createDeflate(
  isServer: boolean,
  { deflate, maxPayload }: Setting,
): { deflate: WsDeflate | null; extensions: Record<string, WsDeflate> } {
  if (deflate === null) return { deflate: null, extensions: {} };
  const own = new PerMessageDeflate({ isServer, maxPayload });
  const peer = isServer ? 'client' : 'server';
  const terms: Record<string, unknown> = {};
  if (!deflate.peerTakeover) terms[`${peer}_no_context_takeover`] = [true];
  // A client that offers no window is not asked for one.
  if (deflate.peerWindowBits < 15) terms[`${peer}_max_window_bits`] = [deflate.peerWindowBits];
  own.accept([terms]);
  return { deflate: own, extensions: { 'permessage-deflate': own } };
}

/** Gives these pieces to a receiver, as far as it takes them. */
export async function readByWs(setting: Setting, pieces: readonly Buffer[]): Promise<Reading> {
  const isServer = setting.role === 'server';
  const { deflate, extensions } = createDeflate(isServer, setting);
  const { maxPayload, maxFragments } = setting;
  const receiver = new Receiver({ isServer, extensions, maxPayload, maxFragments });
  const events: string[] = [];
  let end = 'open';
  receiver.on('message', (data: Buffer, isBinary: boolean) => {
    events.push(`${isBinary ? 'binary' : 'text'} ${nameBytes(data)}`);
  });
  receiver.on('ping', (data: Buffer) => events.push(`ping ${data.toString('hex')}`));
  receiver.on('pong', (data: Buffer) => events.push(`pong ${data.toString('hex')}`));
  receiver.on('conclude', (code: number, reason: Buffer) => {
    end = `closed ${code} ${reason.toString()}`;
  });
  receiver.on('error', (error) => {
    end = closeCodeOf(error);
  });
  for (const piece of pieces) {
    if (end !== 'open') break;
    // (In an immediate, since an error is told in a tick.)
    await new Promise<void>((resolve) => receiver.write(piece, () => resolve()));
    if (deflate !== null) await turn();
  }
  await turn();
  deflate?.cleanup();
  return { events, end };
}
