/**
 * The same with permessage-deflate: both ways to inflate, and however the bytes are cut, give the same
 * messages.
 *
 * What a compressed message breaks first depends on how it comes: that it is too large, that its text
 * is no UTF-8, and that it is no compressed message at all can be seen in any order, and the public
 * functions see nothing before its end. So the messages are compared, and whether there was a violation.
 *
 * @module
 */

import { type Played, play, readInput, type Setting } from '../played.ts';
import { type Target, check, checkSame } from '../target.ts';
import { cutsOf, generateInput, mutateInput, verdictOf } from './frames.ts';

/** What a compressed message can break by what is in it. */
const BY_CONTENT = new Set([
  'error WS_ERR_INVALID_DEFLATE',
  'error WS_ERR_MESSAGE_TOO_BIG',
  'error WS_ERR_INVALID_UTF8',
]);

function messagesOf({ events }: Played): string[] {
  return events.filter((event) => /^(?:text|binary) /.test(event));
}

function checkCut(one: Played, other: Played): void {
  const differs = JSON.stringify(one.events) !== JSON.stringify(other.events);
  const byContent = [one, other].every(({ events }) => events.some((name) => BY_CONTENT.has(name)));
  if (differs && byContent) checkSame(messagesOf(one), messagesOf(other), 'a cut changes messages');
  else checkSame(one.events, other.events, 'how the bytes were cut makes a difference');
}

/** One has seen a violation by content early, or both have seen the same. */
function checkEngines(kept: Played, open: Played): void {
  checkSame(messagesOf(kept), messagesOf(open), 'two engines give other messages');
  if (JSON.stringify(kept.events) === JSON.stringify(open.events)) return;
  check(
    kept.events.some((name) => BY_CONTENT.has(name)),
    'two engines give other events, and the content is not the reason',
    kept.events,
    open.events,
  );
}

async function playAll(setting: Setting, wire: Buffer, keepContexts: boolean): Promise<Played> {
  let first: Played | null = null;
  // (Without the last, which is byte by byte: slow, and no other than many places.)
  for (const pieces of cutsOf(wire, setting).slice(0, 3)) {
    const played = await play(setting, pieces, keepContexts);
    if (first === null) first = played;
    else checkCut(first, played);
  }
  return first!;
}

export const DEFLATE: Target = {
  name: 'deflate',
  form: 'bytes',
  generate: (random) => generateInput(random, true),
  mutate: (random, input, other) => mutateInput(random, input, other, true),

  async run(input) {
    const [setting, wire] = readInput(input, true);
    const kept = await playAll(setting, wire, true);
    const open = await playAll(setting, wire, false);
    checkEngines(kept, open);
    return verdictOf(kept);
  },
};
