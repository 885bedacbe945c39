import { EventEmitter } from 'node:events';
import { Duplex } from 'node:stream';

export interface MemoryStream {
  stream: Duplex;
  /** Everything that was written, in one piece. */
  written: () => Buffer;
  /** The network takes all that waits, and what follows. */
  unstick: () => void;
}

/** A stream whose chunks a test hands over by itself, inside one turn. */
export function memoryStream(stuck: boolean = false): MemoryStream {
  const chunks: Buffer[] = [];
  const network = new EventEmitter();
  const stream = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      if (stuck) network.once('room', done);
      else done();
    },
  });
  const unstick = (): void => {
    stuck = false;
    network.emit('room');
  };
  return { stream, written: () => Buffer.concat(chunks), unstick };
}
