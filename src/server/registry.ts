/**
 * Which WebSocket servers stand behind an `http.Server` or `https.Server`, and who of them takes an
 * upgrade. There is one registry, and one listener, for each http server, however many WebSocket
 * servers are attached; other listeners for `upgrade` may stand beside it.
 *
 * @module
 */

import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { catchErrors } from '../connection/binding.ts';
import { errorResponse, originFormOf } from '../handshake/accept.ts';
import { hasToken } from '../handshake/grammar.ts';
import { type Refusal, refusal } from '../handshake/refusal.ts';
import { refuse } from './refuse.ts';
import { pathOf } from './request.ts';

/** A WebSocket server, as far as a registry knows it. */
export interface Upgrader {
  /** Milliseconds that a handshake may take. */
  readonly handshakeTimeout: number;
  /** It refuses everything. */
  readonly isClosing: boolean;
  /** The http server listens. */
  onListening(): void;
  /** Whether one of its routes takes this path. */
  takes(path: string): boolean;
  /**
   * Answers an upgrade.
   *
   * @param onPassed - called instead, where its routes leave it to others after all, with what has
   *   come behind the head
   */
  upgrade(
    request: IncomingMessage,
    transport: Duplex,
    head: Buffer,
    onPassed: (rest: Buffer) => void,
  ): void;
}

/** Since Node 22.21 and 24.9: whether a request with Upgrade is one, or an ordinary request. */
interface MaybeUpgrading {
  shouldUpgradeCallback?: (request: IncomingMessage) => boolean;
}

const NO_BYTES: Buffer = Buffer.alloc(0);

const UPGRADE = 'upgrade';

/** Milliseconds from one look at whether an http server still listens to the next. */
const LOOK_INTERVAL = 100;

const REGISTRIES = new WeakMap<HttpServer, Registry>();

export class Registry {
  readonly #server: HttpServer & MaybeUpgrading;
  readonly #upgraders: Upgrader[] = [];
  readonly #shouldUpgrade: ((request: IncomingMessage) => boolean) | undefined;
  /** For each that was left to others: ends it where nobody does anything with it. */
  readonly #watches = new Set<() => void>();

  private constructor(server: HttpServer) {
    this.#server = server;
    this.#shouldUpgrade = this.#server.shouldUpgradeCallback;
    if (this.#shouldUpgrade !== undefined) {
      this.#server.shouldUpgradeCallback = this.shouldUpgrade;
    }
    server.on('upgrade', this.onUpgrade);
    server.on('listening', this.onListening);
    REGISTRIES.set(server, this);
  }

  /** Puts a WebSocket server behind those that are attached already. */
  static attach(server: HttpServer, upgrader: Upgrader): void {
    const registry = REGISTRIES.get(server) ?? new Registry(server);
    if (!registry.#upgraders.includes(upgrader)) registry.#upgraders.push(upgrader);
  }

  static detach(server: HttpServer, upgrader: Upgrader): void {
    const registry = REGISTRIES.get(server);
    if (registry === undefined) return;
    const at = registry.#upgraders.indexOf(upgrader);
    if (at === -1) return;
    registry.#upgraders.splice(at, 1);
    if (registry.#upgraders.length === 0) registry.leave();
  }

  private leave(): void {
    REGISTRIES.delete(this.#server);
    this.#server.off('upgrade', this.onUpgrade);
    this.#server.off('listening', this.onListening);
    const isOurs = this.#server.shouldUpgradeCallback === this.shouldUpgrade;
    if (isOurs && this.#shouldUpgrade !== undefined) {
      this.#server.shouldUpgradeCallback = this.#shouldUpgrade;
    }
    this.endUnusedOnClose();
  }

  /**
   * An http server that is closing waits for its transports: let it not wait for one that nobody
   * uses. It may begin with that after we have left, and tells by no event when it does.
   */
  private endUnusedOnClose(): void {
    if (this.#watches.size === 0) return;
    if (this.#server.listening) {
      setTimeout(() => this.endUnusedOnClose(), LOOK_INTERVAL).unref();
      return;
    }
    for (const endUnused of this.#watches) endUnused();
  }

  private readonly onListening = (): void => {
    for (const upgrader of this.#upgraders) upgrader.onListening();
  };

  private get hasOthers(): boolean {
    return this.#server.listenerCount('upgrade') > 1;
  }

  /** An Upgrade to something else is served as an ordinary request, where nobody else wants it. */
  private readonly shouldUpgrade = (request: IncomingMessage): boolean => {
    if (this.hasOthers) return this.#shouldUpgrade!.call(this.#server, request);
    return isForWebSocket(request);
  };

  private readonly onUpgrade = (
    request: IncomingMessage,
    transport: Duplex,
    head: Buffer,
  ): void => {
    // Node has taken its own listener away: a reset would end the process.
    catchErrors(transport);
    if (isForWebSocket(request)) this.offer(request, transport, head);
    else if (!this.hasOthers) this.refuse('UPGRADE', request, transport);
  };

  /**
   * Asks the WebSocket servers one after the other.
   *
   * @param head - what came behind the request; others were given it too
   * @param after - the one that has passed; null for none
   * @param rest - what came since
   */
  private offer(
    request: IncomingMessage,
    transport: Duplex,
    head: Buffer,
    after: Upgrader | null = null,
    rest: Buffer = NO_BYTES,
  ): void {
    const path = pathOf(originFormOf(request.url ?? ''));
    // By now, another may have left.
    const from = after === null ? 0 : this.#upgraders.indexOf(after) + 1;
    const takers = this.#upgraders.slice(from).filter((other) => other.takes(path));
    // One that is closing answers 503, unless another has come to take its place.
    const upgrader = takers.find(({ isClosing }) => !isClosing) ?? takers[0];
    if (upgrader !== undefined) {
      const all = rest.length === 0 ? head : Buffer.concat([head, rest]);
      upgrader.upgrade(request, transport, all, (came) => {
        this.offer(request, transport, head, upgrader, came.subarray(head.length));
      });
    } else if (this.hasOthers) {
      if (after !== null) giveBack(transport, rest);
      this.watch(transport);
    } else {
      this.refuse('NOT_FOUND', request, transport);
    }
  }

  private refuse(name: Refusal, { method }: IncomingMessage, transport: Duplex): void {
    refuse(transport, errorResponse(refusal(name), method), this.timeout);
  }

  private get timeout(): number {
    return Math.max(1, ...this.#upgraders.map(({ handshakeTimeout }) => handshakeTimeout));
  }

  /**
   * It is for one of the other listeners. Where none of them does anything with it either, it must
   * not stay open for ever.
   */
  private watch(transport: Duplex): void {
    const written = writtenSize(transport);
    const endUnused = (): void => {
      const isRead = transport.listenerCount('data') > 0 || transport.listenerCount('readable') > 0;
      if (!isRead && writtenSize(transport) === written) transport.destroy();
      forget();
    };
    const forget = (): void => {
      clearTimeout(timer);
      this.#watches.delete(endUnused);
    };
    const timer = setTimeout(endUnused, this.timeout);
    timer.unref();
    this.#watches.add(endUnused);
    transport.once('close', forget);
  }
}

/** Leaves a transport as somebody finds it in `upgrade`: not read, and with nothing missing. */
function giveBack(transport: Duplex, rest: Buffer): void {
  if (transport.listenerCount('data') + transport.listenerCount('readable') > 0) return;
  // As Node does before that event. Flowing without a listener, it would lose what comes.
  Reflect.set(transport, 'readableFlowing', null);
  if (rest.length > 0) transport.unshift(rest);
}

function isForWebSocket({ rawHeaders }: IncomingMessage): boolean {
  // Not `headers`, which Node makes of these when somebody asks: 2 % of an upgrade (measured: a
  // profile under bench/servers.mjs, `open-http`).
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    const isUpgrade = name.length === UPGRADE.length && name.toLowerCase() === UPGRADE;
    if (isUpgrade && hasToken([rawHeaders[i + 1]!], 'websocket')) return true;
  }
  return false;
}

function writtenSize(transport: Duplex): unknown {
  return 'bytesWritten' in transport ? transport.bytesWritten : 0;
}
