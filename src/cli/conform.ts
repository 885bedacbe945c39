/**
 * `tautline conform`: reads the command line, and leaves the work to src/conform.
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import {
  type CommonOptions,
  conformClients,
  conformServer,
  FAIL_ON,
  type FailOn,
  type Output,
} from '../conform/main.ts';
import { DEFAULT_SETTINGS } from '../conform/settings.ts';

/** What the process is to end with: 2 is a run that could not be made. */
export type ExitCode = 0 | 1 | 2;

/** Where the command says something, and how it is interrupted. */
export interface Terminal {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Ends a run that listens. */
  readonly signal?: AbortSignal;
}

export const USAGE: string = `Tests an implementation of WebSocket with the 517 cases of the Autobahn test suite.

  tautline conform ws://127.0.0.1:9001    tests a server, which echoes what it gets
  tautline conform --listen 9001          tests clients, which echo what they get

  --cases PATTERNS     which cases: '6.*,9.1.*'. Default: all
  --exclude PATTERNS   which of those not: '12.*,13.*'
  --messages N         messages in each case of 12.* and 13.*. Default: 100; officially 1000
  --agent NAME         the name of the implementation in the reports
  --output DIRECTORY   writes index.json and index.html
  --fail-on VERDICT    exit code 1 from there on: failed, non-strict, unimplemented. Default: failed

The exit code is 1 as well for a connection that was closed wrongly: with WRONG CODE, UNCLEAN or
FAILED; with FAILED BY CLIENT, which is a server that does not end TCP, from non-strict on. It is 2
where there was nothing to test.

a server:
  --ca FILE            certificates to trust, for wss:
  --insecure           trusts any certificate
clients:
  --host ADDRESS       where to listen. Default: 127.0.0.1
  --cert FILE          a certificate, for wss:
  --key FILE           its private key
  --once               ends when the first client says that it is done
`;

const FLAGS = {
  agent: { type: 'string' },
  ca: { type: 'string' },
  cases: { type: 'string' },
  cert: { type: 'string' },
  exclude: { type: 'string' },
  'fail-on': { type: 'string', default: 'failed' },
  help: { type: 'boolean', short: 'h', default: false },
  host: { type: 'string' },
  insecure: { type: 'boolean' },
  key: { type: 'string' },
  listen: { type: 'string' },
  messages: { type: 'string', default: String(DEFAULT_SETTINGS.messages) },
  once: { type: 'boolean' },
  output: { type: 'string' },
} as const;

/** What has no meaning for a server that is tested, or for clients. */
const FOR_CLIENTS = ['host', 'cert', 'key', 'once'] as const;
const FOR_A_SERVER = ['ca', 'insecure'] as const;

/** What follows `tautline conform`. */
export async function conform(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  try {
    return await run(args, terminal);
  } catch (error) {
    terminal.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
}

async function run(args: readonly string[], { stdout, signal }: Terminal): Promise<ExitCode> {
  const { values: flags, positionals } = parseArgs({
    args: [...args],
    options: FLAGS,
    allowPositionals: true,
  });
  if (flags.help) {
    stdout.write(USAGE);
    return 0;
  }
  const common: CommonOptions = {
    cases: flags.cases,
    exclude: flags.exclude,
    agent: flags.agent,
    output: flags.output,
    failOn: readFailOn(flags['fail-on']),
    settings: { ...DEFAULT_SETTINGS, messages: wholeNumber('messages', flags.messages, 1) },
    stdout,
    signal,
  };
  const [target, ...others] = positionals;
  if (target !== undefined && others.length === 0 && flags.listen === undefined) {
    refuse(flags, FOR_CLIENTS, 'is for --listen');
    return conformServer({
      ...common,
      url: readUrl(target),
      ca: readFile(flags.ca),
      isInsecure: flags.insecure,
    });
  }
  if (target !== undefined || flags.listen === undefined) {
    throw new TypeError(`It takes either one URL or --listen PORT\n\n${USAGE}`);
  }
  refuse(flags, FOR_A_SERVER, 'is for a URL');
  const cert = readFile(flags.cert);
  const key = readFile(flags.key);
  if ((cert === undefined) !== (key === undefined)) {
    throw new TypeError('--cert and --key go together');
  }
  return conformClients({
    ...common,
    port: wholeNumber('listen', flags.listen, 0),
    host: flags.host,
    tls: cert === undefined || key === undefined ? undefined : { cert, key },
    isOnce: flags.once,
  });
}

/** @throws {TypeError} for a flag that would otherwise be without effect */
function refuse<Name extends string>(
  flags: Readonly<Partial<Record<Name, unknown>>>,
  names: readonly Name[],
  why: string,
): void {
  const name = names.find((one) => flags[one] !== undefined);
  if (name !== undefined) throw new TypeError(`--${name} ${why}`);
}

function readFile(path: string | undefined): Buffer | undefined {
  return path === undefined ? undefined : readFileSync(path);
}

function readUrl(target: string): URL {
  const url = URL.canParse(target) ? new URL(target) : undefined;
  if (url === undefined || (url.protocol !== 'ws:' && url.protocol !== 'wss:')) {
    throw new TypeError(`This is no URL of a WebSocket server: "${target}"`);
  }
  if (url.username !== '' || url.password !== '') {
    // Not shown: it is on its way to the log of CI.
    throw new TypeError('A user and a password in the URL would not be sent');
  }
  return url;
}

function readFailOn(name: string): FailOn {
  const failOn = FAIL_ON.find((one) => one === name);
  if (failOn === undefined) throw new RangeError(`--fail-on takes one of ${FAIL_ON.join(', ')}`);
  return failOn;
}

function wholeNumber(name: string, text: string, least: number): number {
  if (!/^[0-9]+$/.test(text) || Number(text) < least) {
    throw new RangeError(`--${name} takes a whole number from ${least} on, not "${text}"`);
  }
  return Number(text);
}
