import { describe, expect, it } from 'vitest';
import { openLive, turns } from '../support/live-socket.ts';
import { peerFrame } from '../support/bytes.ts';
import { ROLES } from '../support/open-connection.ts';

/** Long texts, so that they are put together from several chunks, and what an application got of them. */
async function received(
  role: (typeof ROLES)[number],
  text: 'string' | 'buffer',
  texts: readonly string[],
): Promise<string[]> {
  const live = await openLive(role, { options: { text } });
  const messages: (string | Buffer)[] = [];
  live.onMessage((message) => messages.push(message));
  for (const payload of texts) {
    const frame = peerFrame(role, { payload });
    const cut = Math.floor(frame.length / 2);
    await live.peer.write(frame.subarray(0, cut));
    await turns();
    await live.peer.write(frame.subarray(cut));
    await turns();
  }
  await live.readAll();
  return messages.map((message) => message.toString());
}

describe.each(ROLES)('long texts that a %s is sent one after the other', (role) => {
  it.each(['string', 'buffer'] as const)('stay as they were: as a %s', async (form) => {
    const texts = ['a', 'ü', 'い', '🎉'].map((character) => character.repeat(20_000));
    expect(await received(role, form, texts)).toEqual(texts);
  });
});
