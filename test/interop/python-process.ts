/** A program in Python that is spoken to in lines of JSON, and ends with its stdin. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** Debian's, which sees Debian's packages; the first in PATH may be another. */
const PYTHON = '/usr/bin/python3';

/** How long a line may take, and the end. */
const PATIENCE = 20_000;

export type Said = Readonly<Record<string, unknown>>;

export class PythonProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #exited: Promise<void>;
  readonly #lines: Said[] = [];
  #rest = '';
  #errors = '';
  #hasExited = false;
  readonly #waiting = new Set<() => void>();

  /** Starts a script that lies beside this file. */
  constructor(script: string, ...flags: string[]) {
    const path = fileURLToPath(new URL(script, import.meta.url));
    this.#child = spawn(PYTHON, [path, ...flags], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#exited = new Promise((resolve) => {
      const onExit = (): void => {
        this.#hasExited = true;
        this.wake();
        resolve();
      };
      this.#child.once('close', onExit).once('error', (error) => {
        this.#errors += error.message;
        onExit();
      });
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => this.receive(text));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#errors += text));
    // It may have ended already: that is told where a line is waited for.
    this.#child.stdin.on('error', () => {});
  }

  tell(line: object): void {
    this.#child.stdin.write(`${JSON.stringify(line)}\n`);
  }

  /**
   * Takes the first line that fits, when it is there.
   *
   * @throws {Error} where the process ends first, or takes too long
   */
  async hear(fits: (line: Said) => boolean = () => true): Promise<Said> {
    return new Promise((resolve, reject) => {
      const fail = (what: string): void => {
        this.#waiting.delete(look);
        reject(new Error(`${this.#child.spawnargs.slice(1).join(' ')} ${what}: ${this.#errors}`));
      };
      const timer = setTimeout(() => fail('says nothing'), PATIENCE);
      const look = (): void => {
        const at = this.#lines.findIndex(fits);
        if (at === -1 && !this.#hasExited) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        if (at === -1) fail('has ended');
        else resolve(this.#lines.splice(at, 1)[0]!);
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** Tells it something, and hears the answer. */
  async ask(line: object): Promise<Said> {
    this.tell(line);
    return this.hear();
  }

  /** Ends it: by the end of its stdin, or else by a signal. */
  async stop(): Promise<void> {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE);
    await this.#exited;
    clearTimeout(timer);
  }

  private receive(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) this.#lines.push(parse(line));
    this.wake();
  }

  private wake(): void {
    for (const look of this.#waiting) look();
  }
}

function parse(line: string): Said {
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null) throw new TypeError(`not an object: ${line}`);
  return { ...value };
}
