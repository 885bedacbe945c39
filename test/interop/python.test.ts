import { type ChildProcess, execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { ServerProcess } from '../support/server-process.ts';
import { BINARY_SIZES, CLOSES, HUNDRED, MAX_PAYLOAD, TEXTS, patternOf } from './samples.ts';

/** Debian's, which sees Debian's packages; the first in PATH may be another. */
const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('echo_client.py', import.meta.url));

const SAMPLES = {
  texts: TEXTS,
  sizes: BINARY_SIZES,
  hundred: HUNDRED,
  closes: CLOSES,
  tooLarge: MAX_PAYLOAD + 1,
};

const run = promisify(execFile);

/** What Python saw, by topic. */
let seen: Map<string, unknown>;

beforeAll(async () => {
  await run(PYTHON, ['-c', 'import websockets']).catch((error: unknown) => {
    throw new Error(
      `${PYTHON} has no module websockets, which this test speaks to: ` +
        'apt-get install python3-websockets',
      { cause: error },
    );
  });
});

beforeAll(async () => {
  const echo = await ServerProcess.echo();
  try {
    const speaking = run(PYTHON, [SCRIPT, echo.url, 'check'], { maxBuffer: 16 * 1024 * 1024 });
    speaking.child.stdin!.end(JSON.stringify(SAMPLES));
    seen = parse((await speaking).stdout);
  } finally {
    await echo.stop();
  }
});

function parse(json: string): Map<string, unknown> {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null) throw new TypeError('not an object');
  return new Map(Object.entries(value));
}

function digestOf(bytes: Buffer): [size: number, digest: string] {
  return [bytes.length, createHash('sha256').update(bytes).digest('hex')];
}

/** Resolves when the process has printed a whole line; with its words so far. */
async function firstLine(child: ChildProcess): Promise<string> {
  let text = '';
  while (!text.includes('\n')) {
    const [chunk]: unknown[] = await once(child.stdout!, 'data');
    text += String(chunk);
  }
  return text;
}

describe('websockets for Python', () => {
  it('gets texts back', () => {
    expect(seen.get('texts')).toEqual(TEXTS);
  });

  it('gets binaries of every size back, byte for byte', () => {
    expect(seen.get('binaries')).toEqual(BINARY_SIZES.map((size) => digestOf(patternOf(size))));
  });

  it('gets fragments back as one message', () => {
    expect(seen.get('textFragments')).toBe('Köln 日本語');
    expect(seen.get('binaryFragments')).toEqual(digestOf(patternOf(200_000)));
  });

  it('gets a Pong with the payload of its Ping', () => {
    expect(seen.get('pongs')).toEqual([0, 3, 125]);
  });

  it('gets a hundred messages back in their order', () => {
    expect(seen.get('hundred')).toEqual(HUNDRED);
  });

  it('is served beside another client, each for itself', () => {
    expect(seen.get('pair')).toEqual([0, 1].map((i) => HUNDRED.map((text) => `${i}: ${text}`)));
  });

  it('gets the code back with which it closes', () => {
    expect(seen.get('closes')).toEqual(CLOSES.map(([code]) => [code, '']));
  });

  it('is told why when a message is too large', () => {
    expect(seen.get('tooLarge')).toEqual([1009, expect.stringMatching(/RFC 6455/)]);
  });

  it('is told that the server goes, with 1001', async () => {
    const leaving = await ServerProcess.echo();
    const waiting = run(PYTHON, [SCRIPT, leaving.url, 'wait']);
    expect(await firstLine(waiting.child)).toBe('open\n');
    await leaving.stop();
    expect((await waiting).stdout).toBe('open\n[1001, ""]\n');
  });
});
