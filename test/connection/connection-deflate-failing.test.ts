import { describe, expect, it, vi } from 'vitest';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { READY_STATE } from '../../src/connection/state.ts';
import { DEFLATING_ROLES, followConnections, noise, short } from '../support/deflate-connection.ts';

const TEXT = 1;
const CLOSE = 8;

/** More than is compressed at once. */
const LARGE = noise(40_000);

const connections = followConnections();
const { jobs } = connections;

describe.each(DEFLATING_ROLES)(
  'a $role whose zlib fails, with $engine,',
  ({ role, keepContexts }) => {
    const open = connections.opener(role, keepContexts);

    it('fails the connection at a fragment: nothing of the message follows', () => {
      const one = open();
      const part = vi.spyOn(one.deflate.deflater, 'deflatePart');
      part.mockReturnValueOnce(Buffer.of(0x00)).mockImplementationOnce(() => {
        throw new Error('no memory');
      });
      one.connection.beginMessage();
      const answers = ['a', 'b', 'c'].map((data) => one.connection.sendFragment(TEXT, data, false));
      expect(answers).toEqual([true, false, false]);
      expect(one.sent().map(({ opcode }) => opcode)).toEqual([TEXT, CLOSE]);
      expect([part.mock.calls.length, one.connection.bufferedAmount]).toEqual([2, 0]);
    });

    it('fails it at a prepared message, which others may still be sent', async () => {
      const one = open();
      vi.spyOn(one.deflate, 'createAlone').mockImplementation(() => {
        throw new Error('no memory');
      });
      const message = new PreparedMessage(noise(3_000));
      // Behind a large one, too.
      one.connection.send(TEXT, LARGE);
      const isServer = role === 'server';
      one.connection.sendPrepared(message);
      await jobs.idle();
      expect(one.connection.readyState === READY_STATE.OPEN).toBe(!isServer);
      expect(one.connection.bufferedAmount).toBe(0);
      const other = open();
      other.connection.sendPrepared(message);
      expect(short(other.read())).toEqual(short([`deflated ${noise(3_000)}`]));
    });

    it('keeps nothing in bufferedAmount where zlib failed at once', () => {
      const one = open();
      vi.spyOn(one.deflate.deflater, 'deflate').mockImplementationOnce(() => {
        throw new Error('no memory');
      });
      one.connection.send(TEXT, 'x'.repeat(1_000));
      one.end();
      expect([one.connection.bufferedAmount, one.connection.isBlocked]).toEqual([0, false]);
    });
  },
);
