import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { peerFrame } from '../support/bytes.ts';
import { OpenConnection, ROLES } from '../support/open-connection.ts';

const MANY = 5_000;

/** Until all that is held is decoded. */
async function settle(open: OpenConnection): Promise<void> {
  do await nextTurn();
  while (open.transport.paused);
}

describe.each(ROLES)('a %s whose peer floods', (role) => {
  const numbers = Array.from({ length: MANY }, (_, i) => `text ${i}`);
  const flood = (): Buffer =>
    Buffer.concat(Array.from({ length: MANY }, (_, i) => peerFrame(role, { payload: `${i}` })));

  it('decodes so many messages in a turn, and the others later, in their order', async () => {
    const open = new OpenConnection(role);
    open.receive(flood());
    const first = open.events.length;
    expect([first > 100, first < MANY, open.transport.paused]).toEqual([true, true, true]);
    open.receive(peerFrame(role, { payload: 'behind' }));
    expect(open.events).toHaveLength(first);
    await settle(open);
    expect(open.events).toEqual([...numbers, 'text behind']);
  });

  it('serves another one meanwhile', async () => {
    const [one, other] = [new OpenConnection(role), new OpenConnection(role)];
    one.receive(flood());
    other.receiveFrames({ payload: 'honest' });
    expect(other.events).toEqual(['text honest']);
    expect([one.transport.paused, other.transport.paused]).toEqual([true, false]);
    await settle(one);
  });

  it('decodes one chunk after the other that way, though each ends with a message', async () => {
    const open = new OpenConnection(role);
    const chunk = Buffer.concat(
      Array.from({ length: 63 }, () => peerFrame(role, { payload: 'x' })),
    );
    let count = 0;
    for (; !open.transport.paused && count < 1_000; count++) open.receive(chunk);
    expect(count).toBeLessThan(100);
    await settle(open);
    expect(open.events).toHaveLength(63 * count);
  });

  it.each([
    ['Pings', { opcode: 9 }, 'ping '],
    ['fragments', { opcode: 0, fin: false, payload: 'x' }, 'piece 78'],
  ])('counts %s too', async (_, frame, event) => {
    const open = new OpenConnection(role);
    open.connection.giveInPieces(true);
    open.receiveFrames({ opcode: 2, fin: false });
    open.receive(Buffer.concat(Array.from({ length: MANY }, () => peerFrame(role, frame))));
    expect(open.events.length).toBeLessThan(MANY);
    await settle(open);
    expect(open.events.filter((each) => each === event)).toHaveLength(MANY);
  });

  it('counts the time that its handler takes', async () => {
    const open = new OpenConnection(role);
    open.during.onMessage = () => open.clock.advance(1);
    open.receive(flood());
    expect(open.events.length).toBeLessThanOrEqual(64);
    open.during = {};
    await settle(open);
    expect(open.events).toEqual(numbers);
  });

  it('sends its answers before others have their turn', async () => {
    const open = new OpenConnection(role);
    open.during.onMessage = () => void open.connection.send(1, 'answer');
    open.receive(flood());
    expect(open.transport.writes).not.toEqual([]);
    expect(open.connection.bufferedAmount).toBe(0);
    await settle(open);
    expect(open.sent()).toHaveLength(MANY);
  });

  it('may be paused and resumed meanwhile', async () => {
    const open = new OpenConnection(role);
    open.receive(flood());
    const first = open.events.length;
    open.connection.pause();
    await nextTurn();
    expect([open.events.length, open.transport.paused]).toEqual([first, true]);
    open.connection.resume();
    await settle(open);
    expect(open.events).toEqual(numbers);
  });

  it('reads the Close behind it, and tells who looks at its deadline', async () => {
    const open = new OpenConnection(role);
    let worked = 0;
    const { deadline } = open.connection;
    open.during.onWorked = () => worked++;
    open.receive(Buffer.concat([flood(), peerFrame(role, { opcode: 8 })]));
    open.connection.receiveEnd();
    expect(open.connection.readyState).toBe(1);
    while (open.connection.readyState === 1) await nextTurn();
    expect(worked).toBeGreaterThan(0);
    expect(open.connection.deadline).not.toBe(deadline);
    open.connection.receiveTransportClose();
    expect(open.events).toEqual([...numbers, 'close 1005  clean']);
  });

  it('loses nothing of it when the transport is gone', async () => {
    const open = new OpenConnection(role);
    open.receive(Buffer.concat([flood(), peerFrame(role, { opcode: 8 })]));
    open.connection.receiveTransportClose();
    expect(open.events).toEqual([...numbers, 'close 1005  clean']);
    await nextTurn();
    expect(open.events).toHaveLength(MANY + 1);
  });

  it('tells the end once, where it comes again from inside a message of the rest', () => {
    const open = new OpenConnection(role);
    open.receive(flood());
    open.during.onMessage = () => open.connection.receiveTransportClose();
    open.connection.receiveTransportClose();
    expect(open.events.filter((event) => event.startsWith('close'))).toEqual([
      'close 1006  unclean',
    ]);
  });

  it.each(['close', 'terminate', 'failInternally'] as const)(
    'may %s meanwhile, and gives out nothing more',
    async (method) => {
      const open = new OpenConnection(role);
      open.receive(flood());
      const first = open.events.length;
      open.connection[method]();
      await nextTurn();
      await nextTurn();
      await nextTurn();
      expect(open.events.slice(first)).toEqual([]);
      expect(open.transport.paused).toBe(false);
    },
  );

  it('is failed by what stands behind it, when that is read', async () => {
    const open = new OpenConnection(role);
    open.receive(Buffer.concat([flood(), peerFrame(role, { opcode: 3 })]));
    await settle(open);
    expect(open.events).toEqual([...numbers, 'error WS_ERR_RESERVED_OPCODE']);
  });

  it('tells its owner what a handler throws where nobody has called it', async () => {
    const open = new OpenConnection(role);
    const thrown: unknown[] = [];
    open.during.onThrown = (error) => thrown.push(error);
    open.receive(flood());
    const first = open.events.length;
    open.during.onMessage = () => {
      throw new Error('from a handler');
    };
    await settle(open);
    expect(thrown.map(String)).toEqual(['Error: from a handler']);
    expect(open.events).toHaveLength(first + 1);
    expect(open.sent().at(-1)?.payload.readUInt16BE()).toBe(1011);
  });

  it('does not take for dead a peer that it lets wait', () => {
    const open = new OpenConnection(role);
    open.clock.advance(30_000);
    open.connection.tick();
    open.receive(flood());
    open.clock.advance(10_000);
    open.connection.tick();
    open.clock.advance(10_000);
    open.connection.tick();
    expect(open.transport.destroyed).toBe(false);
  });
});
