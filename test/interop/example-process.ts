/** An example as its reader runs it: `node FILE`, in a process of its own. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** For `expect.poll`, which by itself waits no longer than a second. */
export const PATIENT = { timeout: 30_000 } as const;

/** The line that each example prints when it can be reached. */
const READY = /^listening on (\S+)$/m;

export class ExampleProcess {
  /** The address that it printed. */
  readonly url: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #log: Log;

  private constructor(url: string, child: ChildProcessWithoutNullStreams, log: Log) {
    this.url = url;
    this.#child = child;
    this.#log = log;
  }

  /**
   * Starts an example on a port that is free, for as long as the test lasts. Resolves when it
   * listens.
   *
   * @param variables - of its environment, beside PORT
   */
  static async start(
    file: string,
    variables: Readonly<Record<string, string>> = {},
  ): Promise<ExampleProcess> {
    const env = { ...process.env, PORT: '0', ...variables };
    const child = spawn(process.execPath, [file], { cwd: ROOT, env });
    onTestFinished(() => void child.kill('SIGKILL'));
    const log = new Log(child);
    return new ExampleProcess(await log.until(READY), child, log);
  }

  /** The address with another path, as `ws:`. */
  at(path: string): string {
    const url = new URL(path, this.url);
    url.protocol = 'ws:';
    return url.href;
  }

  /** The port that it listens on. */
  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Resolves with the first group of what it has printed, or will print. */
  printed(pattern: RegExp): Promise<string> {
    return this.#log.until(pattern);
  }

  /** Writes to its standard input. Resolves when all of it was taken. */
  write(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#child.stdin.write(text, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(error);
      });
    });
  }

  /** Ends its standard input. Resolves as {@link stop}. */
  end(): Promise<string> {
    this.#child.stdin.end();
    return this.#log.ended;
  }

  /** Asks it to end. Resolves with its exit code, or the signal that killed it, and its errors. */
  stop(): Promise<string> {
    this.#child.kill('SIGTERM');
    return this.#log.ended;
  }
}

/** What a process prints. */
class Log {
  readonly ended: Promise<string>;
  #output = '';
  #errors = '';
  readonly #waiting = new Set<() => void>();

  constructor(child: ChildProcessWithoutNullStreams) {
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#errors += text));
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
      for (const look of this.#waiting) look();
    });
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => resolve(`${signal ?? code}: ${this.#errors}`));
    });
  }

  /** Rejects where the process ends without having printed it. */
  async until(pattern: RegExp): Promise<string> {
    const printed = new Promise<string>((resolve) => {
      const look = (): void => {
        const found = pattern.exec(this.#output);
        if (found === null) return;
        this.#waiting.delete(look);
        resolve(found[1] ?? found[0]);
      };
      this.#waiting.add(look);
      look();
    });
    const ended = this.ended.then((how) => {
      throw new Error(`it ended, ${how} Before, it printed ${this.#output}`);
    });
    return await Promise.race([printed, ended]);
  }
}
