import type { Socket } from '../../src/connection/socket.ts';
import { ProtocolError } from '../../src/errors.ts';

/** What a socket has told so far, in the words of `OpenConnection.log`. */
export class SocketLog {
  readonly entries: string[] = [];
  readonly errors: Error[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(socket: Socket) {
    socket.on('message', (message) => {
      const isText = typeof message === 'string';
      this.add(isText ? `text ${message}` : `binary ${message.toString('hex')}`);
    });
    socket.on('ping', (payload) => this.add(`ping ${payload.toString('hex')}`));
    socket.on('pong', (payload) => this.add(`pong ${payload.toString('hex')}`));
    socket.on('error', (error) => {
      this.errors.push(error);
      this.add(`error ${error instanceof ProtocolError ? error.code : error.message}`);
    });
    socket.on('close', (code, reason, wasClean) => {
      this.add(`close ${code} ${reason} ${wasClean ? 'clean' : 'unclean'}`);
    });
  }

  /** Resolves with the first entry that begins so, as soon as there is one. */
  async until(beginning: string): Promise<string> {
    const find = (): string | undefined =>
      this.entries.find((entry) => entry.startsWith(beginning));
    return new Promise((resolve) => {
      const look = (): void => {
        const found = find();
        if (found === undefined) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }

  private add(entry: string): void {
    this.entries.push(entry);
    for (const look of this.#waiting) look();
  }
}
