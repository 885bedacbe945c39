/**
 * A server in a process of its own, on real sockets: peers that are stopped are found, and whatever
 * came of a crowd of peers, descriptors and memory are back when it has gone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { maskedFrame } from '../support/bytes.ts';
import { join } from '../support/joined-peer.ts';
import { BuiltLibrary } from '../support/own-process.ts';
import { rawRequest } from '../support/raw-http.ts';
import { RawPeer } from '../support/raw-peer.ts';

const CROWD = 60;
/** What a heap does by itself. A descriptor has no such excuse. */
const MEMORY_MARGIN = 8 * 1024 * 1024;
const PATIENT = { timeout: 15_000, interval: 50 } as const;

let library: BuiltLibrary;
beforeAll(() => {
  library = new BuiltLibrary();
});
afterAll(() => library.remove());

const SERVER = `
  import { readdirSync } from 'node:fs';
  import { setImmediate as nextTurn } from 'node:timers/promises';
  import { setFlagsFromString } from 'node:v8';
  import { runInNewContext } from 'node:vm';
  import { WebSocketServer } from 'tautline';

  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  const countDescriptors = () => process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
  let codes = [];
  const close = (_socket, code) => void codes.push(code);

  async function measure() {
    for (let round = 0; round < 3; round++) {
      gc();
      await nextTurn();
    }
    const { heapUsed, external } = process.memoryUsage();
    const open = server.sockets.size - 1;
    return { descriptors: countDescriptors(), memory: heapUsed + external, open, codes };
  }

  const chunk = Buffer.alloc(16 * 1024);
  const feed = (socket) => {
    while (socket.send(chunk)) continue;
  };

  const server = new WebSocketServer({
    pingInterval: 300, pingTimeout: 1000, closeTimeout: 300, handshakeTimeout: 400, deflate: true,
  });
  server.on('error', () => {});
  server.route('/echo', { message: (socket, message) => void socket.send(message), close });
  server.route('/feed', { open: feed, drain: feed, close });
  server.route('/patient', { pingInterval: 0, close });
  server.route('/control', {
    pingInterval: 0,
    async message(socket, command) {
      if (command === 'forget') codes = [];
      if (command === 'terminate') {
        for (const other of server.sockets) if (other !== socket) other.terminate();
      }
      socket.send(JSON.stringify(await measure()));
    },
  });
  await server.listen(0, '127.0.0.1');
  console.log(server.address().port);
`;

interface Measured {
  readonly descriptors: number;
  readonly memory: number;
  /** Sockets, but for that which asks. */
  readonly open: number;
  /** With which they were closed since the last `forget`. */
  readonly codes: number[];
}

class Server {
  readonly port: number;
  readonly #control: RawPeer;

  private constructor(port: number, control: RawPeer) {
    this.port = port;
    this.#control = control;
  }

  static async start(): Promise<Server> {
    const { port } = await library.run(SERVER);
    return new Server(port, await join(port, '/control'));
  }

  async ask(command: 'measure' | 'forget' | 'terminate' = 'measure'): Promise<Measured> {
    await this.#control.write(maskedFrame({ payload: command }));
    const [answer] = await this.#control.readFrames(1);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is our own program.
    return JSON.parse(answer!.payload.toString()) as Measured;
  }

  /** Waits until nothing of a crowd is left. */
  async expectAsBefore({ descriptors, memory }: Measured): Promise<void> {
    await expect
      .poll(async () => {
        const now = await this.ask();
        return [now.open, now.descriptors, now.memory <= memory + MEMORY_MARGIN];
      }, PATIENT)
      .toEqual([0, descriptors, true]);
    const peer = await join(this.port, '/echo');
    await peer.write(maskedFrame({ payload: 'do you live?' }));
    const isEcho = async (): Promise<boolean> => {
      const [frame] = await peer.readFrames(1);
      // A Ping may come before.
      return frame!.opcode === 1 ? true : await isEcho();
    };
    expect(await isEcho()).toBe(true);
    peer.reset();
  }
}

/**
 * Clients in a process that can be stopped. They answer each Ping, twice at the least until this
 * resolves; or, where `reads` is false, they do nothing.
 */
async function startClients(port: number, path: string, reads: boolean): Promise<ChildProcess> {
  const program = `
    const request = ${JSON.stringify(rawRequest({}, `GET ${path} HTTP/1.1`))};
    const pong = Buffer.of(0x8a, 0x80, 1, 2, 3, 4);
    let count = 0;
    for (let i = 0; i < ${CROWD}; i++) {
      const socket = require('node:net').connect(${port}, '127.0.0.1');
      let heard = 0;
      socket.on('error', () => {});
      socket.on('data', () => {
        if (${reads} && heard > 0) socket.write(pong);
        if (!${reads}) socket.pause();
        if (++heard === ${reads ? 3 : 1} && ++count === ${CROWD}) console.log('all are open');
      });
      socket.write(request);
    }
  `;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

const times = async (act: (i: number) => Promise<unknown>): Promise<void> => {
  await Promise.all(Array.from({ length: CROWD }, (_, i) => act(i)));
};

/** Waits for the end by which a server takes leave, and stays. */
async function stay(peer: RawPeer): Promise<void> {
  await peer.readToLeave();
}

/** Of all of a crowd together, more than the margin. */
const LONG = 'x'.repeat(300_000);

const BOMB = maskedFrame({
  opcode: 2,
  rsv: 4,
  payload: deflateRawSync(Buffer.alloc(64 * 1024 * 1024)),
});

const DEFLATE = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };

const SCENARIOS: readonly [string, (port: number) => Promise<void>][] = [
  [
    'handshakes that are refused, of peers that do not leave',
    (port) =>
      times(async (i) => {
        const peer = await RawPeer.connect(port);
        const wrong = [
          rawRequest({ 'Sec-WebSocket-Key': 'x' }),
          rawRequest({ Origin: 'null' }, 'GET /echo HTTP/1.1'),
          rawRequest({}, 'GET /nowhere HTTP/1.1'),
          'GET / HTTP/1.1\r\n: \r\n\r\n',
        ];
        await peer.write(wrong[i % wrong.length]!);
        await stay(peer);
      }),
  ],
  [
    'resets, before the handshake, in it, behind it, in a frame and in a message',
    (port) =>
      times(async (i) => {
        const peer = await RawPeer.connect(port);
        const request = rawRequest({}, 'GET /echo HTTP/1.1');
        if (i % 5 === 1) await peer.write(request.slice(0, 40));
        if (i % 5 > 1) {
          await peer.write(request);
          await peer.readHead();
        }
        if (i % 5 === 3) await peer.write(maskedFrame({ payload: LONG }).subarray(2));
        if (i % 5 === 4) await peer.write(maskedFrame({ fin: false, payload: LONG }));
        peer.reset();
      }),
  ],
  [
    'peers that stop in the middle: of a head, of a frame, of a message',
    (port) =>
      times(async (i) => {
        const peer = await RawPeer.connect(port);
        const request = rawRequest({}, 'GET /echo HTTP/1.1');
        await peer.write(i % 3 === 0 ? request.slice(0, -2) : request);
        if (i % 3 === 1) await peer.write(maskedFrame({ payload: LONG }).subarray(0, -1));
        if (i % 3 === 2) await peer.write(maskedFrame({ fin: false, payload: LONG }));
        await stay(peer);
      }),
  ],
  [
    'bombs',
    (port) =>
      times(async () => {
        const peer = await join(port, '/echo', DEFLATE);
        await peer.write(BOMB);
        await stay(peer);
      }),
  ],
];

describe('a server', () => {
  it.each(SCENARIOS)('has its descriptors and its memory back after %s', async (_what, act) => {
    const server = await Server.start();
    // What is made once, at the first time.
    await act(server.port);
    await expect.poll(async () => (await server.ask()).open, PATIENT).toBe(0);
    await join(server.port, '/echo').then((peer) => peer.reset());
    const before = await settled(server);
    await act(server.port);
    await server.expectAsBefore(before);
  });

  /** Waits until as many descriptors are open as the server has by itself. */
  async function settled(server: Server): Promise<Measured> {
    let last = await server.ask();
    for (let same = 0; same < 5;) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      const next = await server.ask();
      same = next.descriptors === last.descriptors ? same + 1 : 0;
      last = next;
    }
    return last;
  }

  it.each([
    ['that has answered its Pings', '/echo', true],
    ['that does not read what it is sent', '/feed', false],
  ])(
    'half-open TCP: finds by its heartbeat that a process of clients has stopped %s',
    async (_which, path, reads) => {
      const server = await Server.start();
      const before = await server.ask('forget');
      const clients = await startClients(server.port, path, reads);
      if (reads) expect((await server.ask()).open).toBe(CROWD);
      clients.kill('SIGSTOP');
      await server.expectAsBefore(before);
      const { codes } = await server.ask();
      expect(codes.filter((code) => code === 1006).length).toBeGreaterThanOrEqual(CROWD);
    },
  );

  it('half-open TCP: frees all of those that have stopped by terminate()', async () => {
    const server = await Server.start();
    const before = await server.ask('forget');
    const clients = await startClients(server.port, '/patient', false);
    clients.kill('SIGSTOP');
    expect((await server.ask()).open).toBe(CROWD);
    await server.ask('terminate');
    await server.expectAsBefore(before);
  });
});
