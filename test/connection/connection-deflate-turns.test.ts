import { describe, expect, it, vi } from 'vitest';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import type { RawFrame } from '../support/bytes.ts';
import {
  DEFLATING_ROLES,
  DeflateConnection,
  followConnections,
} from '../support/deflate-connection.ts';

const TEXT = 1;
/** What one connection may have inflated in a turn; what it has begun, it ends. */
const PER_TURN = 256 * 1024;

const connections = followConnections();

/** The most that is added in one turn of the event loop, up to the one in which `isDone`. */
async function mostPerTurn(total: () => number, isDone: () => boolean): Promise<number> {
  let most = 0;
  let before = 0;
  for (;;) {
    most = Math.max(most, total() - before);
    before = total();
    if (isDone()) return most;
    await new Promise(setImmediate);
  }
}

describe.each(DEFLATING_ROLES)(
  'a flood of small messages that meets a $role with $engine',
  ({ role, keepContexts }) => {
    const open = connections.opener(role, keepContexts);

    it.each([
      ['large texts', 'a'.repeat(250_000), 40],
      ['short texts', 'a'.repeat(100), 4_000],
      ['nothing', '', 4_000],
    ])('becomes %s: others have their turn between them', async (_, text, count) => {
      const one = open({ terms: { peerTakeover: false } });
      const frame = one.peer.frame(text);
      let size = 0;
      one.during.onMessage = (_opcode, _source, start, end) => {
        size += end - start + 100;
      };
      one.receiveTogether(...Array.from({ length: count }, () => frame));
      const all = count * (text.length + 100);
      const most = await mostPerTurn(
        () => size,
        () => size >= all,
      );
      expect(most).toBeLessThanOrEqual(Math.max(PER_TURN + text.length, all / 10));
      expect([one.log.length, one.log.at(-1)]).toEqual([count, `text ${text}`]);
    });

    it.each<[string, (one: DeflateConnection, text: string) => void]>([
      ['messages', (one, text) => one.connection.send(TEXT, text)],
      ['prepared messages', (one, text) => one.connection.sendPrepared(new PreparedMessage(text))],
      [
        'fragments',
        (one, text) => {
          one.connection.beginMessage();
          one.connection.sendFragment(TEXT, text, true);
        },
      ],
    ])('is answered with compressed %s: others have their turn', async (_, answer) => {
      const one = open();
      const text = 'a'.repeat(16_000);
      const count = 60;
      let sent = 0;
      one.during.onMessage = () => {
        answer(one, text);
        sent += text.length;
      };
      const requests = Array.from({ length: count }, (): RawFrame => ({ payload: 'get' }));
      one.receiveTogether(...requests);
      const most = await mostPerTurn(
        () => sent,
        () => sent >= count * text.length,
      );
      expect(most).toBeLessThanOrEqual(PER_TURN / 4 + text.length);
      expect(one.read()).toEqual(Array.from({ length: count }, () => `deflated ${text}`));
      expect(one.transport.paused).toBe(true);
      await vi.waitFor(() => expect(one.transport.paused).toBe(false));
    });
  },
);
