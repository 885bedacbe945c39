import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/connection/delivery.ts';
import { Gate, openLive, turns } from '../support/live-socket.ts';
import { ROLES } from '../support/open-connection.ts';

describe.each(ROLES)('the consumers of a %s socket', (role) => {
  describe('together', () => {
    it('are a hook, listeners and loops, each of which is given every message', async () => {
      const told: string[] = [];
      const live = await openLive(role, {
        hooks: {
          message(socket, message, binary) {
            told.push(`hook ${socket === live.socket} ${message.toString()} ${binary}`);
          },
        },
      });
      live.socket.on('message', function listen(this: unknown, message, binary) {
        told.push(`first ${this === live.socket} ${message.toString()} ${binary}`);
      });
      live.socket.addListener('message', (message) => {
        told.push(`second ${message.toString()}`);
      });
      const loop = live.socket[Symbol.asyncIterator]();
      const looped = Promise.all([loop.next(), loop.next()]);
      await live.send({ payload: 'text' }, { opcode: 2, payload: 'bytes' });
      expect(await looped).toEqual([
        { done: false, value: 'text' },
        { done: false, value: Buffer.from('bytes') },
      ]);
      expect(told).toEqual([
        'hook true text false',
        'first true text false',
        'second text',
        'hook true bytes true',
        'first true bytes true',
        'second bytes',
      ]);
    });

    it('are waited for, all of them, before the next message', async () => {
      const [hook, listener] = [new Gate(), new Gate()];
      const told: string[] = [];
      const live = await openLive(role, {
        hooks: {
          async message(_socket, message) {
            told.push(`hook ${message.toString()}`);
            await hook.passed;
          },
        },
      });
      live.onMessage(async (message) => {
        told.push(`listener ${message.toString()}`);
        await listener.passed;
      });
      live.socket.on('message', () => void told.push('sync'));
      const loop = live.socket[Symbol.asyncIterator]();
      const first = loop.next();
      await live.sendTexts('1', '2');
      await live.readAll();
      listener.open();
      await turns();
      hook.open();
      await turns();
      expect(told).toEqual(['hook 1', 'listener 1', 'sync']);
      expect(await first).toEqual({ done: false, value: '1' });
      // The loop has not asked for another one, and the others wait for it.
      expect(await loop.next()).toEqual({ done: false, value: '2' });
      expect(told.slice(3)).toEqual(['hook 2', 'listener 2', 'sync']);
    });

    it('get messages one at a time and in order, whether they are sync or async', async () => {
      const events: string[] = [];
      let running = 0;
      const live = await openLive(role);
      live.onMessage(async (message) => {
        running++;
        const number = Number(message);
        if (number % 3 === 0) await turns(number % 4);
        else if (number % 3 === 1) await Promise.resolve();
        events.push(`${message.toString()} of ${running}`);
        running--;
      });
      const expected = Array.from({ length: 50 }, (_, i) => `${i} of 1`);
      for (let i = 0; i < 50; i += 10) {
        await live.sendTexts(...Array.from({ length: 10 }, (_, j) => String(i + j)));
      }
      while (events.length < 50) await turns(1);
      expect(events).toEqual(expected);
    });
  });

  describe('that come and go', () => {
    it('lose none between a listener for one message and a listener for all', async () => {
      const live = await openLive(role);
      await live.sendTexts('1', '2', '3');
      const first = await new Promise((resolve) => live.socket.once('message', resolve));
      await turns();
      const rest: unknown[] = [];
      live.socket.on('message', (message) => void rest.push(message));
      await live.readAll();
      expect([first, rest]).toEqual(['1', ['2', '3']]);
    });

    it('wait for a promise that a listener for one message returned', async () => {
      const live = await openLive(role);
      const gate = new Gate();
      const told: string[] = [];
      const listen = async (message: Message): Promise<void> => {
        told.push(`begin ${message.toString()}`);
        await gate.passed;
        told.push(`end ${message.toString()}`);
      };
      live.socket.once('message', (message): unknown => listen(message));
      live.socket.prependListener('message', (message) => void told.push(`all ${String(message)}`));
      await live.sendTexts('1', '2');
      await live.readAll();
      gate.open();
      await turns();
      expect(told).toEqual(['all 1', 'begin 1', 'end 1', 'all 2']);
    });

    it('lose none between a listener that leaves and a loop', async () => {
      const live = await openLive(role);
      const got: unknown[] = [];
      const listen = (message: unknown): void => {
        got.push(message);
        if (message === '2') live.socket.off('message', listen);
      };
      live.socket.on('message', listen);
      await live.sendTexts('1', '2', '3', '4');
      await live.readAll();
      expect(got).toEqual(['1', '2']);
      for await (const message of live.socket) {
        got.push(message);
        if (message === '4') break;
      }
      expect(got).toEqual(['1', '2', '3', '4']);
    });

    it('leave messages waiting when all listeners are removed', async () => {
      const live = await openLive(role);
      const got: unknown[] = [];
      live.socket.on('message', (message) => void got.push(message));
      live.socket.removeAllListeners();
      await live.sendTexts('1');
      await live.readAll();
      expect(got).toEqual([]);
      live.socket.on('message', (message) => void got.push(message));
      live.socket.removeAllListeners('message');
      live.socket.on('message', (message) => void got.push(`again ${message.toString()}`));
      await live.sendTexts('2');
      await live.readAll();
      expect(got).toContain('again 2');
      expect(got).toHaveLength(2);
    });

    it('are those that were there when a message came: one that is added meanwhile is next', async () => {
      const live = await openLive(role);
      const got: string[] = [];
      const late = (message: unknown): void => void got.push(`late ${String(message)}`);
      live.socket.on('message', (message) => {
        got.push(`first ${message.toString()}`);
        if (message === '1') live.socket.on('message', late);
        if (message === '2') live.socket.removeListener('message', late);
      });
      await live.sendTexts('1', '2', '3');
      await live.readAll();
      expect(got).toEqual(['first 1', 'first 2', 'late 2', 'first 3']);
    });

    it('may be many loops, each of which sees every message from its beginning on', async () => {
      const live = await openLive(role);
      const seen: string[][] = [[], []];
      const loops = seen.map(async (messages) => {
        for await (const message of live.socket) {
          messages.push(message.toString());
          await turns(messages.length % 3);
          if (message === 'last') break;
        }
      });
      await live.sendTexts('1', '2', '3', 'last');
      await Promise.all(loops);
      expect(seen).toEqual([
        ['1', '2', '3', 'last'],
        ['1', '2', '3', 'last'],
      ]);
    });

    it('are not disturbed by a loop that is left before it has asked', async () => {
      const live = await openLive(role);
      await live.socket[Symbol.asyncIterator]().return?.();
      const got: unknown[] = [];
      live.socket.on('message', (message) => void got.push(message));
      await live.sendTexts('1');
      await live.readAll();
      expect(got).toEqual(['1']);
    });

    it('go on without a loop that was left while another consumer was busy', async () => {
      const gate = new Gate();
      const live = await openLive(role);
      const got: string[] = [];
      live.onMessage(async (message) => {
        got.push(message.toString());
        if (message === '1') await gate.passed;
      });
      const loop = live.socket[Symbol.asyncIterator]();
      const first = loop.next();
      await live.sendTexts('1', '2');
      await live.readAll();
      expect(await first).toEqual({ done: false, value: '1' });
      await loop.return?.();
      gate.open();
      await turns();
      expect(got).toEqual(['1', '2']);
      expect(await loop.next()).toEqual({ done: true, value: undefined });
    });
  });

  describe('that speak to their socket', () => {
    it('may pause it, and get the rest of the chunk when it goes on', async () => {
      const live = await openLive(role);
      const got: unknown[] = [];
      live.socket.on('message', (message) => {
        got.push(message);
        if (message === '1') live.socket.pause();
      });
      await live.sendTexts('1', '2', '3');
      await turns();
      expect([got, live.socket.isPaused]).toEqual([['1'], true]);
      live.socket.resume();
      await live.readAll();
      expect([got, live.socket.isPaused]).toEqual([['1', '2', '3'], false]);
    });

    it('may resume it while they are busy, which gives them no second message', async () => {
      const live = await openLive(role);
      const gate = new Gate();
      const events: string[] = [];
      live.onMessage(async (message) => {
        events.push(`begin ${message.toString()}`);
        live.socket.pause();
        live.socket.resume();
        live.socket.resume();
        await gate.passed;
        live.socket.resume();
        events.push(`end ${message.toString()}`);
      });
      await live.sendTexts('1', '2');
      await live.readAll();
      live.socket.resume();
      expect(events).toEqual(['begin 1']);
      gate.open();
      await live.readAll();
      expect(events).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2']);
    });

    it('hold messages back where they paused it and then were done', async () => {
      const live = await openLive(role);
      const got: unknown[] = [];
      live.onMessage(async (message) => {
        got.push(message);
        await turns(1);
        if (message === '1') live.socket.pause();
      });
      await live.sendTexts('1', '2');
      await turns(20);
      expect(got).toEqual(['1']);
      live.socket.resume();
      await live.readAll();
      expect(got).toEqual(['1', '2']);
    });

    it.each(['close', 'terminate'] as const)(
      'may %s it, and get nothing after that',
      async (how) => {
        const got: unknown[] = [];
        const live = await openLive(role, {
          hooks: { message: (_socket, message) => void got.push(`hook ${message.toString()}`) },
        });
        live.socket.on('message', (message) => {
          got.push(message);
          if (message === '2') void live.socket[how]();
        });
        const loop = live.socket[Symbol.asyncIterator]();
        const rest = [loop.next(), loop.next(), loop.next()];
        await live.sendTexts('1', '2', '3', '4');
        if (how === 'close') await live.answerClose();
        await live.closed;
        await turns();
        expect(got).toEqual(['hook 1', '1', 'hook 2', '2']);
        expect(await Promise.all(rest)).toEqual([
          { done: false, value: '1' },
          { done: true, value: undefined },
          { done: true, value: undefined },
        ]);
      },
    );

    it('get nothing after a close that an async one asked for with more waiting', async () => {
      const live = await openLive(role);
      const gate = new Gate();
      const got: unknown[] = [];
      live.onMessage(async (message) => {
        got.push(message);
        await gate.passed;
        void live.socket.close(1000);
        await turns();
      });
      await live.sendTexts('1', '2', '3');
      await live.readAll();
      gate.open();
      await live.answerClose();
      expect(await live.closed).toEqual([1000, '', true]);
      await turns();
      expect(got).toEqual(['1']);
    });
  });

  describe('of which one fails', () => {
    it.each(['message', 'stream'] as const)('are all given a %s', async (event) => {
      const told: unknown[] = [];
      const fail = (name: string) => (): never => {
        told.push(name);
        throw new Error(`mistake of the ${name}`);
      };
      const live = await openLive(role, {
        hooks: { [event]: fail('hook'), error: (_socket, error) => void told.push(error.message) },
      });
      live.socket.on(event, fail('listener'));
      live.socket.on(event, () => void told.push('other'));
      await live.sendTexts('1', '2');
      await live.answerClose();
      await live.closed;
      expect(told).toEqual([
        'hook',
        'mistake of the hook',
        'listener',
        'mistake of the listener',
        'other',
      ]);
    });

    it('wait for the hook `open`, and are given nothing where that rejects', async () => {
      const told: unknown[] = [];
      const live = await openLive(role, {
        hooks: {
          open: async () => {
            await turns();
            throw new Error('not open');
          },
          message: () => void told.push('message'),
          error: (_socket, error) => void told.push(error.message),
        },
      });
      await live.sendTexts('1');
      await live.answerClose();
      await live.closed;
      expect(told).toEqual(['not open']);
    });
  });

  describe('of texts as Buffers', () => {
    it('tell texts from binaries by the second value', async () => {
      const live = await openLive(role, { options: { text: 'buffer' } });
      const got: unknown[] = [];
      live.socket.on('message', (message, binary) => void got.push([message, binary]));
      await live.send({ payload: 'é' }, { opcode: 2, payload: 'é' });
      await live.readAll();
      expect(got).toEqual([
        [Buffer.from('é'), false],
        [Buffer.from('é'), true],
      ]);
    });
  });
});
