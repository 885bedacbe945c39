import { WebSocket, type WebSocketOptions } from '../../src/client/websocket.ts';
import { acceptOpening } from './client-pair.ts';
import { RawListener, type RawPeer } from './raw-peer.ts';

/** What a WebSocket has told so far, each with the `readyState` of that moment at its end. */
export class WebSocketLog {
  readonly entries: string[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(websocket: WebSocket) {
    const add = (entry: string): void => {
      this.entries.push(`${entry} ${websocket.readyState}`);
      for (const look of this.#waiting) look();
    };
    websocket.addEventListener('open', () => add('open'));
    websocket.addEventListener('message', ({ data }) => add(`message ${String(data)}`));
    websocket.addEventListener('error', () => add('error'));
    websocket.addEventListener('close', ({ code, reason, wasClean }) => {
      add(`close ${code} ${reason} ${wasClean ? 'clean' : 'unclean'}`);
    });
  }

  /** Resolves with the first entry that begins so, as soon as there is one. */
  async until(beginning: string): Promise<string> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.entries.find((entry) => entry.startsWith(beginning));
        if (found === undefined) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }
}

/** A WebSocket that is open, and the other end in bytes. */
export interface OpenWebSocket {
  readonly websocket: WebSocket;
  readonly log: WebSocketLog;
  readonly peer: RawPeer;
  readonly port: number;
}

/** @param behind - bytes behind the answer, in the same write */
export async function openWebSocket(
  options: WebSocketOptions = {},
  behind: Uint8Array = Buffer.alloc(0),
): Promise<OpenWebSocket> {
  const listener = await RawListener.listen();
  const websocket = new WebSocket(`ws://127.0.0.1:${listener.port}/chat`, [], options);
  const log = new WebSocketLog(websocket);
  const peer = await acceptOpening(listener, {}, behind);
  await log.until('open');
  return { websocket, log, peer, port: listener.port };
}
