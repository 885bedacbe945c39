import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { type TopicHandler, Topics } from '../../src/hub/topics.ts';

/** Somebody who can be sent a message. */
class Receiver {
  readyState: 1 | 2 | 3 = 1;
  readonly received: string[] = [];
  onSend = (): void => {};

  send(message: PreparedMessage): boolean {
    this.received.push(Buffer.from(message.data).toString());
    this.onSend();
    // As a socket whose peer reads slowly: what it took is on its way all the same.
    return false;
  }
}

const ODD_NAMES = ['__proto__', 'constructor', 'hasOwnProperty', ' ', '\0', 'a/b', '*', '\ud800'];

function failOnThrown(error: unknown): void {
  throw new Error('no handler was to throw', { cause: error });
}

function publish(
  topics: Topics<Receiver>,
  topic: string,
  text: string,
  except?: Receiver,
  onThrown: (error: unknown) => void = failOnThrown,
): number {
  return topics.publish(topic, new PreparedMessage(text), except, onThrown);
}

describe('topics', () => {
  it('give a message to each subscriber once, and tell how many', () => {
    const topics = new Topics<Receiver>();
    const [ann, bob, eve] = [new Receiver(), new Receiver(), new Receiver()];
    expect([topics.subscribe(ann, 'news'), topics.subscribe(bob, 'news')]).toEqual([true, true]);
    topics.subscribe(eve, 'other');
    expect(topics.subscribe(ann, 'news')).toBe(false);
    expect(publish(topics, 'news', 'one')).toBe(2);
    expect(publish(topics, 'nobody', 'lost')).toBe(0);
    expect([ann.received, bob.received, eve.received]).toEqual([['one'], ['one'], []]);
  });

  it('leave out the one who is excepted, who need not have subscribed', () => {
    const topics = new Topics<Receiver>();
    const [ann, bob] = [new Receiver(), new Receiver()];
    topics.subscribe(ann, 'news');
    topics.subscribe(bob, 'news');
    expect(publish(topics, 'news', 'one', ann)).toBe(1);
    expect(publish(topics, 'news', 'two', new Receiver())).toBe(2);
    expect([ann.received, bob.received]).toEqual([['two'], ['one', 'two']]);
  });

  it('give the very message that was published, which nobody frames again', () => {
    const topics = new Topics<{
      readonly readyState: 1;
      send(message: PreparedMessage): boolean;
    }>();
    const taken: PreparedMessage[] = [];
    const taker = {
      readyState: 1,
      send: (message: PreparedMessage) => taken.push(message) > 0,
    } as const;
    topics.subscribe(taker, 'news');
    topics.subscribe({ ...taker }, 'news');
    topics.handle('news', (message) => void taken.push(message));
    const message = new PreparedMessage(Buffer.from([1, 2]));
    expect(topics.publish('news', message, undefined, failOnThrown)).toBe(2);
    expect(taken).toHaveLength(3);
    expect(taken.every((one) => one === message)).toBe(true);
  });

  it('send no more to who has unsubscribed, and tell who had not subscribed', () => {
    const topics = new Topics<Receiver>();
    const ann = new Receiver();
    topics.subscribe(ann, 'news');
    expect(topics.unsubscribe(ann, 'other')).toBe(false);
    expect(topics.unsubscribe(new Receiver(), 'news')).toBe(false);
    expect(topics.unsubscribe(ann, 'news')).toBe(true);
    expect(topics.unsubscribe(ann, 'news')).toBe(false);
    expect(publish(topics, 'news', 'one')).toBe(0);
    expect(ann.received).toEqual([]);
    expect(topics.subscribe(ann, 'news')).toBe(true);
    expect(publish(topics, 'news', 'two')).toBe(1);
    expect(ann.received).toEqual(['two']);
  });

  it('forget who is released, in all that it had subscribed to', () => {
    const topics = new Topics<Receiver>();
    const [ann, bob] = [new Receiver(), new Receiver()];
    for (const topic of ['a', 'b', 'c']) topics.subscribe(ann, topic);
    topics.subscribe(bob, 'b');
    topics.release(ann);
    topics.release(new Receiver());
    expect([...topics.topicsOf(ann)]).toEqual([]);
    expect(['a', 'b', 'c'].map((topic) => topics.count(topic))).toEqual([0, 1, 0]);
    expect(publish(topics, 'a', 'lost') + publish(topics, 'b', 'one')).toBe(1);
    expect([ann.received, bob.received]).toEqual([[], ['one']]);
  });

  it.each(ODD_NAMES)('may have any name: %j', (name) => {
    const topics = new Topics<Receiver>();
    const ann = new Receiver();
    expect([topics.count(name), [...topics.topicsOf(ann)], publish(topics, name, 'lost')]).toEqual([
      0,
      [],
      0,
    ]);
    expect(topics.unsubscribe(ann, name)).toBe(false);
    const heard: string[] = [];
    topics.handle(name, (_message, topic) => void heard.push(topic));
    expect(topics.subscribe(ann, name)).toBe(true);
    expect([...topics.topicsOf(ann)]).toEqual([name]);
    expect(publish(topics, name, 'one')).toBe(1);
    expect([topics.count(name), ann.received, heard]).toEqual([1, ['one'], [name]]);
    for (const other of ODD_NAMES) expect(topics.count(other)).toBe(other === name ? 1 : 0);
  });

  it.each([[''], [undefined], [null], [5], [Symbol('news')], [['news']], [{}]])(
    'have a name that is a string and not empty: %o is refused',
    (name) => {
      const topics = new Topics<Receiver>();
      const call = (method: 'subscribe' | 'publish' | 'handle', ...values: unknown[]): unknown =>
        Reflect.apply(topics[method], topics, values);
      const message = new PreparedMessage('one');
      expect(() => call('subscribe', new Receiver(), name)).toThrow(TypeError);
      expect(() => call('handle', name, () => {})).toThrow(TypeError);
      expect(() => call('publish', name, message, undefined, failOnThrown)).toThrow(TypeError);
    },
  );
});

describe('handlers of a topic', () => {
  it('are given a message with memory of its own, which they may keep or give away', () => {
    const topics = new Topics<Receiver>();
    const take = topics.handle('news', () => {});
    const message = topics.prepare('news', 'text');
    expect([message.page, message.frame.buffer.byteLength]).toEqual([null, 6]);
    expect(topics.prepare('other', 'text').page).not.toBe(null);
    expect(topics.prepare('news', message)).toBe(message);
    take();
    expect(topics.prepare('news', 'text').page).not.toBe(null);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what JavaScript may give
    expect(() => topics.prepare('news', 5 as unknown as string)).toThrow(TypeError);
  });

  it('are given what is published, where nobody has subscribed too', () => {
    const topics = new Topics<Receiver>();
    const heard: string[] = [];
    const leave = topics.handle('news', (message, topic) => {
      heard.push(`${topic} ${message.opcode} ${Buffer.from(message.data).toString()}`);
    });
    expect(publish(topics, 'news', 'one')).toBe(0);
    publish(topics, 'other', 'lost');
    topics.publish('news', new PreparedMessage(Buffer.from('two')), undefined, failOnThrown);
    leave();
    publish(topics, 'news', 'late');
    expect(heard).toEqual(['news 1 one', 'news 2 two']);
  });

  it('may be one function, given twice, which is taken back as often', () => {
    const topics = new Topics<Receiver>();
    let calls = 0;
    const handler = (): void => void calls++;
    const [first, second] = [topics.handle('news', handler), topics.handle('news', handler)];
    publish(topics, 'news', 'one');
    first();
    first();
    publish(topics, 'news', 'two');
    second();
    publish(topics, 'news', 'three');
    expect(calls).toBe(3);
  });

  it('do not suffer from one that throws', () => {
    const topics = new Topics<Receiver>();
    const mistake = new Error('a mistake of the application');
    const thrown: unknown[] = [];
    const heard: string[] = [];
    topics.handle('news', () => {
      throw mistake;
    });
    topics.handle('news', () => void heard.push('second'));
    const ann = new Receiver();
    topics.subscribe(ann, 'news');
    expect(publish(topics, 'news', 'one', undefined, (error) => void thrown.push(error))).toBe(1);
    expect([thrown, heard, ann.received]).toEqual([[mistake], ['second'], ['one']]);
  });

  it('may be async, and reject: the error is told', async () => {
    const topics = new Topics<Receiver>();
    const mistake = new Error('a mistake of the application');
    const rejects = (): Promise<never> => Promise.reject(mistake);
    const told = new Promise<unknown>((resolve) => {
      Reflect.apply(topics.handle.bind(topics), undefined, ['news', rejects]);
      publish(topics, 'news', 'one', undefined, resolve);
    });
    expect(await told).toBe(mistake);
  });

  it.each([[undefined], [null], [5], ['handler'], [{}]])(
    'are functions: %o is refused',
    (handler) => {
      const topics = new Topics<Receiver>();
      const handle = (): unknown =>
        Reflect.apply(topics.handle.bind(topics), undefined, ['news', handler]);
      expect(handle).toThrow(TypeError);
      expect(publish(topics, 'news', 'one')).toBe(0);
    },
  );

  it('may publish: to the same topic, too', () => {
    const topics = new Topics<Receiver>();
    const ann = new Receiver();
    topics.subscribe(ann, 'a');
    topics.subscribe(ann, 'b');
    topics.handle('a', (message) => {
      const text = Buffer.from(message.data).toString();
      if (text.length < 4) publish(topics, 'a', `${text}.`);
      publish(topics, 'b', text);
    });
    expect(publish(topics, 'a', '1')).toBe(1);
    expect(ann.received.toSorted()).toEqual(
      ['1', '1.', '1..', '1...', '1', '1.', '1..', '1...'].toSorted(),
    );
  });

  it('may come and go while a message is given out, and none of them takes it twice', () => {
    const topics = new Topics<Receiver>();
    topics.handle('news', () => {});
    let calls = 0;
    // The guard ends what would be endless.
    const again = (): void => {
      calls++;
      leave();
      if (calls < 50) leave = topics.handle('news', again);
    };
    let leave = topics.handle('news', again);
    publish(topics, 'news', 'one');
    expect(calls).toBe(1);
    publish(topics, 'news', 'two');
    expect(calls).toBe(2);
  });
});

describe('subscribers that change while a message is given out', () => {
  it('may unsubscribe, themselves and others', () => {
    const topics = new Topics<Receiver>();
    const [ann, bob, eve] = [new Receiver(), new Receiver(), new Receiver()];
    for (const receiver of [ann, bob, eve]) topics.subscribe(receiver, 'news');
    ann.onSend = () => {
      topics.unsubscribe(ann, 'news');
      topics.release(bob);
    };
    publish(topics, 'news', 'one');
    publish(topics, 'news', 'two');
    expect(ann.received).toEqual(['one']);
    expect(bob.received).not.toContain('two');
    expect(eve.received).toEqual(['one', 'two']);
  });

  it.each([2, 3] as const)(
    'are skipped and not counted, where their readyState is %d',
    (readyState) => {
      const topics = new Topics<Receiver>();
      const [ann, bob, eve] = [new Receiver(), new Receiver(), new Receiver()];
      for (const receiver of [ann, bob, eve]) topics.subscribe(receiver, 'news');
      ann.onSend = () => {
        bob.readyState = readyState;
      };
      expect(publish(topics, 'news', 'one')).toBe(2);
      expect([ann.received, bob.received, eve.received]).toEqual([['one'], [], ['one']]);
    },
  );

  it('are sent it once, even where they subscribe anew meanwhile', () => {
    const topics = new Topics<Receiver>();
    const ann = new Receiver();
    ann.onSend = () => {
      topics.unsubscribe(ann, 'news');
      // The guard ends what would be endless.
      if (ann.received.length < 50) topics.subscribe(ann, 'news');
    };
    topics.subscribe(ann, 'news');
    topics.subscribe(new Receiver(), 'news');
    expect(publish(topics, 'news', 'one')).toBe(2);
    expect(ann.received).toEqual(['one']);
  });
});

describe('topics, beside a list of pairs', () => {
  const topic = fc.constantFrom('a', 'b', '__proto__', 'constructor');
  const who = fc.nat(3);
  const command = fc.oneof(
    fc.record({ name: fc.constant('subscribe' as const), who, topic }),
    fc.record({ name: fc.constant('unsubscribe' as const), who, topic }),
    fc.record({ name: fc.constant('release' as const), who }),
    fc.record({ name: fc.constant('handle' as const), topic }),
    fc.record({ name: fc.constant('leave' as const), which: fc.nat(3) }),
    fc.record({
      name: fc.constant('publish' as const),
      topic,
      except: fc.option(who, { nil: undefined }),
    }),
  );

  it('do the same, whatever is done', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const topics = new Topics<Receiver>();
        const receivers = [new Receiver(), new Receiver(), new Receiver(), new Receiver()];
        /** [who, topic], and the topics of handlers that were not taken back. */
        let pairs: (readonly [number, string])[] = [];
        const handled: { readonly topic: string; readonly leave: () => void; gone: boolean }[] = [];
        const heard: string[] = [];
        const handler: TopicHandler = (_message, name) => void heard.push(name);
        const has = (one: number, name: string): boolean =>
          pairs.some(([other, topicName]) => other === one && topicName === name);

        for (const step of commands) {
          heard.length = 0;
          for (const { received } of receivers) received.length = 0;
          switch (step.name) {
            case 'subscribe':
              expect(topics.subscribe(receivers[step.who]!, step.topic)).toBe(
                !has(step.who, step.topic),
              );
              if (!has(step.who, step.topic)) pairs.push([step.who, step.topic]);
              break;
            case 'unsubscribe':
              expect(topics.unsubscribe(receivers[step.who]!, step.topic)).toBe(
                has(step.who, step.topic),
              );
              pairs = pairs.filter(([one, name]) => one !== step.who || name !== step.topic);
              break;
            case 'release':
              topics.release(receivers[step.who]!);
              pairs = pairs.filter(([one]) => one !== step.who);
              break;
            case 'handle': {
              const leave = topics.handle(step.topic, handler);
              handled.push({ topic: step.topic, leave, gone: false });
              break;
            }
            case 'leave': {
              const one = handled[step.which];
              one?.leave();
              if (one !== undefined) one.gone = true;
              break;
            }
            case 'publish': {
              const except = step.except === undefined ? undefined : receivers[step.except];
              const count = publish(topics, step.topic, 'text', except);
              const expected = receivers.map((_receiver, one) =>
                has(one, step.topic) && one !== step.except ? ['text'] : [],
              );
              expect(receivers.map(({ received }) => received)).toEqual(expected);
              expect(count).toBe(expected.flat().length);
              const handlers = handled.filter(
                ({ gone, topic: name }) => !gone && name === step.topic,
              );
              expect(heard).toEqual(handlers.map(() => step.topic));
              break;
            }
          }
          for (const [one, receiver] of receivers.entries()) {
            const own = pairs.filter(([other]) => other === one).map(([, name]) => name);
            expect(topics.topicsOf(receiver)).toEqual(new Set(own));
          }
          for (const name of ['a', 'b', '__proto__', 'constructor']) {
            expect(topics.count(name)).toBe(pairs.filter(([, other]) => other === name).length);
          }
        }
      }),
    );
  });
});
