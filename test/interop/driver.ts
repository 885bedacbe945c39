/** What every client of other people is asked to do, whatever its own words for it are. */

/** Of a Close; 1006 where none came. */
export type Close = readonly [code: number, reason: string];

export interface OpenOptions {
  readonly protocols?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  /** The certificate to trust. */
  readonly ca?: string;
}

/** An opening handshake that was answered with 101, as far as the client lets one see it. */
export interface Opened {
  readonly protocol: string;
  readonly extensions: string;
  /** The values of Set-Cookie. */
  readonly cookies?: readonly string[];
}

/** Any other answer. */
export interface Refused {
  readonly status: number | 'not told';
  readonly authenticate?: string | undefined;
}

export interface Driver {
  /** Connects, and offers permessage-deflate where the client knows it. */
  open(url: string, options?: OpenOptions): Promise<Opened | Refused>;
  send(message: string | Buffer): Promise<void>;
  /** The next message, or how the connection ended. */
  receive(): Promise<string | Buffer | Close>;
  /** Starts the closing handshake, and resolves with the answer. */
  close(code: number, reason: string): Promise<Close>;
  /** Ends all that the driver has begun. */
  stop(): Promise<void>;
}

export interface PingingDriver extends Driver {
  /** Resolves when a Pong with this payload has come. */
  ping(payload: Buffer): Promise<void>;
}

export interface AbortingDriver extends Driver {
  /** Ends the connection without a Close. */
  abort(): Promise<void>;
}

export interface FragmentingDriver extends Driver {
  /** Sends one message, a fragment for each part, with a Ping before each but the first. */
  sendFragments(parts: readonly string[] | readonly Buffer[]): Promise<void>;
}

/** Messages that came, and then the end, for whoever waits. */
export class Inbox {
  readonly #items: (string | Buffer | Close)[] = [];
  #wake: (() => void) | null = null;

  add(item: string | Buffer | Close): void {
    this.#items.push(item);
    this.#wake?.();
  }

  async next(): Promise<string | Buffer | Close> {
    while (this.#items.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#items.shift()!;
  }

  /** How it ended, when that is next: a message before it is an error. */
  async end(): Promise<Close> {
    const item = await this.next();
    if (typeof item === 'string' || Buffer.isBuffer(item)) throw new Error('a message');
    return item;
  }
}
