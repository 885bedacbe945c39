/**
 * The corpus: a file for each case, that a human can read and change.
 *
 *     # Why it is there.
 *     > what becomes of it
 *     "GET / HTTP/1.1\r\n"      text, as a string of JSON whose characters are bytes
 *     81 05 48 65 6c 6c 6f      or bytes
 *
 * @module
 */

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Case {
  readonly name: string;
  /** What becomes of it; null where the file does not say. */
  readonly verdict: string | null;
  readonly input: Buffer;
}

/** From the root of the repository, where all commands are run. */
const FOLDER = join('fuzz', 'corpus');

/** Bytes in a line. */
const WIDTH = 32;

/**
 * @throws {SyntaxError} for a line that is neither of them
 */
export function readCase(name: string, text: string): Case {
  let verdict: string | null = null;
  const parts: Buffer[] = [];
  for (const line of text.split('\n').map((one) => one.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith('>')) verdict = line.slice(1).trim();
    else if (line.startsWith('"')) parts.push(Buffer.from(String(JSON.parse(line)), 'latin1'));
    else parts.push(readBytes(name, line));
  }
  return { name, verdict, input: Buffer.concat(parts) };
}

function readBytes(name: string, line: string): Buffer {
  if (!/^(?:[0-9a-f]{2}(?: |$))+$/.test(line)) {
    throw new SyntaxError(`${name} has a line that is neither bytes nor text: ${line}`);
  }
  return Buffer.from(line.replaceAll(' ', ''), 'hex');
}

export function writeCase(
  form: 'text' | 'bytes',
  input: Buffer,
  verdict: string | null,
  why: string,
): string {
  const lines = [`# ${why}`];
  if (verdict !== null) lines.push(`> ${verdict}`);
  if (form === 'text') {
    // A line of the file for a line of the input.
    const texts = input.toString('latin1').match(/[^\n]*\n|[^\n]+/g) ?? [];
    lines.push(...texts.map((text) => JSON.stringify(text).replaceAll(/[^\x20-\x7e]/g, escape)));
  } else {
    for (let at = 0; at < input.length; at += WIDTH) {
      const bytes = input.subarray(at, at + WIDTH).toString('hex');
      lines.push((bytes.match(/../g) ?? []).join(' '));
    }
  }
  return `${lines.join('\n')}\n`;
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

export function readCorpus(target: string): Case[] {
  const folder = join(FOLDER, target);
  return readdirSync(folder)
    .toSorted()
    .map((file) => readCase(file, readFileSync(join(folder, file), 'utf8')));
}

/** @returns the path */
export function keepCase(target: string, name: string, text: string): string {
  const folder = join(FOLDER, target);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.txt`);
  writeFileSync(path, text);
  return path;
}
