/**
 * A whole client, from `connect` to the end of its socket, without a network: what `node:net` would
 * connect is a transport in memory.
 *
 * @module
 */

import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { connect } from '../../src/client/connect.ts';
import { HandshakeError } from '../../src/errors.ts';
import { readFrames } from '../../test/support/bytes.ts';
import { SAMPLE_ACCEPT, SAMPLE_KEY, acceptOf, rawResponse } from '../../test/support/raw-http.ts';
import { cutWire, generateFrames, writeFrame } from '../frames.ts';
import { MemoryWire } from '../memory-wire.ts';
import { nameBytes } from '../played.ts';
import { Random } from '../random.ts';
import { Finding, type Target, check, checkSame } from '../target.ts';
import { checkRefusal, generateResponse } from './heads.ts';
import { checkLog, mutateBoth, splitHead, verdictOf } from './server.ts';

/** How it ended: the code of a refusal, or 'open'. */
interface Outcome {
  readonly end: string;
  readonly log: string[];
}

function startConnect(wire: MemoryWire, deflate: boolean): ReturnType<typeof connect> {
  const { connect: connectNet } = net;
  Object.assign(net, { connect: () => wire });
  syncBuiltinESMExports();
  try {
    return connect('ws://localhost/', { deflate, parallel: true, maxPayload: 70_000 });
  } finally {
    Object.assign(net, { connect: connectNet });
    syncBuiltinESMExports();
  }
}

async function playOne(deflate: boolean, input: Buffer, most: number): Promise<Outcome> {
  const wire = new MemoryWire();
  const log: string[] = [];
  const outcome = startConnect(wire, deflate).then(
    (socket) => {
      log.push('open');
      socket.on('message', (message) => {
        log.push(`message ${nameBytes(Buffer.from(message))}`);
        socket.send(message);
      });
      socket.on('error', (error) => log.push(`error ${Reflect.get(error, 'code')}`));
      socket.on('close', (code) => log.push(`close ${code}`));
      return 'open';
    },
    (error: unknown) => {
      if (!(error instanceof HandshakeError)) throw error;
      checkRefusal(error.code, error.status);
      check(wire.destroyed, 'it was refused, and is open');
      return error.code;
    },
  );
  wire.emit('connect');
  const request = wire.written.toString('latin1');
  const [, key = ''] = /\r\nSec-WebSocket-Key: ([^\r\n]+)\r\n/.exec(request) ?? [];
  const [head, frames] = splitHead(input);
  // What fits the key of the RFC fits this one.
  const text = head.toString('latin1').replace(SAMPLE_ACCEPT, acceptOf(key));
  const bytes = Buffer.concat([Buffer.from(text, 'latin1'), frames]);
  await wire.play(cutWire(new Random(input.length), bytes, most));
  const end = await outcome;
  checkLog(log, end === 'open');
  const sent = readFrames(wire.written.subarray(request.length));
  if (end !== 'open') checkSame(sent, [], 'frames were sent without a handshake');
  check(
    sent.every(({ masked }) => masked),
    'a client has not masked',
  );
  check(sent.filter(({ opcode }) => opcode === 8).length <= 1, 'more than one Close was sent');
  return { end, log };
}

export const CLIENT: Target = {
  name: 'client',
  form: 'text',

  generate(random) {
    const deflates = random.oneIn(2);
    const extensions = { 'Sec-WebSocket-Extensions': deflates ? 'permessage-deflate' : null };
    const isRight = !random.oneIn(5);
    const head = isRight ? rawResponse(SAMPLE_KEY, extensions) : generateResponse(random);
    const kind = { masked: false, windowBits: deflates ? 15 : 0 };
    const frames = generateFrames(random, kind).map(writeFrame);
    const flags = Buffer.of(0x30 | (deflates ? 1 : 0));
    return Buffer.concat([flags, Buffer.from(head, 'latin1'), ...frames]);
  },
  mutate: (random, input, other) => mutateBoth(random, input, other, false),

  async run(input) {
    const deflates = ((input[0] ?? 0) & 1) !== 0;
    const answer = input.subarray(1);
    const first = await playOne(deflates, answer, 0);
    for (const most of [3, 20]) {
      const again = await playOne(deflates, answer, most);
      // What a compressed message breaks first depends on how it comes.
      if (deflates) checkSame(again.end, first.end, 'a cut changes the outcome');
      else checkSame(again, first, 'how the bytes were cut makes a difference');
    }
    if (first.end !== 'open') return first.end;
    if (first.log.length === 0) throw new Finding('it is open, and nobody was told');
    return verdictOf(first.log);
  },
};
