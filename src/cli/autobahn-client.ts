/**
 * A client for the fuzzing server of the Autobahn test suite: it runs every case, and sends back
 * what it gets. `npm run -s autobahn:client -- --url ws://127.0.0.1:9001 --agent tautline`. Made
 * with the public API; the defaults of the library hold unless a flag says otherwise.
 *
 * The verdict is the suite's: a connection that ends badly is what many of its cases are about.
 *
 * @module
 */

import { parseArgs } from 'node:util';
import { type ConnectOptions, connect } from '../index.ts';

/** Cases between two signs of life. */
const CASES_PER_LINE = 50;

interface Run {
  readonly url: string;
  readonly agent: string;
  readonly options: ConnectOptions;
}

function wholeNumber(name: string, text: string): number {
  if (!/^[0-9]+$/.test(text)) throw new RangeError(`--${name} takes a whole number, not "${text}"`);
  return Number(text);
}

/**
 * @throws {TypeError | RangeError} for a flag that there is not, or a value that is no number
 */
function readFlags(): Run {
  const { values: flags } = parseArgs({
    options: {
      url: { type: 'string', default: 'ws://127.0.0.1:9001' },
      agent: { type: 'string', default: 'tautline' },
      deflate: { type: 'boolean', default: false },
      'max-payload': { type: 'string' },
      'max-fragments': { type: 'string' },
    },
  });
  const maxPayload = flags['max-payload'];
  const maxFragments = flags['max-fragments'];
  const options: ConnectOptions = {
    deflate: flags.deflate,
    maxPayload: maxPayload === undefined ? undefined : wholeNumber('max-payload', maxPayload),
    maxFragments:
      maxFragments === undefined ? undefined : wholeNumber('max-fragments', maxFragments),
  };
  return { url: flags.url.replace(/\/$/, ''), agent: flags.agent, options };
}

/** Connects, does what is to be done with each message, and waits for the end. */
async function converse(
  { url, agent, options }: Run,
  resource: string,
  parameters: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const query = new URLSearchParams({ ...parameters, agent });
  const socket = await connect(`${url}/${resource}?${query.toString()}`, options);
  const texts: string[] = [];
  socket.on('message', (message) => {
    if (resource === 'runCase') socket.send(message);
    else texts.push(message.toString());
  });
  await socket.closed;
  return texts;
}

/**
 * @throws {Error} where the server does not say how many cases it has
 */
async function countCases(run: Run): Promise<number> {
  const [text = ''] = await converse(run, 'getCaseCount');
  if (!/^[0-9]+$/.test(text)) {
    throw new Error(`that is no number of cases: ${JSON.stringify(text)}`);
  }
  return Number(text);
}

async function runCases(run: Run, count: number): Promise<void> {
  let failed = 0;
  for (let number = 1; number <= count; number++) {
    try {
      await converse(run, 'runCase', { case: String(number) });
    } catch (error) {
      failed++;
      console.error(`case ${number} did not open: ${sentenceOf(error)}`);
    }
    if (number % CASES_PER_LINE === 0) console.log(`${number} of ${count} cases`);
  }
  await converse(run, 'updateReports');
  console.log(`ran ${count} cases as ${run.agent}, of which ${failed} did not open`);
}

function sentenceOf(error: unknown): string {
  // Of a host that has several addresses, and listens at none: its own message is empty.
  if (error instanceof AggregateError) return error.errors.map(sentenceOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}

try {
  const run = readFlags();
  await runCases(run, await countCases(run));
} catch (error) {
  console.error(sentenceOf(error));
  process.exitCode = 1;
}
