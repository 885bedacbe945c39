/**
 * A whole server, from the first byte of a connection to its last, without a network: the listener is
 * given transports in memory. One server has all the connections, as in life.
 *
 * @module
 */

import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { CLOSE_CODE } from '../../src/frame/close-code.ts';
import { REFUSAL } from '../../src/handshake/refusal.ts';
import { WebSocketServer } from '../../src/server/server.ts';
import { readFrames } from '../../test/support/bytes.ts';
import { rawRequest } from '../../test/support/raw-http.ts';
import { cutWire, generateFrames, mutateWire, writeFrame } from '../frames.ts';
import { MemoryWire } from '../memory-wire.ts';
import { nameBytes } from '../played.ts';
import { Random } from '../random.ts';
import { type Target, check, checkSame } from '../target.ts';
import { generateRequest, mutateHead } from './heads.ts';

/** What happened to one connection. */
type Log = string[];

interface Door {
  readonly server: WebSocketServer;
  readonly listener: net.Server;
}

/** Connections come one after another: whose log it is. */
let current: Log = [];
const doors = new Map<number, Promise<Door>>();

/** The bits of the first byte of an input. */
const DEFLATES = 1;
const DECIDES_LATER = 2;

async function open(flags: number): Promise<Door> {
  const server = new WebSocketServer({
    deflate: (flags & DEFLATES) !== 0,
    maxPayload: 70_000,
    maxFragments: 20,
    subprotocols: ['chat'],
  });
  server.on('error', (error) => current.push(`server error ${error.message}`));
  const decide = (): { data: Log } => ({ data: current });
  server.route<Log>('*', {
    upgrade: (flags & DECIDES_LATER) === 0 ? decide : () => turn().then(decide),
    open: ({ data }) => void data.push('open'),
    message: (socket, message) => {
      socket.data.push(`message ${nameBytes(Buffer.from(message))}`);
      socket.send(message);
    },
    error: ({ data }, error) => void data.push(`error ${Reflect.get(error, 'code')}`),
    close: ({ data }, code) => void data.push(`close ${code}`),
  });
  const { createServer } = net;
  let listener: net.Server | null = null;
  Object.assign(net, {
    createServer: (...args: Parameters<typeof createServer>) => {
      listener = createServer(...args);
      // It hears of connections by us alone.
      return Object.assign(listener, {
        listen: (_where: unknown, onListening: () => void) => process.nextTick(onListening),
      });
    },
  });
  syncBuiltinESMExports();
  try {
    await server.listen(0);
  } finally {
    Object.assign(net, { createServer });
    syncBuiltinESMExports();
  }
  if (listener === null) throw new Error('the server has no listener of its own');
  return { server, listener };
}

function doorOf(flags: number): Promise<Door> {
  const door = doors.get(flags) ?? open(flags);
  doors.set(flags, door);
  return door;
}

const STATUSES = new Set<number>(Object.values(REFUSAL).map(([status]) => status));
const CODES = new Set<string>(Object.values(CLOSE_CODE).map(String));

/** The status of the answer, or 0; and what was sent behind it must be frames. */
function readAnswer(wire: MemoryWire): number {
  const answer = wire.written.toString('latin1').replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '');
  if (answer === '') return 0;
  const match = /^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(answer);
  check(match !== null, 'the answer is malformed', answer.slice(0, 300));
  const status = Number(match![1]);
  check(status === 101 || STATUSES.has(status), 'a status is in no table', status);
  if (status !== 101) return status;
  const frames = readFrames(Buffer.from(answer.slice(match![0].length), 'latin1'));
  check(
    frames.every(({ masked }) => !masked),
    'a server has masked',
  );
  const closes = frames.filter(({ opcode }) => opcode === 8);
  check(closes.length <= 1, 'more than one Close was sent');
  if (closes.length > 0) check(frames.at(-1)?.opcode === 8, 'something is behind the Close');
  return status;
}

async function playOne(flags: number, pieces: readonly Buffer[]): Promise<[number, Log]> {
  const { server, listener } = await doorOf(flags);
  const log: Log = [];
  current = log;
  const wire = new MemoryWire();
  listener.emit('connection', wire);
  await wire.play(pieces);
  const status = readAnswer(wire);
  checkSame(server.sockets.size, 0, 'a connection is left');
  checkLog(log, status === 101);
  return [status, log];
}

/** Opened once and closed once, at both ends of all that happens. */
export function checkLog(log: Log, isOpen: boolean): void {
  if (!isOpen) {
    checkSame(log, [], 'something happened, and nothing was open');
    return;
  }
  checkSame(log[0], 'open', 'it was not opened first');
  const closes = log.filter((entry) => entry.startsWith('close'));
  checkSame(closes.length, 1, 'it was not closed once');
  check(log.at(-1) === closes[0], 'something came behind the end', log);
  check(
    !log.some((entry) => entry.startsWith('server')),
    'the application is told of an error',
    log,
  );
}

/** A head, and frames behind it. */
export function splitHead(input: Buffer): [head: Buffer, frames: Buffer] {
  const end = input.indexOf('\r\n\r\n');
  return end === -1
    ? [input, Buffer.alloc(0)]
    : [input.subarray(0, end + 4), input.subarray(end + 4)];
}

/** Of what has a head and frames, changes one of them. */
export function mutateBoth(random: Random, input: Buffer, other: Buffer, masked: boolean): Buffer {
  const [head, frames] = splitHead(input.subarray(1));
  const [otherHead, otherFrames] = splitHead(other.subarray(1));
  const kind = { masked, windowBits: 15 };
  const [changedHead, changedFrames] = random.oneIn(3)
    ? [mutateHead(random, head, otherHead), frames]
    : [head, mutateWire(random, frames, otherFrames, kind)];
  return Buffer.concat([input.subarray(0, 1), changedHead, changedFrames]);
}

/** In a few words. */
export function verdictOf(log: Log): string {
  const error = log.find((entry) => entry.startsWith('error'));
  if (error !== undefined) return error;
  const [, code = ''] = log.at(-1)!.split(' ');
  return `close ${CODES.has(code) ? code : 'by a code'}`;
}

export const SERVER: Target = {
  name: 'server',
  form: 'text',

  generate(random) {
    const deflates = random.oneIn(2);
    const extensions = { 'Sec-WebSocket-Extensions': deflates ? 'permessage-deflate' : null };
    const isRight = !random.oneIn(5);
    const head = isRight ? rawRequest(extensions) : generateRequest(random);
    const kind = { masked: true, windowBits: deflates ? 15 : 0 };
    const frames = generateFrames(random, kind).map(writeFrame);
    const flags = Buffer.of(
      0x30 | (deflates ? DEFLATES : 0) | (random.oneIn(2) ? 0 : DECIDES_LATER),
    );
    return Buffer.concat([flags, Buffer.from(head, 'latin1'), ...frames]);
  },
  mutate: (random, input, other) => mutateBoth(random, input, other, true),

  async run(input) {
    const [flags = 0] = input;
    const wire = input.subarray(1);
    const random = new Random(input.length);
    const deflated = (flags & DEFLATES) !== 0 && wire.includes('permessage-deflate');
    const first = await playOne(flags & 3, cutWire(random, wire, 0));
    for (const most of [3, 20]) {
      const again = await playOne(flags & 3, cutWire(random, wire, most));
      // What a compressed message breaks first depends on how it comes.
      if (deflated) checkSame(again[0], first[0], 'a cut changes the answer');
      else checkSame(again, first, 'how the bytes were cut makes a difference');
    }
    const [status, log] = first;
    return status === 101 ? verdictOf(log) : status === 0 ? 'no answer' : String(status);
  },
};
