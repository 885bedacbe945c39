/**
 * Our reading half beside that of `ws`: for the same frames, in cuts of their own, the same messages,
 * and the same close code. Where the two differ, it is for one of the reasons in the table below, each
 * of which says exactly when it holds; everything else is a finding.
 *
 * @module
 */

import { VIOLATION } from '../../src/frame/violation.ts';
import { type LooseMessage, readMessages } from '../compressed.ts';
import { cutWire, readLooseFrames } from '../frames.ts';
import { type Played, play, readInput, type Setting } from '../played.ts';
import { Random } from '../random.ts';
import { type Target, Finding, checkSame } from '../target.ts';
import { type Reading, readByWs } from '../ws.ts';
import { generateInput, mutateInput } from './frames.ts';

/** Two readings of one wire. */
interface Pair {
  readonly ours: Reading;
  /** The code of the violation that we have seen, or ''. */
  readonly violation: string;
  readonly theirs: Reading;
  readonly setting: Setting;
  readonly wire: Buffer;
}

function startsWith(longer: readonly string[], shorter: readonly string[]): boolean {
  return shorter.every((event, i) => longer[i] === event);
}

/** Whether all that one of them has seen was seen by the other, which went on. */
function goesOn({ events: longer }: Reading, { events: shorter }: Reading): boolean {
  return startsWith(longer, shorter);
}

function isMessage(event: string): boolean {
  return event.startsWith('text') || event.startsWith('binary');
}

/** Whether no message is behind what the other has seen: only what may stand between its frames. */
function completesNothing({ events: longer }: Reading, { events: shorter }: Reading): boolean {
  return startsWith(longer, shorter) && !longer.slice(shorter.length).some(isMessage);
}

interface Difference {
  readonly name: string;
  /** Who is right, and why it stays. */
  readonly why: string;
  holds(pair: Pair): boolean;
}

export const DIFFERENCES: readonly Difference[] = [
  {
    name: 'a length longer than it has to be',
    why: 'RFC 6455, section 5.2: "the minimal number of bytes MUST be used". ws takes it.',
    holds: ({ violation, ours, theirs }) =>
      violation === 'LENGTH_NOT_MINIMAL' && goesOn(theirs, ours),
  },
  {
    name: 'a length with its first bit set',
    why: 'RFC 6455, section 5.2: "the most significant bit MUST be 0". ws says that it is too big.',
    holds: ({ violation, ours, theirs }) =>
      violation === 'LENGTH_SIGN_BIT' && theirs.end === '1009' && goesOn(theirs, ours),
  },
  {
    name: 'a text that is wrong before its end',
    why: 'We fail at the first wrong byte, ws at the end of the message, if that comes.',
    holds: ({ violation, ours, theirs }) =>
      violation === 'INVALID_UTF8' && completesNothing(theirs, ours),
  },
  {
    name: 'a head that is not whole',
    why: 'ws judges the first two bytes and the length before the masking-key has come.',
    holds: ({ ours, theirs, wire, setting }) =>
      ours.end === 'open' &&
      ['1002', '1009'].includes(theirs.end) &&
      sameEvents(ours, theirs) &&
      endsInHead(wire, setting),
  },
  {
    name: 'two mistakes in one head',
    why: 'We read the length before we ask whether the frame may come at all; ws asks first.',
    holds: ({ violation, ours, theirs, wire }) =>
      sameEvents(ours, theirs) &&
      theirs.end === '1002' &&
      violation === 'MESSAGE_TOO_BIG' &&
      // (Of the last one, the masking-key may be missing.)
      readLooseFrames(Buffer.concat([wire, Buffer.alloc(4)])).some(
        ({ length }) => length >= 1n << 53n,
      ),
  },
  {
    name: 'a fragment too many',
    why: 'We count it when its head has come; ws when its payload has, which may never be.',
    holds: ({ violation, ours, theirs }) =>
      violation === 'TOO_MANY_FRAGMENTS' && completesNothing(theirs, ours),
  },
  {
    name: 'a payload larger compressed than it is',
    why: 'ws holds the compressed size to `maxPayload`; we let it be what zlib may make of so much.',
    holds: (pair) =>
      pair.theirs.end === '1009' &&
      goesOn(pair.ours, pair.theirs) &&
      isCompressed(refusedBy(pair.theirs, pair)) &&
      refusedBy(pair.theirs, pair)!.announced > BigInt(pair.setting.maxPayload),
  },
  {
    name: 'a compressed message that breaks two rules',
    why: 'That it is too large, no text, or not compressed at all is seen in any order.',
    holds: (pair) =>
      sameEvents(pair.ours, pair.theirs) &&
      isCompressed(refusedBy(pair.ours, pair)) &&
      BY_CONTENT.has(pair.violation) &&
      ['1007', '1009'].includes(pair.theirs.end),
  },
  {
    name: 'a compressed message that is wrong before its end',
    why: 'We inflate what has come of a frame, ws when the frame is there.',
    holds: (pair) =>
      isCompressed(refusedBy(pair.ours, pair)) &&
      BY_CONTENT.has(pair.violation) &&
      completesNothing(pair.theirs, pair.ours),
  },
  {
    name: 'a compressed message that was cut',
    why: 'RFC 7692, section 7.2.2. ws gives out what could be read of it.',
    holds: (pair) =>
      pair.violation === 'INVALID_DEFLATE' &&
      refusedBy(pair.ours, pair)?.kind === 'odd' &&
      goesOn(pair.theirs, pair.ours),
  },
  {
    name: 'several streams in one compressed message',
    why: 'RFC 7692, section 7.2.3.4 lets a final block stand anywhere. ws reads up to the first.',
    holds: (pair) =>
      [pair.ours, pair.theirs].some((reading) => refusedBy(reading, pair)?.kind === 'final') ||
      firstDifferent(pair)?.kind === 'final',
  },
];

function sameEvents(one: Reading, other: Reading): boolean {
  return one.events.length === other.events.length && startsWith(one.events, other.events);
}

/** Whether bytes of a head are still missing at the end of the wire. */
function endsInHead(wire: Buffer, { role }: Setting): boolean {
  const frames = readLooseFrames(wire);
  let size = 0;
  for (const { key, lengthBits, payload } of frames) {
    size += 2 + (lengthBits === 7 ? 0 : lengthBits / 8) + (key === null ? 0 : 4) + payload.length;
  }
  const rest = wire.subarray(size);
  return rest.length >= 2 && rest[1]! >= 0x80 === (role === 'server');
}

/** What the content of a compressed message can break. */
const BY_CONTENT = new Set(['INVALID_DEFLATE', 'MESSAGE_TOO_BIG', 'INVALID_UTF8']);

/** The message behind the last that it has seen. */
function refusedBy({ events }: Reading, { wire, setting }: Pair): LooseMessage | undefined {
  return readMessages(wire, setting)[events.filter(isMessage).length];
}

/** The first message of which the two have made something else. */
function firstDifferent({ ours, theirs, wire, setting }: Pair): LooseMessage | undefined {
  const [one, other] = [ours, theirs].map(({ events }) => events.filter(isMessage));
  return readMessages(wire, setting)[one!.findIndex((event, i) => event !== other![i])];
}

function isCompressed(message: LooseMessage | undefined): boolean {
  return message !== undefined && message.kind !== 'plain';
}

function ourReading({ events }: Played): { reading: Reading; violation: string } {
  const failure = events.find((event) => event.startsWith('error'));
  const seen = events.filter((event) => /^(?:text|binary|ping|pong) /.test(event));
  const violation = failure?.slice('error WS_ERR_'.length) ?? '';
  const row = Object.entries(VIOLATION).find(([name]) => name === violation);
  const [, code = '', reason = ''] =
    /^close (\d+) (.*) (?:true|false)$/s.exec(events.at(-1)!) ?? [];
  let end = code === '1006' ? 'open' : `closed ${code} ${reason}`;
  if (row !== undefined) end = String(row[1][0]);
  return { reading: { events: seen, end }, violation };
}

function isSame(one: Reading, other: Reading): boolean {
  return one.end === other.end && sameEvents(one, other);
}

/** The setting is one that ws has too. */
function comparable(setting: Setting): Setting {
  // For ws, 0 is no limit.
  const maxPayload = Math.max(1, setting.maxPayload);
  return { ...setting, inPieces: false, echoes: false, closes: false, maxPayload };
}

function isDeflated(input: Buffer): boolean {
  return input.length > 0 && (input[0]! & 0x80) !== 0;
}

export const RECEIVER: Target = {
  name: 'receiver',
  form: 'bytes',

  generate(random) {
    const deflates = random.oneIn(2);
    const input = generateInput(random, deflates);
    input[0] = (input[0]! & 0x7f) | (deflates ? 0x80 : 0);
    return input;
  },

  mutate: (random, input, other) => mutateInput(random, input, other, isDeflated(input)),

  async run(input) {
    const [given, wire] = readInput(input, isDeflated(input));
    const setting = comparable(given);
    const random = new Random(setting.seed);
    const { reading: ours, violation } = ourReading(await play(setting, cutWire(random, wire, 8)));
    const theirs = await readByWs(setting, cutWire(random, wire, 8));
    if (isSame(ours, theirs)) return violation === '' ? ours.end.slice(0, 6) : violation;
    const pair = { ours, violation, theirs, setting, wire };
    const reason = DIFFERENCES.find((difference) => difference.holds(pair));
    if (reason !== undefined) return `differs: ${reason.name}`;
    checkSame(ours, theirs, 'ws reads it otherwise');
    throw new Finding('ws reads it otherwise');
  },
};
