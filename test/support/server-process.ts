import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** How long the command may take to start (it builds first), and to stop. */
const PATIENCE = 30_000;

/** A server as users start it: a command, in processes of its own. */
export class ServerProcess {
  /** The address that it printed when it was ready. */
  readonly url: string;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #exited: Promise<string>;

  private constructor(
    url: string,
    child: ChildProcessByStdio<null, Readable, Readable>,
    exited: Promise<string>,
  ) {
    this.url = url;
    this.#child = child;
    this.#exited = exited;
  }

  /** `npm run -s echo` on a port that is free. */
  static echo(...flags: string[]): Promise<ServerProcess> {
    return ServerProcess.start(
      ['npm', 'run', '-s', 'echo', '--', '--port', '0', '--host', '127.0.0.1', ...flags],
      /^listening on (wss?:\/\/127\.0\.0\.1:[0-9]+)$/m,
    );
  }

  /**
   * Starts `command`, with the environment variable PORT as 0. Resolves when it has printed a line
   * that fits `ready`, whose group is the address.
   *
   * @param environment - further variables
   */
  static async start(
    command: readonly string[],
    ready: RegExp,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<ServerProcess> {
    const [program = '', ...flags] = command;
    const child = spawn(program, flags, {
      cwd: ROOT,
      env: { ...process.env, PORT: '0', ...environment },
      // A group of its own: npm, its shell and the server are ended together.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    const exited = new Promise<string>((resolve) => {
      // Not 'exit': the pipes close when the last process of the group is gone.
      child.once('close', (code, signal) => resolve(`${signal ?? code}: ${output}${errors}`));
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const url = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => {
        end(child, 'SIGKILL');
        reject(new Error(`${command.join(' ')} does not start: ${output}${errors}`));
      }, PATIENCE);
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        const line = ready.exec(output);
        if (line === null) return;
        clearTimeout(timer);
        resolve(line[1]!);
      });
      child.once('error', reject);
      child.once('close', () => {
        clearTimeout(timer);
        reject(new Error(`${command.join(' ')} ended before it listened: ${output}${errors}`));
      });
    });
    return new ServerProcess(url, child, exited);
  }

  /**
   * Asks the server to stop, and waits until nothing of it runs any more.
   *
   * @throws {Error} where it does not stop by itself
   */
  async stop(): Promise<void> {
    end(this.#child, 'SIGTERM');
    let killed = false;
    const timer = setTimeout(() => {
      killed = true;
      end(this.#child, 'SIGKILL');
    }, PATIENCE);
    const how = await this.#exited;
    clearTimeout(timer);
    if (killed) throw new Error(`the server does not stop: ${how}`);
  }
}

/** Sends `signal` to the whole group of `child`, as far as it still exists. */
function end(child: { readonly pid?: number | undefined }, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return;
    throw error;
  }
}
