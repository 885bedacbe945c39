/**
 * A program in a process of its own, with the library as it is now: to see whether a process lives
 * on, no test runner may stand around it that catches what nobody caught.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The library, compiled into a folder of its own, for Nodes that do not read TypeScript. */
export class BuiltLibrary {
  readonly #folder = mkdtempSync(join(tmpdir(), 'tautline-built-'));

  /** Compiles it. Other tests may be compiling into `dist` at the same time. */
  constructor() {
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    const options = {
      noCheck: true,
      incremental: false,
      tsBuildInfoFile: null,
      declaration: false,
      declarationMap: false,
      isolatedDeclarations: false,
      sourceMap: false,
      outDir: this.#folder,
    };
    const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', ...flags], {
      cwd: ROOT,
    });
    writeFileSync(join(this.#folder, 'package.json'), '{ "type": "module" }');
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }

  /**
   * Runs a module, for as long as the test lasts. It finds all names of the library as `tautline`,
   * and prints a line with its port when it listens.
   */
  async run(program: string): Promise<OwnProcess> {
    const library = pathToFileURL(join(this.#folder, 'index.js')).href;
    const text = program.replaceAll("from 'tautline'", `from '${library}'`);
    const child = spawn(process.execPath, ['--input-type=module', '-e', text], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    return await OwnProcess.follow(child);
  }
}

class OwnProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<string>;

  private constructor(port: number, child: ChildProcess, ended: Promise<string>) {
    this.port = port;
    this.#child = child;
    this.#ended = ended;
  }

  static async follow(child: ChildProcess): Promise<OwnProcess> {
    let [output, errors] = ['', ''];
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const ended = new Promise<string>((resolve) => {
      child.once('close', (code, signal) => resolve(`${signal ?? code}: ${errors}`));
    });
    const listening = new Promise<string>((resolve) => {
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        if (output.includes('\n')) resolve(output);
      });
    });
    const first = await Promise.race([listening, ended]);
    const port = Number(first);
    if (!Number.isInteger(port)) throw new Error(`it does not listen: ${first}`);
    return new OwnProcess(port, child, ended);
  }

  /** Asks it to end. Resolves with how it did, and all that it printed as errors. */
  async stop(): Promise<string> {
    this.#child.kill('SIGTERM');
    return await this.#ended;
  }
}
