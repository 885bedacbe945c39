import { pathToFileURL } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';

type Body = string | Buffer;
interface Book {
  count(name: string, amount?: number): void;
  deviate(kind: string, text: string, amount?: number): void;
  take(): { counts: Record<string, number>; told: string[] };
  add(taken: { counts: Record<string, number>; told: string[] }): void;
  of(name: string): number;
  group(name: string): [string, number][];
  readonly deviations: number;
  readonly told: string[];
}
interface Numbered {
  readonly next: number;
  take(number: number): string;
  skipTo(number: number): void;
  lost: number;
  duplicated: number;
  disordered: number;
}
interface ServerSide {
  readonly count: number;
  take(message: Body): { kind: string } | null;
}
interface ClientSide {
  readonly pendingEchoes: number;
  isWelcome: boolean;
  expectEcho(sequence: number, message: Body): void;
  take(message: Body, binary: boolean): void;
  until(isSo: () => boolean): Promise<void>;
  finish(sent: number): void;
}

interface LedgerModule {
  Ledger: new () => Book;
}
interface SequenceModule {
  Sequence: new (next?: number) => Numbered;
}
interface InboxModule {
  ClientInbox: new (connection: number, ledger: Book, where: string) => ClientSide;
  ServerInbox: new (connection: number, ledger: Book) => ServerSide;
}
interface MessageModule {
  makeMessage: (kind: string, sender: number, sequence: number, body: Body) => Body;
  tinyMessage: (sender: number, sequence: number, size: number) => string;
}

const urlOf = (file: string) => pathToFileURL(`soak/${file}`).href;
const { Ledger }: LedgerModule = await import(urlOf('ledger.mjs'));
const { Sequence }: SequenceModule = await import(urlOf('sequence.mjs'));
const { ClientInbox, ServerInbox }: InboxModule = await import(urlOf('inbox.mjs'));
const { makeMessage, tinyMessage }: MessageModule = await import(urlOf('message.mjs'));

let ledger: Book;
beforeEach(() => {
  ledger = new Ledger();
});
const deviations = () => Object.fromEntries(ledger.group('deviation'));

describe('a sequence of numbers', () => {
  const takeAll = (numbers: number[]) => {
    const sequence = new Sequence();
    const verdicts = numbers.map((number) => sequence.take(number));
    const { next, lost, duplicated, disordered } = sequence;
    return [verdicts, { next, lost, duplicated, disordered }];
  };

  it('is in order where each number is the one that is due', () => {
    expect(takeAll([0, 1, 2])).toEqual([
      ['due', 'due', 'due'],
      { next: 3, lost: 0, duplicated: 0, disordered: 0 },
    ]);
  });

  it('tells what was left out', () => {
    expect(takeAll([0, 3, 4])).toEqual([
      ['due', 'lost', 'due'],
      { next: 5, lost: 2, duplicated: 0, disordered: 0 },
    ]);
  });

  it('tells what came twice', () => {
    expect(takeAll([0, 1, 1, 0])).toEqual([
      ['due', 'due', 'duplicated', 'duplicated'],
      { next: 2, lost: 0, duplicated: 2, disordered: 0 },
    ]);
  });

  it('takes for out of order, and not for lost, what comes later', () => {
    expect(takeAll([0, 2, 1, 1])).toEqual([
      ['due', 'lost', 'disordered', 'duplicated'],
      { next: 3, lost: 0, duplicated: 1, disordered: 1 },
    ]);
  });

  it('remembers only so many that are missing', () => {
    const sequence = new Sequence(5);
    sequence.skipTo(1_000_005);
    expect([sequence.lost, sequence.take(6), sequence.take(999_999)]).toEqual([
      1_000_000,
      'disordered',
      'duplicated',
    ]);
  });
});

describe('the ledger of a soak', () => {
  it('counts, and adds what another has counted since the last time', () => {
    const other = new Ledger();
    other.count('messages.echoed', 2);
    other.count('messages.echoed', 0);
    other.deviate('lost', 'one', 3);
    other.deviate('lost', 'nothing', 0);
    ledger.count('messages.echoed');
    ledger.add(other.take());
    ledger.add(other.take());
    expect(ledger.group('messages')).toEqual([['echoed', 3]]);
    expect([ledger.deviations, ledger.told]).toEqual([3, ['lost: one']]);
    expect([ledger.of('deviation.lost'), ledger.of('deviation.stuck')]).toEqual([3, 0]);
  });

  it('counts all deviations, and keeps the first in words', () => {
    for (let i = 0; i < 50; i++) ledger.deviate('lost', `${i}`);
    const other = new Ledger();
    other.deviate('stuck', 'one more');
    ledger.add(other.take());
    expect([ledger.deviations, ledger.told.length, ledger.told[0]]).toEqual([51, 20, 'lost: 0']);
  });
});

describe('what the server of a soak gets', () => {
  let inbox: ServerSide;
  beforeEach(() => {
    inbox = new ServerInbox(7, ledger);
  });

  it('is in order, tiny messages included', () => {
    expect(inbox.take(makeMessage('E', 7, 0, 'a'))).toBeNull();
    expect(inbox.take('')).toBeNull();
    expect(inbox.take(Buffer.from(tinyMessage(7, 2, 5)))).toBeNull();
    expect(inbox.take(makeMessage('P', 7, 3, Buffer.alloc(9)))).toMatchObject({ kind: 'P' });
    expect([inbox.count, deviations()]).toEqual([4, {}]);
    expect(ledger.of('messages.to the server')).toBe(4);
  });

  it('is a deviation where it is of another, changed, missing, or there again', () => {
    inbox.take(makeMessage('E', 8, 0, 'a'));
    inbox.take(tinyMessage(7, 2, 5));
    inbox.take(makeMessage('E', 7, 4, 'a'));
    inbox.take(makeMessage('E', 7, 4, 'a'));
    inbox.take(makeMessage('E', 7, 3, 'a'));
    expect(deviations()).toEqual({ corrupted: 2, lost: 2, duplicated: 1, 'out of order': 1 });
  });
});

describe('what a client of a soak gets', () => {
  let inbox: ClientSide;
  const take = (message: Body) => inbox.take(message, typeof message !== 'string');
  const answer = (more: object) =>
    take(
      makeMessage(
        'A',
        7,
        0,
        JSON.stringify({ received: 0, topics: {}, broadcast: 3, fed: 0, dropped: 0, ...more }),
      ),
    );

  beforeEach(() => {
    inbox = new ClientInbox(7, ledger, 'it');
    take(makeMessage('W', 7, 0, JSON.stringify({ topics: { 4: 10 }, broadcast: 3 })));
  });

  const send = (sequence: number, message: Body) => {
    inbox.expectEcho(sequence, message);
    return message;
  };

  it('is as it must be where all came back, and all was there that was published', async () => {
    const messages = [
      send(0, makeMessage('E', 7, 0, 'a')),
      send(1, ''),
      send(2, Buffer.from(tinyMessage(7, 2, 3))),
    ];
    const allCame = inbox.until(() => inbox.pendingEchoes === 0);
    for (const message of messages) take(message);
    await allCame;
    await inbox.until(() => inbox.isWelcome);
    take(makeMessage('T', 4, 10, 'a'));
    take(makeMessage('K', 4, 11, ''));
    take(makeMessage('B', 0, 3, 'a'));
    take(makeMessage('D', 7, 0, Buffer.alloc(1)));
    take(makeMessage('D', 7, 3, Buffer.alloc(1)));
    answer({ received: 3, topics: { 4: 12 }, broadcast: 4, fed: 5, dropped: 3 });
    inbox.finish(3);
    expect(deviations()).toEqual({});
    expect(Object.fromEntries(ledger.group('messages'))).toEqual({
      'to clients': 10,
      echoed: 3,
      published: 2,
      broadcast: 1,
      'dropped by a policy': 3,
    });
  });

  it('is a deviation where an echo is left out, changed, or there again', () => {
    for (let i = 0; i < 4; i++) send(i, makeMessage('E', 7, i, 'a'));
    take(makeMessage('E', 7, 1, 'a'));
    take(makeMessage('E', 7, 1, 'a'));
    take(makeMessage('E', 7, 2, 'b'));
    // As a binary, where it was a text.
    take(makeMessage('E', 7, 2, Buffer.from('a')));
    take('tiny');
    expect(deviations()).toEqual({ lost: 1, duplicated: 1, corrupted: 3 });
  });

  it('is a deviation where it is of somebody else, or was not asked for', () => {
    take(makeMessage('E', 8, 0, 'a'));
    take(makeMessage('T', 5, 0, 'a'));
    expect(deviations()).toEqual({ corrupted: 2 });
  });

  it('is a deviation where anything published, broadcast or fed is not in order', () => {
    for (const number of [11, 10, 10]) take(makeMessage('T', 4, number, ''));
    take(makeMessage('B', 0, 5, ''));
    for (const number of [0, 2, 1, 1]) take(makeMessage('D', 7, number, ''));
    answer({ topics: { 4: 12 }, broadcast: 6, fed: 3 });
    inbox.finish(0);
    expect(deviations()).toEqual({ lost: 3, duplicated: 2, 'out of order': 2 });
  });

  it('is a deviation where the end is missing', () => {
    send(0, makeMessage('E', 7, 0, 'a'));
    answer({ received: 1, topics: { 4: 12 }, broadcast: 4, fed: 5, dropped: 4 });
    inbox.finish(2);
    // An echo, a message to the server, two of a topic, a broadcast, and one of the feed.
    expect(deviations()).toEqual({ lost: 6 });
  });

  it('is a deviation where anything comes behind the answer, or twice', () => {
    take(makeMessage('W', 7, 0, JSON.stringify({ topics: { 4: 10 }, broadcast: 3 })));
    answer({});
    answer({});
    take(makeMessage('T', 4, 10, ''));
    take(makeMessage('B', 0, 3, ''));
    expect(deviations()).toEqual({ duplicated: 2, corrupted: 2 });
  });

  it('is a deviation where the server dropped what came all the same', () => {
    take(makeMessage('D', 7, 0, ''));
    answer({ fed: 1, dropped: 2 });
    inbox.finish(0);
    expect(deviations()).toEqual({ duplicated: 2 });
  });
});
