// Conducts a soak: starts the server, two crowds that stay, and crowds that vanish one after the other;
// and at the end looks at what the server still has.
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Ledger } from './ledger.mjs';
import { Network } from './network.mjs';
import { Random } from './random.mjs';
import { HEAP_MARGIN, PATIENCE, SESSION_TIMEOUT, TIMES } from './settings.mjs';
import { Player } from './troupe.mjs';

const STEADY = 2;
/** Crowds that vanish, at the same time. */
const VANISHING = 2;
/** Of all connections. */
const VANISHING_SHARE = 0.25;
const HOSTILE_SHARE = 0.3;
/** Milliseconds in which the sessions of a crowd end that is told to begin no others. */
const LAST_SESSIONS = SESSION_TIMEOUT + PATIENCE;
/** Longer than it takes to find out that a peer is gone. */
const GONE = TIMES.pingInterval + TIMES.pingTimeout + 2000;

/**
 * What becomes of a crowd. Those whose link is cut need a network of their own.
 *
 * @type {Record<string, { apart: boolean, weight: number, happen: Function, mayBreak?: boolean }>}
 */
const FATES = {
  /** The machine loses its power: nothing comes from it, not even that it is gone. */
  'lost its link and died': {
    apart: true,
    weight: 3,
    async happen({ network, crowd, player }) {
      await network.cut(crowd);
      await player.dismiss();
    },
  },
  /** Both ends live, and have to find out by themselves. */
  'lost its link': {
    apart: true,
    weight: 2,
    async happen({ network, crowd, player }) {
      await Promise.all([player.finish(LAST_SESSIONS), network.cut(crowd)]);
    },
  },
  /** TCP sends again what did not come through: nobody is to notice. */
  'lost its link for a moment': {
    apart: true,
    weight: 2,
    mayBreak: false,
    async happen({ network, crowd, player, random }) {
      await network.cut(crowd);
      await pause(random.between(100, 700));
      await network.mend(crowd);
      await player.finish(LAST_SESSIONS);
    },
  },
  'was frozen until it was given up': {
    apart: false,
    weight: 2,
    async happen({ player }) {
      player.signal('SIGSTOP');
      await pause(GONE);
      player.signal('SIGCONT');
      await player.finish(LAST_SESSIONS);
    },
  },
  'was killed': {
    apart: false,
    weight: 2,
    async happen({ player }) {
      await player.dismiss();
    },
  },
};

export class Conductor {
  #settings;
  #random;
  #network = null;
  #server;
  #port = 0;
  #crowds = 0;
  #stopping = new AbortController();
  #stopped = once(this.#stopping.signal, 'abort');
  ledger = new Ledger();
  peakDescriptors = 0;
  /** How crowds could vanish. */
  fates = [];

  /**
   * @param {{ minutes: number, connections: number, seed: string, hasNetworks: boolean, pace: number }} settings
   */
  constructor(settings) {
    this.#settings = settings;
    this.#random = new Random(`${settings.seed} conductor`);
  }

  /** Ends it before its time. */
  stop() {
    this.#stopping.abort();
  }

  /** @returns {Promise<{ start: object, end: object, ledger: Ledger }>} */
  async run() {
    const { minutes, seed, hasNetworks } = this.#settings;
    if (hasNetworks) this.#network = await Network.create();
    this.#server = new Player('server.mjs', 'the server', this.ledger, false);
    await this.#server.hear('ready');
    // In a network of its own, nobody else can reach it.
    const host = hasNetworks ? '0.0.0.0' : '127.0.0.1';
    ({ port: this.#port } = await this.#server.ask('start', { seed, host }));
    const start = await this.measure();
    const watch = setInterval(() => this.descriptors(), 500);
    const timer = setTimeout(() => this.stop(), minutes * 60_000);

    const steady = Array.from({ length: STEADY }, () => this.keepSteady());
    const vanishing = Array.from({ length: VANISHING }, () => this.keepVanishing());
    await Promise.all([...steady, ...vanishing]);
    clearTimeout(timer);

    const end = await this.settle(start);
    clearInterval(watch);
    const { terminated } = await this.#server.ask('stop');
    this.ledger.deviate('left behind', 'sockets had to be terminated at the end', terminated);
    await this.#server.leave();
    return { start, end };
  }

  /** Starts a crowd that has so many connections. */
  async gather(kind, { connections, apart = false, mayBreak = false, ramp }) {
    const crowd = ++this.#crowds;
    const name = `crowd ${crowd}`;
    const player = new Player('crowd.mjs', name, this.ledger, apart);
    await player.hear('ready');
    if (apart) await this.#network.join(crowd, player.pid);
    const { seed, pace } = this.#settings;
    player.tell('start', {
      settings: {
        crowd,
        name: `${name}, ${kind}`,
        seed,
        places: Math.max(1, Math.round(connections)),
        host: apart ? this.#network.address : '127.0.0.1',
        port: this.#port,
        hostile: HOSTILE_SHARE,
        mayBreak,
        pace,
        ramp,
      },
    });
    return { crowd, player };
  }

  async keepSteady() {
    const connections = (this.#settings.connections * (1 - VANISHING_SHARE)) / STEADY;
    const ramp = Math.min(20_000, this.#settings.minutes * 15_000);
    const { player } = await this.gather('steady', { connections, ramp });
    await this.#stopped;
    await player.finish(LAST_SESSIONS);
  }

  /** One crowd after the other, each with its fate. */
  async keepVanishing() {
    const connections = (this.#settings.connections * VANISHING_SHARE) / VANISHING;
    const possible = Object.entries(FATES).filter(
      ([, { apart }]) => !apart || this.#network !== null,
    );
    this.fates = possible.map(([name]) => name);
    const weights = Object.fromEntries(possible.map(([name, { weight }]) => [name, weight]));
    while (!this.#stopping.signal.aborted) {
      const name = this.#random.weigh(weights);
      try {
        await this.vanish(name, connections);
      } catch (error) {
        this.ledger.deviate('failed', `a crowd that ${name}: ${error.stack}`);
        // What makes no crowds will make none.
        this.stop();
      }
    }
  }

  async vanish(name, connections) {
    const random = this.#random;
    const { happen, mayBreak = true } = FATES[name];
    const lifetime = random.between(3000, 12_000);
    const { crowd, player } = await this.gather(name, {
      connections,
      apart: this.#network !== null,
      mayBreak,
      ramp: lifetime / 2,
    });
    try {
      await Promise.race([pause(lifetime), this.#stopped]);
      this.ledger.count(`faults.crowd ${name}`);
      this.ledger.count(`vanished.${name}`, player.open);
      await happen({ network: this.#network, crowd, player, random });
    } finally {
      await player.dismiss();
    }
  }

  /** How many files the server has open; NaN where nobody tells. */
  descriptors() {
    if (process.platform !== 'linux') return NaN;
    const count = readdirSync(`/proc/${this.#server.pid}/fd`).length;
    this.peakDescriptors = Math.max(this.peakDescriptors, count);
    return count;
  }

  async measure() {
    const memory = await this.#server.ask('measure');
    return { ...memory, descriptors: this.descriptors() };
  }

  /** All have left: what they had must come back. */
  async settle(start) {
    const deadline = Date.now() + PATIENCE;
    let end = await this.measure();
    const hasFiles = () => Number.isNaN(end.descriptors) || end.descriptors === start.descriptors;
    const hasMemory = () => end.heap <= start.heap + HEAP_MARGIN;
    const isSettled = () => end.sockets === 0 && hasFiles() && hasMemory();
    while (!isSettled() && Date.now() < deadline) {
      await pause(500);
      end = await this.measure();
    }
    const { ledger } = this;
    ledger.deviate('left behind', 'sockets of the server', end.sockets);
    if (!hasFiles()) {
      const more = end.descriptors - start.descriptors;
      ledger.deviate(
        'left behind',
        `descriptors: ${start.descriptors} at the start, ${end.descriptors} at the end`,
        Math.abs(more),
      );
    }
    if (!hasMemory()) {
      const more = `${start.heap} bytes at the start, ${end.heap} at the end`;
      ledger.deviate('left behind', `heap and buffers: ${more}`);
    }
    return end;
  }
}
