/**
 * Tests a server: one connection for each case, one after another. Knows how a connection is opened,
 * and leaves the rest to the cases.
 *
 * @module
 */

import { connect as connectTcp, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { ConformCase } from './case.ts';
import type { MessageCoder } from './extension.ts';
import { checkResponse, createKey, createRequest } from './handshake.ts';
import { Peer } from './peer.ts';
import { receiveHead } from './read-head.ts';
import { type CaseResult, failedToOpen, runCase } from './result.ts';
import { sentenceOf } from './sentence.ts';
import { type Settings, WAIT } from './settings.ts';
import { WireLog } from './wire-log.ts';

export interface ClientRun {
  /** `ws:` or `wss:`. */
  readonly url: URL;
  /** The name of the server in the reports. */
  readonly agent: string;
  readonly cases: readonly ConformCase[];
  readonly settings: Settings;
  /** Certificates in PEM to trust, instead of those that Node trusts. */
  readonly ca?: string | Buffer | undefined;
  /** Whether any certificate will do. Default: `false`. */
  readonly isInsecure?: boolean | undefined;
  /** Ends the run; the case that is under way has no result. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each case. */
  readonly onResult?: (result: CaseResult) => void;
}

/** Seconds between two attempts to reach a server that is gone. */
const RETRY = 0.1;

/** Runs the cases in order. */
export async function testServer(run: ClientRun): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  const way = new Way(run);
  for (const conformCase of run.cases) {
    const result = await testCase(run, conformCase, way);
    if (result === undefined) break;
    results.push(result);
    run.onResult?.(result);
  }
  return results;
}

/** @returns nothing where the run was ended meanwhile */
async function testCase(
  run: ClientRun,
  conformCase: ConformCase,
  way: Way,
): Promise<CaseResult | undefined> {
  const { agent, settings, signal } = run;
  if (signal?.aborted === true) return undefined;
  const log = new WireLog();
  let stream: Duplex | undefined;
  let peer: Peer;
  try {
    stream = await way.connect();
    peer = await open(run, conformCase, stream, log);
  } catch (error) {
    stream?.destroy();
    if (isAborted(signal)) return undefined;
    const why = `The connection did not open: ${sentenceOf(error)}`;
    return failedToOpen(conformCase, agent, why, log);
  }
  return runCase(conformCase, agent, peer, settings, signal);
}

/** Asked anew, as waiting changes it. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

/**
 * The way to a server, which may be gone for a while: one that a case has brought down is started
 * again by somebody, and the other cases are about it as well.
 */
class Way {
  readonly #run: ClientRun;
  /** The first attempt may take its time. */
  #limit: number = WAIT.OPENING;
  /** Seconds for which the server may be gone yet. */
  #patience = 0;
  #state: 'unknown' | 'there' | 'never there' = 'unknown';

  constructor(run: ClientRun) {
    this.#run = run;
  }

  /** @throws {Error} (the promise rejects) where the server is not there */
  async connect(): Promise<Duplex> {
    if (this.#state === 'never there') throw new Error('not tried, as there is no server');
    const { second } = this.#run.settings;
    for (;;) {
      const start = performance.now();
      try {
        const stream = await connect(this.#run, this.#limit);
        this.#state = 'there';
        this.#limit = WAIT.OPENING;
        this.#patience = WAIT.RESTART;
        return stream;
      } catch (error) {
        if (this.#state === 'unknown') this.#state = 'never there';
        this.#patience -= (performance.now() - start) / second + RETRY;
        if (this.#patience <= 0 || isAborted(this.#run.signal)) {
          // Each of the cases that are left tries it once more.
          this.#limit = WAIT.GONE;
          throw error;
        }
      }
      await delay(RETRY * second);
    }
  }
}

/** Where a URL leads to. */
interface Address {
  readonly isSecure: boolean;
  readonly host: string;
  readonly port: number;
}

/** RFC 6455, section 3: the port is 80 or 443, unless there is one. An IPv6 address has no brackets. */
export function addressOf({ protocol, hostname, port }: URL): Address {
  const isSecure = protocol === 'wss:';
  const defaultPort = isSecure ? 443 : 80;
  return {
    isSecure,
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? defaultPort : Number(port),
  };
}

/** @param limit seconds */
async function connect(
  { url, ca, isInsecure = false, settings, signal }: ClientRun,
  limit: number,
): Promise<Duplex> {
  const { isSecure, host, port } = addressOf(url);
  const socket = isSecure
    ? connectTls({
        host,
        port,
        rejectUnauthorized: !isInsecure,
        ...(ca !== undefined && { ca }),
        ...(isIP(host) === 0 && { servername: host }),
      })
    : connectTcp({ host, port });
  // A small frame goes when it is written, and not when others are acknowledged.
  socket.setNoDelay(true);
  const abort = (): void => void socket.destroy(new Error('The run is ended'));
  signal?.addEventListener('abort', abort);
  socket.once('close', () => signal?.removeEventListener('abort', abort));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy(new Error('TCP was not there in time'));
    }, limit * settings.second);
    socket.once(isSecure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      resolve(socket);
    });
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

async function open(
  { url, settings }: ClientRun,
  { extension }: ConformCase,
  stream: Duplex,
  log: WireLog,
): Promise<Peer> {
  const key = createKey();
  const request = createRequest(
    { host: url.host, target: `${url.pathname}${url.search}`, extensions: extension?.offer },
    key,
  );
  log.handshake.push(request);
  stream.write(request, 'latin1');
  const head = await receiveHead(stream, WAIT.OPENING * settings.second);
  log.handshake.push(head.text);
  const answer = checkResponse(head, key, extension !== undefined);
  let coder: MessageCoder | undefined;
  if (answer !== undefined) coder = extension?.acceptAnswer(answer);
  return new Peer(stream, { role: 'client', settings, coder, log, rest: head.rest });
}
