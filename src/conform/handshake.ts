/**
 * RFC 6455, section 4: the opening handshake of either end, as text. Strict: what a peer must send is
 * demanded, and what is wrong is a sentence. Knows no socket.
 *
 * @module
 */

import { createHash, randomBytes } from 'node:crypto';

/** The head of a request or a response. */
export interface Head {
  readonly startLine: string;
  /** By the name in lower case, each value as it came. */
  readonly fields: ReadonlyMap<string, readonly string[]>;
  /** As it came. */
  readonly text: string;
  /** Bytes that came after it. */
  readonly rest: Buffer;
}

export interface RequestOptions {
  /** `Host`: with the port, unless that is the default one. */
  readonly host: string;
  /** Path and query. */
  readonly target: string;
  readonly extensions?: string | undefined;
}

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const END_OF_HEAD = '\r\n\r\n';
const KEY_SIZE = 16;
const VERSION = '13';
export const MAX_HEAD_SIZE: number = 64 * 1024;

/** Section 4.1, step 7. */
export function createKey(): string {
  return randomBytes(KEY_SIZE).toString('base64');
}

/** Section 4.2.2, step 5.4. */
export function acceptValueOf(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64');
}

/**
 * @returns the head, or `undefined` as long as its end is missing
 * @throws {Error} where it is no head: too long, or with a line that is no field
 */
export function readHead(bytes: Buffer): Head | undefined {
  const end = bytes.indexOf(END_OF_HEAD);
  if (end === -1 && bytes.length <= MAX_HEAD_SIZE) return undefined;
  if (end === -1 || end > MAX_HEAD_SIZE) throw new Error('The head is too long');
  const text = bytes.toString('latin1', 0, end + END_OF_HEAD.length);
  const [startLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const fields = new Map<string, string[]>();
  for (const line of lines) {
    const [, name] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):/.exec(line) ?? [];
    if (name === undefined) throw new Error(`This is no field: ${JSON.stringify(line)}`);
    const values = fields.get(name.toLowerCase());
    const value = trim(line, name.length + 1);
    if (values === undefined) fields.set(name.toLowerCase(), [value]);
    else values.push(value);
  }
  return { startLine, fields, text, rest: bytes.subarray(end + END_OF_HEAD.length) };
}

/** Without the spaces and tabs around it. By hand, as an expression would look for each end anew. */
function trim(line: string, from: number): string {
  let start = from;
  let end = line.length;
  while (start < end && isBlank(line, start)) start++;
  while (end > start && isBlank(line, end - 1)) end--;
  return line.slice(start, end);
}

function isBlank(line: string, index: number): boolean {
  return line[index] === ' ' || line[index] === '\t';
}

/** Section 4.1. */
export function createRequest(options: RequestOptions, key: string): string {
  const { host, target, extensions } = options;
  return createHead(`GET ${target} HTTP/1.1`, [
    ['Host', host],
    ['User-Agent', 'tautline-conform'],
    ['Upgrade', 'websocket'],
    ['Connection', 'Upgrade'],
    ['Sec-WebSocket-Key', key],
    ['Sec-WebSocket-Version', VERSION],
    ...fieldOf(extensions),
  ]);
}

/** Section 4.2.2. */
export function createResponse(key: string, extensions?: string): string {
  return createHead('HTTP/1.1 101 Switching Protocols', [
    ['Upgrade', 'websocket'],
    ['Connection', 'Upgrade'],
    ['Sec-WebSocket-Accept', acceptValueOf(key)],
    ...fieldOf(extensions),
  ]);
}

/** A response to what cannot be served, with its reason as text. */
export function createRefusal(status: string, reason: string): string {
  const head = createHead(`HTTP/1.1 ${status}`, [
    ['Connection', 'close'],
    ['Content-Type', 'text/plain; charset=utf-8'],
    ['Content-Length', String(Buffer.byteLength(reason))],
  ]);
  return `${head}${reason}`;
}

/**
 * What the server answered to `createRequest` (section 4.1, the list after step 9 of the opening).
 *
 * @returns the value of Sec-WebSocket-Extensions, if there is one
 * @throws {Error} with what is wrong
 */
export function checkResponse(head: Head, key: string, hasOffer: boolean): string | undefined {
  if (!/^HTTP\/1\.1 101(?: |$)/.test(head.startLine)) {
    throw new Error(
      `The answer to the opening handshake is not a 101: ${JSON.stringify(head.startLine)}`,
    );
  }
  demandToken(head, 'upgrade', 'websocket');
  demandToken(head, 'connection', 'upgrade');
  if (onlyValueOf(head, 'sec-websocket-accept') !== acceptValueOf(key)) {
    throw new Error('Sec-WebSocket-Accept does not prove that the key was read');
  }
  if (head.fields.has('sec-websocket-protocol')) {
    throw new Error('The server chose a subprotocol, and none was offered');
  }
  const extensions = head.fields.get('sec-websocket-extensions')?.join(', ');
  if (extensions !== undefined && !hasOffer) {
    throw new Error('The server chose an extension, and none was offered');
  }
  return extensions;
}

/** What a client asks for. */
export interface OpeningRequest {
  readonly target: string;
  readonly key: string;
  readonly extensions: string | undefined;
}

/**
 * Section 4.2.1.
 *
 * @throws {Error} with what is wrong
 */
export function checkRequest(head: Head): OpeningRequest {
  const [, target] = /^GET (\S+) HTTP\/1\.1$/.exec(head.startLine) ?? [];
  if (target === undefined) {
    throw new Error(`This is no GET of HTTP/1.1: ${JSON.stringify(head.startLine)}`);
  }
  onlyValueOf(head, 'host');
  demandToken(head, 'upgrade', 'websocket');
  demandToken(head, 'connection', 'upgrade');
  if (onlyValueOf(head, 'sec-websocket-version') !== VERSION) {
    throw new Error(`The version of WebSocket is not ${VERSION}`);
  }
  const key = onlyValueOf(head, 'sec-websocket-key');
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key)) throw new Error('Sec-WebSocket-Key is not 16 bytes');
  return { target, key, extensions: head.fields.get('sec-websocket-extensions')?.join(', ') };
}

function createHead(startLine: string, fields: readonly (readonly [string, string])[]): string {
  const lines = fields.map(([name, value]) => `${name}: ${value}`);
  return `${[startLine, ...lines].join('\r\n')}${END_OF_HEAD}`;
}

function fieldOf(extensions: string | undefined): [string, string][] {
  return extensions === undefined ? [] : [['Sec-WebSocket-Extensions', extensions]];
}

function demandToken(head: Head, name: string, token: string): void {
  const tokens = (head.fields.get(name) ?? []).join(',').split(',');
  if (!tokens.some((one) => one.trim().toLowerCase() === token)) {
    throw new Error(`The field "${name}" does not say "${token}"`);
  }
}

function onlyValueOf(head: Head, name: string): string {
  const [value, ...others] = head.fields.get(name) ?? [];
  if (value === undefined || others.length > 0) {
    throw new Error(
      `There must be one field "${name}", and there are ${value === undefined ? 0 : 1 + others.length}`,
    );
  }
  return value;
}
