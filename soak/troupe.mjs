// The processes of a soak: one server and its crowds. Each is asked by messages, and ends by itself when
// all in it is over.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { APART } from './network.mjs';

/** Milliseconds in which a process with nothing to do must have ended. */
const END_TIMEOUT = 10_000;

const running = new Set();

/** Whatever happens, nothing that was started here goes on. */
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A process that is sent commands. */
export class Player {
  #child;
  #ledger;
  #name;
  #isDismissed = false;
  /** Sessions that it had when it last told. */
  open = 0;

  /**
   * @param {string} program - a file beside this one
   * @param {string} name
   * @param {import('./ledger.mjs').Ledger} ledger - is given what it counts
   * @param {boolean} isApart - whether it has a network of its own
   */
  constructor(program, name, ledger, isApart) {
    this.#name = name;
    this.#ledger = ledger;
    const path = fileURLToPath(new URL(program, import.meta.url));
    const command = [...(isApart ? APART : []), process.execPath, '--expose-gc', path];
    this.#child = spawn(command[0], command.slice(1), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    running.add(this.#child);
    this.ended = this.#watch();
    this.#child.on('message', ({ taken, open }) => {
      if (taken !== undefined) ledger.add(taken);
      if (open !== undefined) this.open = open;
    });
  }

  async #watch() {
    const [code, signal] = await once(this.#child, 'exit');
    running.delete(this.#child);
    if (!this.#isDismissed && code !== 0)
      this.#ledger.deviate('failed', `${this.#name} ended with ${signal ?? code}`);
  }

  get pid() {
    return this.#child.pid;
  }

  /** Resolves with its answer to a command. */
  async ask(command, settings = {}) {
    const answered = this.hear(command);
    this.tell(command, settings);
    return await answered;
  }

  /** Sends a command that is not answered; to one that is gone, nothing. */
  tell(command, settings = {}) {
    if (this.#child.connected) this.#child.send({ command, ...settings });
  }

  /** Resolves with what it says of its own accord; rejects where it ends before. */
  hear(command) {
    return new Promise((resolve, reject) => {
      const listen = (message) => {
        if (message.command !== command) return;
        this.#child.removeListener('message', listen);
        resolve(message.result);
      };
      this.#child.on('message', listen);
      this.#child.once('exit', () => reject(new Error(`${this.#name} ended before "${command}"`)));
    });
  }

  signal(name) {
    this.#child.kill(name);
  }

  /** Ends it without asking, where it has not ended. */
  async dismiss() {
    this.#isDismissed = true;
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  /** Tells a crowd to begin no more sessions, and sees it end. */
  finish(patience) {
    this.tell('stop');
    return this.leave(patience);
  }

  /** Sees it end by itself, as a process does that has left nothing behind. */
  async leave(patience = END_TIMEOUT) {
    const timer = setTimeout(() => {
      this.#ledger.deviate('left behind', `${this.#name} does not end by itself`);
      void this.dismiss();
    }, patience);
    await this.ended;
    clearTimeout(timer);
  }
}
