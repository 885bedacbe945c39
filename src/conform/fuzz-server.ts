/**
 * Tests clients: a server that speaks the URLs of the Autobahn test suite's fuzzing server, so that
 * whoever has a loop for that needs no other.
 *
 * - `/getCaseCount`: one text message, how many cases there are
 * - `/runCase?case=N&agent=NAME`: runs the N-th of them, counted from 1 (`casetuple=ID` takes its id)
 * - `/getCaseStatus?case=N&agent=NAME`: one text message, `{"behavior": "OK"}`
 * - `/getCaseInfo?case=N`: one text message, `{"id": "1.1.1", "description": "…"}`
 * - `/updateReports?agent=NAME`: the client is done
 *
 * @module
 */

import { setMaxListeners } from 'node:events';
import {
  createServer as createTcpServer,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { ConformCase } from './case.ts';
import {
  checkRequest,
  createRefusal,
  createResponse,
  type Head,
  type OpeningRequest,
} from './handshake.ts';
import { Peer } from './peer.ts';
import { receiveHead } from './read-head.ts';
import { type CaseResult, failedToOpen, runCase } from './result.ts';
import { sentenceOf } from './sentence.ts';
import { type Settings, WAIT } from './settings.ts';
import { OPCODE } from './wire.ts';
import { WireLog } from './wire-log.ts';

export interface ServerRun {
  readonly port: number;
  /** Default: 127.0.0.1. */
  readonly host?: string | undefined;
  /** A certificate and its key in PEM, for `wss:`. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer } | undefined;
  readonly cases: readonly ConformCase[];
  readonly settings: Settings;
  /** The name of a client that does not say its own. Default: `client`. */
  readonly agent?: string | undefined;
  /** Called after each case. */
  readonly onResult?: (result: CaseResult) => void;
  /** Called when a client says that it is done. Its connection is closed when that is done as well. */
  readonly onUpdate?: (agent: string) => Promise<void>;
}

/** What a client wants, as it stands in its URL. */
interface Wish {
  readonly path: string;
  readonly agent: string;
  readonly conformCase: ConformCase | undefined;
}

export class FuzzServer {
  readonly #run: ServerRun;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** By the name of the client and the id of the case, also of those that are not over yet. */
  readonly #results = new Map<string, Map<string, Promise<CaseResult | undefined>>>();
  /** Ends the cases that run. */
  readonly #ending = new AbortController();

  constructor(run: ServerRun) {
    this.#run = run;
    // As many as there are connections.
    setMaxListeners(0, this.#ending.signal);
    const serve = (socket: Socket): void => void this.#serve(socket);
    const handshakeTimeout = WAIT.OPENING * run.settings.second;
    this.#server =
      run.tls === undefined
        ? createTcpServer(serve)
        : createTlsServer({ ...run.tls, handshakeTimeout }, serve);
  }

  /**
   * @returns the port
   * @throws {Error} (the promise rejects) where it cannot listen there
   */
  async listen(): Promise<number> {
    const { port, host = '127.0.0.1' } = this.#run;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject).listen({ port, host }, () => {
        this.#server.off('error', reject);
        resolve(portOf(this.#server.address()));
      });
    });
  }

  /** What there is of each client so far, in the order of the cases. Waits for those that run. */
  async collectResults(): Promise<Map<string, CaseResult[]>> {
    const agents = new Map<string, CaseResult[]>();
    for (const [agent, results] of this.#results) {
      const known = await Promise.all(
        this.#run.cases.map(async ({ id }) => (await results.get(id)) ?? []),
      );
      agents.set(agent, known.flat());
    }
    return agents;
  }

  /**
   * Takes no more connections, and gives those that there are a little time to end. A case that does
   * not end within that has no result.
   */
  async close(): Promise<void> {
    const timer = setTimeout(() => {
      this.#ending.abort();
      for (const socket of this.#sockets) socket.destroy();
    }, WAIT.CLOSING * this.#run.settings.second);
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    clearTimeout(timer);
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setNoDelay(true);
    const log = new WireLog();
    let head: Head;
    try {
      head = await receiveHead(socket, WAIT.OPENING * this.#run.settings.second);
    } catch (error) {
      socket.end(createRefusal('400 Bad Request', sentenceOf(error)));
      return;
    }
    log.handshake.push(head.text);
    const wish = this.#readWish(head);
    try {
      await this.#open(socket, head, wish, log);
    } catch (error) {
      socket.end(createRefusal('400 Bad Request', sentenceOf(error)));
      if (wish.path === '/runCase' && wish.conformCase !== undefined) {
        const why = `The connection did not open: ${sentenceOf(error)}`;
        const result = failedToOpen(wish.conformCase, wish.agent, why, log);
        this.#keep(wish.agent, result.id, Promise.resolve(result));
        this.#run.onResult?.(result);
      }
    }
  }

  /** Taken from any head: a client that asks in a wrong way is asked what for. */
  #readWish({ startLine }: Head): Wish {
    const target = startLine.split(' ')[1] ?? '';
    const base = 'ws://localhost';
    const { pathname, searchParams } = new URL(URL.canParse(target, base) ? target : '/', base);
    const number = Number(searchParams.get('case') ?? Number.NaN);
    const id = searchParams.get('casetuple');
    const conformCase =
      id === null ? this.#run.cases[number - 1] : this.#run.cases.find((one) => one.id === id);
    const agent = searchParams.get('agent') ?? this.#run.agent ?? 'client';
    return { path: pathname, agent, conformCase };
  }

  /** @throws {Error} (the promise rejects) where the client asks for what there is not, or wrongly */
  async #open(socket: Socket, head: Head, wish: Wish, log: WireLog): Promise<void> {
    const request = checkRequest(head);
    const { path, agent, conformCase } = wish;
    switch (path) {
      case '/runCase':
        await this.#runCase(this.#demandCase(conformCase), agent, () =>
          this.#accept(socket, head, request, log, conformCase),
        );
        break;
      case '/getCaseCount':
        await say(this.#accept(socket, head, request, log), String(this.#run.cases.length));
        break;
      case '/getCaseInfo': {
        const { id, title } = this.#demandCase(conformCase);
        const info = JSON.stringify({ id, description: title });
        await say(this.#accept(socket, head, request, log), info);
        break;
      }
      case '/getCaseStatus': {
        const { id } = this.#demandCase(conformCase);
        const result = await this.#results.get(agent)?.get(id);
        if (result === undefined) throw new Error(`Case ${id} was not run by "${agent}"`);
        const status = JSON.stringify({ behavior: result.behavior });
        await say(this.#accept(socket, head, request, log), status);
        break;
      }
      case '/updateReports':
        await this.#run.onUpdate?.(agent);
        await say(this.#accept(socket, head, request, log));
        break;
      default:
        throw new Error(`There is no ${path}`);
    }
  }

  #demandCase(conformCase: ConformCase | undefined): ConformCase {
    if (conformCase === undefined) throw new Error('There is no such case');
    return conformCase;
  }

  #accept(
    socket: Socket,
    head: Head,
    { key, extensions }: OpeningRequest,
    log: WireLog,
    conformCase?: ConformCase,
  ): Peer {
    const agreed =
      extensions === undefined ? undefined : conformCase?.extension?.answerOffer(extensions);
    const response = createResponse(key, agreed?.answer);
    log.handshake.push(response);
    socket.write(response, 'latin1');
    const { settings } = this.#run;
    return new Peer(socket, {
      role: 'server',
      settings,
      coder: agreed?.coder,
      log,
      rest: head.rest,
    });
  }

  async #runCase(conformCase: ConformCase, agent: string, accept: () => Peer): Promise<void> {
    const { settings } = this.#run;
    const running = runCase(conformCase, agent, accept(), settings, this.#ending.signal);
    this.#keep(agent, conformCase.id, running);
    const result = await running;
    if (result !== undefined) this.#run.onResult?.(result);
  }

  #keep(agent: string, id: string, result: Promise<CaseResult | undefined>): void {
    const results = this.#results.get(agent) ?? new Map<string, typeof result>();
    results.set(id, result);
    this.#results.set(agent, results);
  }
}

/** Sends what was asked for, if anything, and closes. */
async function say(peer: Peer, message?: string): Promise<void> {
  if (message !== undefined) {
    await peer.send({ opcode: OPCODE.TEXT, payload: Buffer.from(message) });
  }
  peer.sendClose();
  await peer.ended;
}

function portOf(address: AddressInfo | string | null): number {
  return address === null || typeof address === 'string' ? 0 : address.port;
}
