/**
 * Tests a server: one connection for each case, one after another. Knows how a connection is opened,
 * and leaves the rest to the cases.
 *
 * @module
 */

import { connect as connectTcp, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
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
  /** Ends the run after the case that is under way. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each case. */
  readonly onResult?: (result: CaseResult) => void;
}

/** Connections in a row that did not open, after which the server is taken to be gone. */
const MAX_UNOPENED = 5;

/** Runs the cases in order. */
export async function testServer(run: ClientRun): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  let unopened = 0;
  for (const conformCase of run.cases) {
    if (run.signal?.aborted === true) break;
    const result =
      unopened < MAX_UNOPENED
        ? await testCase(run, conformCase)
        : failedToOpen(conformCase, run.agent, 'Not tried: the server is gone.', new WireLog());
    unopened = result.ending === undefined ? unopened + 1 : 0;
    results.push(result);
    run.onResult?.(result);
  }
  return results;
}

async function testCase(run: ClientRun, conformCase: ConformCase): Promise<CaseResult> {
  const log = new WireLog();
  let stream: Duplex | undefined;
  let peer: Peer;
  try {
    stream = await connect(run);
    peer = await open(run, conformCase, stream, log);
  } catch (error) {
    stream?.destroy();
    const why = `The connection did not open: ${sentenceOf(error)}`;
    return failedToOpen(conformCase, run.agent, why, log);
  }
  return runCase(conformCase, run.agent, peer, run.settings);
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

async function connect({ url, ca, isInsecure = false, settings }: ClientRun): Promise<Duplex> {
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
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error('TCP was not there in time'));
    }, WAIT.OPENING * settings.second);
    socket.once(isSecure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      socket.off('error', reject);
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
