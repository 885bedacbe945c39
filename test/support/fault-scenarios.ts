/** What two ends may say to each other: each is one line of a table, and ends by itself. */
import { PreparedMessage } from '../../src/connection/prepared.ts';
import { type End, type Scenario, digest } from './fault-world.ts';

const TEXT = 'a text with an ä in it, and so not of one byte each. ';
/** More than a frame is copied for, and than a slab holds. */
const LARGE_TEXT = TEXT.repeat(2000);
const LARGE_BINARY = Buffer.alloc(150_000, 'not so random');

/** What `near` says, and `far` says again. */
async function echo(near: End, far: End, ...messages: (string | Buffer)[]): Promise<void> {
  near.listen();
  far.answer = (message) => far.send(message);
  far.listen();
  for (const message of messages) near.send(message);
  await near.gotten(messages.length);
  await near.track(near.socket.close(1000));
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'an echo of texts',
    play: (near, far) => echo(near, far, 'one', TEXT, ''),
  },
  {
    name: 'an echo of binaries',
    play: (near, far) => echo(near, far, Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(300, 7)),
  },
  {
    name: 'an echo of large messages',
    play: (near, far) => echo(near, far, LARGE_TEXT, LARGE_BINARY),
  },
  {
    name: 'an echo of compressed messages',
    options: { deflate: { threshold: 0 } },
    play: (near, far) => echo(near, far, TEXT, TEXT.repeat(20), Buffer.from('one')),
  },
  {
    name: 'an echo of large messages that are compressed in a thread',
    options: { deflate: true },
    play: (near, far) => echo(near, far, LARGE_TEXT, LARGE_BINARY),
  },
  {
    name: 'a text as the pieces of an iterable',
    async play(near, far) {
      near.listen();
      far.answer = (message) => far.sendPieces([message.toString(), ' back']);
      far.listen();
      void near.sendPieces(['in ', 'three ', 'pieces']);
      near.send('behind them');
      await near.gotten(2);
      await near.track(near.socket.close(1000));
    },
  },
  {
    name: 'compressed pieces of an iterable',
    options: { deflate: { threshold: 0 } },
    async play(near, far) {
      far.listen();
      await near.sendPieces([TEXT, TEXT, TEXT]);
      await far.gotten(1);
      await near.track(near.socket.close(1000));
    },
  },
  {
    name: 'a Blob, with the Close right behind it',
    async play(near, far) {
      far.listen();
      near.sent.push(digest(LARGE_BINARY));
      void near.track(near.socket.send(new Blob([LARGE_BINARY])));
      await near.track(near.socket.close(1000));
    },
  },
  {
    name: 'streams that are read piece by piece',
    async play(near, far) {
      const read = (async () => {
        for await (const stream of streamsOf(far)) {
          const pieces: string[] = [];
          try {
            for await (const piece of stream) pieces.push(piece.toString());
          } catch (error) {
            return error;
          }
          far.hear(pieces.join(''));
        }
        return null;
      })();
      near.send(LARGE_TEXT);
      await near.sendPieces(['in ', 'three ', 'pieces']);
      await near.track(near.socket.close(1000));
      await read;
    },
  },
  {
    name: 'a loop over messages',
    async play(near, far) {
      for (const text of ['one', 'two', 'three']) near.send(text);
      for await (const message of far.socket) {
        far.hear(message);
        if (far.got.length === 3) break;
      }
      await far.track(far.socket.close(1000));
    },
  },
  {
    name: 'Pings of both ends',
    async play(near, far) {
      await near.track(near.socket.ping());
      await far.track(far.socket.ping('payload'));
      await near.track(near.socket.close(1000));
    },
  },
  {
    name: 'a Close of the other end',
    async play(near, far) {
      near.listen();
      far.send('the last');
      await far.track(far.socket.close(4000, 'enough'));
      await near.track(near.socket.closed);
    },
  },
  {
    name: 'a Close of both ends at once',
    play: (near, far) =>
      Promise.all([
        near.track(near.socket.close(1000)),
        far.track(far.socket.close(4000, 'enough')),
      ]),
  },
  {
    name: 'an end without a Close',
    async play(near, far) {
      far.listen();
      near.send('one');
      await far.gotten(1);
      near.socket.terminate();
    },
  },
  {
    name: 'a pause of the reader, longer than what may wait',
    options: { highWaterMark: 1000 },
    async play(near, far) {
      far.listen();
      far.socket.pause();
      for (let i = 0; i < 100; i++) near.send(`${i} ${TEXT}`);
      await near.track(near.socket.drained());
      await near.track(near.socket.flushed());
      far.socket.resume();
      await far.gotten(100);
      await near.track(near.socket.close(1000));
    },
  },
  {
    name: 'a pause of the end that closes',
    async play(near, far) {
      near.listen();
      near.socket.pause();
      for (let i = 0; i < 100; i++) far.send(`${i} ${TEXT}`);
      await far.track(far.socket.flushed());
      near.socket.resume();
      await near.gotten(100);
      await near.track(near.socket.close(1000));
    },
  },
  {
    name: 'a broadcast, a publication and a prepared message',
    options: { deflate: { threshold: 0 } },
    async play(near, far, server) {
      const [sender, reader] = near.role === 'server' ? [near, far] : [far, near];
      reader.listen();
      sender.sent.push(digest(TEXT), digest('published'), digest('prepared'));
      const [socket] = server.sockets;
      socket?.subscribe('topic');
      server.broadcast(TEXT);
      server.publish('topic', 'published');
      sender.socket.send(new PreparedMessage('prepared'));
      await reader.gotten(3);
      await near.track(near.socket.close(1000));
    },
  },
  {
    name: 'a handler that takes its time',
    async play(near, far) {
      far.answer = async (message) => {
        await new Promise(setImmediate);
        far.send(message);
      };
      far.listen();
      near.listen();
      for (const text of ['one', 'two', 'three']) near.send(text);
      await near.gotten(3);
      await near.track(near.socket.close(1000));
    },
  },
  {
    name: 'a handler that throws',
    gets: 1,
    async play(near, far) {
      near.answer = () => {
        throw new Error('a mistake of the application');
      };
      near.listen();
      far.send('one');
      far.send('two');
      await near.track(near.socket.closed);
      await far.track(far.socket.closed);
    },
  },
  {
    name: 'a peer that breaks the protocol',
    async play(near, far) {
      near.listen();
      far.send('one');
      await near.gotten(1);
      far.stream.write(Buffer.from('8f00', 'hex'));
      await near.track(near.socket.closed);
      await far.track(far.socket.closed);
    },
  },
  {
    name: 'a stream of Node over each end',
    async play(near, far) {
      const one = near.socket.duplex();
      const two = far.socket.duplex();
      one.on('error', () => {}).on('data', (message: Buffer) => near.hear(message));
      two.on('error', () => {}).on('data', (message: Buffer) => far.hear(message));
      near.sent.push(digest(Buffer.from('one')), digest(LARGE_BINARY));
      one.write('one');
      one.end(LARGE_BINARY);
      await near.track(near.socket.closed);
      await far.track(far.socket.closed);
    },
  },
  {
    name: 'a handshake that is refused',
    path: '/refused',
    play: () => Promise.reject(new Error('it was to be refused')),
  },
];

async function* streamsOf(end: End): AsyncGenerator<AsyncIterable<string | Buffer>, void> {
  const streams: AsyncIterable<string | Buffer>[] = [];
  let wake = (): void => {};
  end.socket.on('stream', (stream) => {
    streams.push(stream);
    wake();
  });
  end.socket.on('close', () => wake());
  for (;;) {
    const stream = streams.shift();
    if (stream !== undefined) yield stream;
    else if (end.closes.length > 0) return;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
}
