// Programs that are measured: each has a processor for itself where the machine has two.
import { spawn, spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { createInterface } from 'node:readline';

const CORES = cpus().length;
const CAN_PIN = CORES > 1 && spawnSync('taskset', ['--version']).status === 0;

/** The processors of what is measured, of a load in one thread, and of a load in several. */
export const CORE = {
  measured: '0',
  load: '1',
  loads: CORES > 2 ? `1-${CORES - 1}` : '1',
};

export function isPinned() {
  return CAN_PIN;
}

function pinned(core, command) {
  return CAN_PIN ? ['taskset', '-c', core, ...command] : command;
}

/**
 * Starts a program whose first line says, as JSON, where it listens or that it cannot.
 *
 * @param {{ command: string[], env?: Record<string, string> }} program
 */
export async function startProgram({ command, env = {} }, core) {
  const [file, ...values] = pinned(core, command);
  const child = spawn(file, values, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
    detached: true,
  });
  const lines = createInterface(child.stdout);
  const told = await new Promise((resolve, reject) => {
    lines.once('line', (line) => resolve(JSON.parse(line)));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`it ended with ${code}`)));
  });
  return {
    ...told,
    async stop() {
      if (child.exitCode !== null) return;
      const ended = new Promise((resolve) => {
        child.once('exit', resolve);
      });
      try {
        // With what it may have started itself.
        process.kill(-Number(child.pid), 'SIGKILL');
      } catch (error) {
        // It ends by itself, and has just done so.
        if (error.code !== 'ESRCH') throw error;
      }
      await ended;
    },
  };
}

/** Runs a program to its end. Resolves with the JSON that it prints. */
export function runProgram(command, core, env = {}) {
  const [file, ...values] = pinned(core, command);
  return new Promise((resolve, reject) => {
    const child = spawn(file, values, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(JSON.parse(text));
      else reject(new Error(`${command.join(' ')} ended with ${code}`));
    });
  });
}
