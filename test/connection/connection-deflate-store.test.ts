import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it, vi } from 'vitest';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import {
  DEFLATING_ROLES,
  DeflateConnection,
  followConnections,
  noise,
} from '../support/deflate-connection.ts';

const TEXT = 1;
const LARGE = noise(200_000);

const connections = followConnections();

describe.each(DEFLATING_ROLES)(
  'the handlers of a $role with $engine, and what an AsyncLocalStorage holds',
  ({ role, keepContexts }) => {
    const storage = new AsyncLocalStorage<string>();

    /** One that shares its contexts with others, made where the storage holds `name`. */
    function open(name: string): { one: DeflateConnection; stores: unknown[] } {
      const terms = { ownTakeover: false, peerTakeover: false };
      const make = (): DeflateConnection =>
        new DeflateConnection(role, { options: { keepContexts, memoryLevel: 3 }, terms });
      const one = connections.add(storage.run(name, make));
      const stores: unknown[] = [];
      one.during.onMessage = () => stores.push(storage.getStore());
      return { one, stores };
    }

    /** What waits for an answer that a thread compresses. */
    async function receiveBehind(answer: (one: DeflateConnection) => void, name: string) {
      const { one, stores } = open(name);
      const handle = one.during.onMessage!;
      let isFirst = true;
      one.during.onMessage = (...values) => {
        handle(...values);
        if (isFirst) storage.run(`a request to ${name}`, () => answer(one));
        isFirst = false;
      };
      one.receiveTogether({ payload: 'get' }, { payload: 'behind' });
      await vi.waitFor(() => expect(stores.length).toBe(2));
      return stores;
    }

    it.each<[string, (one: DeflateConnection) => void]>([
      ['a message', (one) => one.connection.send(TEXT, LARGE)],
      ['a prepared message', (one) => one.connection.sendPrepared(new PreparedMessage(LARGE))],
      [
        'so many that it rests',
        (one) => {
          for (let i = 0; i < 8; i++) one.connection.send(TEXT, noise(16_000));
        },
      ],
    ])('are those of their connection behind %s that was compressed', async (_, answer) => {
      await receiveBehind(answer, 'one');
      expect(await receiveBehind(answer, 'other')).toEqual([undefined, 'other']);
    });

    it('are those of their connection for what was inflated elsewhere', async () => {
      for (const name of ['one', 'other']) {
        const { one, stores } = open(name);
        storage.run(`a request of ${name}`, () => one.receiveFrames(one.peer.frame(LARGE)));
        await vi.waitFor(() => expect(stores.length).toBe(1));
        expect(stores).toEqual([name]);
      }
    });
  },
);
