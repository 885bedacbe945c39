import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { PieceQueue, MessageStream } from '../../src/connection/message-stream.ts';

type Body = string | Buffer;
interface Reading {
  readonly isWhole: boolean;
  begin(): Promise<Body>;
  through(): AsyncGenerator<Body>;
  toEnd(): Promise<Body>;
}
interface ReadingModule {
  StreamReading: new (stream: MessageStream) => Reading;
}

const url = pathToFileURL('soak/stream-reading.mjs').href;
const { StreamReading }: ReadingModule = await import(url);

function read(asText: boolean) {
  const queue = new PieceQueue({ onSize: () => {}, onDone: () => {} }, asText);
  return { queue, reading: new StreamReading(new MessageStream(queue, !asText)) };
}

describe('what a soak reads while it arrives', () => {
  it.each([
    ['text', true, 'a text of two pieces'],
    ['binary', false, Buffer.from('a text of two pieces')],
  ])('is a %s as it was sent', async (_, asText, whole) => {
    const { queue, reading } = read(asText);
    queue.push(Buffer.from('a text of '), false);
    expect(Buffer.from(await reading.begin()).toString()).toBe('a text of ');
    queue.push(Buffer.from('two pieces'), true);
    expect(await reading.toEnd()).toEqual(whole);
  });

  it('waits for as much as tells of what kind it is', async () => {
    const { queue, reading } = read(true);
    const begin = reading.begin();
    queue.push(Buffer.from('12345678'), false);
    queue.push(Buffer.from('E'), false);
    expect([await begin, reading.isWhole]).toEqual(['12345678E', false]);
  });

  it('ends where it is shorter than that', async () => {
    const { queue, reading } = read(true);
    queue.push(Buffer.from('123'), true);
    expect([await reading.begin(), reading.isWhole]).toEqual(['123', true]);
  });

  it('is kept whole while somebody else is given it piece by piece', async () => {
    const { queue, reading } = read(true);
    queue.push(Buffer.from('123456789'), false);
    await reading.begin();
    queue.push(Buffer.from('abc'), true);
    const pieces: Body[] = [];
    for await (const piece of reading.through()) pieces.push(piece);
    expect([pieces, await reading.toEnd()]).toEqual([['123456789', 'abc'], '123456789abc']);
  });

  it('is no message where it was cut, whoever was told of that', async () => {
    const { queue, reading } = read(true);
    queue.push(Buffer.from('123456789'), false);
    await reading.begin();
    const pieces = reading.through();
    await pieces.next();
    // The one who sends it on waits for more, and leaves when the connection ends.
    const sent = pieces.next();
    const end = reading.toEnd();
    queue.fail(new Error('cut'));
    await expect(Promise.allSettled([sent, end])).resolves.toMatchObject([
      { status: 'rejected', reason: { message: 'cut' } },
      { status: 'rejected', reason: { message: 'cut' } },
    ]);
    await expect(reading.toEnd()).rejects.toThrow('cut');
  });
});
