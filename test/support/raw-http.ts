/** Opening handshakes written and read by hand, without the code under test. */
import { createHash } from 'node:crypto';

/** The example of RFC 6455, section 1.3. */
export const SAMPLE_KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
export const SAMPLE_ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

/** Sec-WebSocket-Accept as section 4.2.2 defines it. */
export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** By name: another value, several fields, or null for none. */
export type FieldChanges = Readonly<Record<string, string | readonly string[] | null>>;

function writeHead(startLine: string, fields: FieldChanges): string {
  const lines = Object.entries(fields).flatMap(([name, value]) => {
    const values = value === null ? [] : typeof value === 'string' ? [value] : value;
    return values.map((one) => `${name}: ${one}`);
  });
  return [startLine, ...lines, '', ''].join('\r\n');
}

/** A request that every server must accept, with what the test changes about it. */
export function rawRequest(changes: FieldChanges = {}, line: string = 'GET / HTTP/1.1'): string {
  return writeHead(line, {
    Host: 'localhost',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': SAMPLE_KEY,
    'Sec-WebSocket-Version': '13',
    ...changes,
  });
}

/** The answer that every client must take to a request with `key`, with the test's changes. */
export function rawResponse(
  key: string,
  changes: FieldChanges = {},
  line: string = 'HTTP/1.1 101 Switching Protocols',
): string {
  return writeHead(line, {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Accept': acceptOf(key),
    ...changes,
  });
}

/** The head of a message, read by nothing but splitting at line ends and colons. */
export class RawHead {
  readonly startLine: string;
  /** Names in lower case. */
  readonly fields: readonly (readonly [name: string, value: string])[];

  /** @param text - up to the empty line, or beyond it */
  constructor(text: string) {
    const [startLine = '', ...lines] = text.split('\r\n\r\n')[0]!.split('\r\n');
    this.startLine = startLine;
    this.fields = lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
  }

  /** Of a response: the number in its first line. */
  get status(): number {
    return Number(this.startLine.split(' ')[1]);
  }

  /** The values of all fields of that name, which is in lower case. */
  getAll(name: string): string[] {
    return this.fields.filter(([other]) => other === name).map(([, value]) => value);
  }
}
