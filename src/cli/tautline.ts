#!/usr/bin/env node
/**
 * The command `tautline`: finds which of its commands is meant.
 *
 * @module
 */

import { conform } from './conform.ts';

const USAGE = `tautline conform    tests an implementation of WebSocket (--help says how)\n`;

const [command, ...args] = process.argv.slice(2);
if (command === 'conform') {
  const interruption = new AbortController();
  const interrupt = (): void => {
    // A second signal ends the process at once.
    process.off('SIGTERM', interrupt).off('SIGINT', interrupt);
    interruption.abort();
  };
  process.on('SIGTERM', interrupt).on('SIGINT', interrupt);
  const { stdout, stderr } = process;
  process.exitCode = await conform(args, { stdout, stderr, signal: interruption.signal });
  process.off('SIGTERM', interrupt).off('SIGINT', interrupt);
} else {
  const isHelp = command === '--help' || command === '-h';
  (isHelp ? process.stdout : process.stderr).write(USAGE);
  process.exitCode = isHelp ? 0 : 2;
}
