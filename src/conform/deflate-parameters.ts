/**
 * RFC 7692, section 7.1, and RFC 6455, section 9.1: the text of Sec-WebSocket-Extensions, and what it
 * says of permessage-deflate. Strict: what the grammar or the table of parameters does not allow is
 * thrown. Knows neither what the judge wants nor any zlib.
 *
 * @module
 */

/** One element of the list. */
export interface NamedExtension {
  readonly name: string;
  /** In order; `undefined` where there is no value. */
  readonly parameters: readonly (readonly [name: string, value: string | undefined])[];
}

/** Sections 7.1.1 and 7.1.2. */
export interface DeflateParameters {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverMaxWindowBits: number | undefined;
  /** `true`: an offer says that it may be set, and no value. */
  readonly clientMaxWindowBits: number | true | undefined;
}

export const DEFLATE_NAME = 'permessage-deflate';

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const NAME = new RegExp(`[ \\t]*(${TOKEN})`, 'y');
const PARAMETER = new RegExp(
  `[ \\t]*;[ \\t]*(${TOKEN})(?:[ \\t]*=[ \\t]*(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)"))?`,
  'y',
);
/** The end of an element. A list may have empty ones (RFC 9110, section 5.6.1). */
const END = /[ \t]*(?:,[ \t,]*|$)/y;
const EMPTY_ELEMENTS = /[ \t,]*/y;
const WHOLE_TOKEN = new RegExp(`^${TOKEN}$`);

/** Without a leading zero, a sign or anything else (section 7.1.2). */
const WINDOW_BITS = /^(?:8|9|1[0-5])$/;

/** @throws {Error} where the text is no list of extensions */
export function readExtensions(text: string): NamedExtension[] {
  const extensions: NamedExtension[] = [];
  let at = 0;
  /** Takes what the pattern finds exactly here. */
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found !== null) at = pattern.lastIndex;
    return found ?? undefined;
  };
  take(EMPTY_ELEMENTS);
  while (at < text.length) {
    const name = take(NAME)?.[1];
    const parameters: [string, string | undefined][] = [];
    let found = name === undefined ? undefined : take(PARAMETER);
    while (found !== undefined) {
      parameters.push([found[1]!, found[2] ?? unquote(found[3])]);
      found = take(PARAMETER);
    }
    if (name === undefined || take(END) === undefined) {
      throw new Error('Sec-WebSocket-Extensions is no list of extensions (RFC 6455, section 9.1)');
    }
    extensions.push({ name, parameters });
  }
  return extensions;
}

/** "The value after quoted-string unescaping MUST conform to the 'token' ABNF." */
function unquote(quoted: string | undefined): string | undefined {
  const value = quoted?.replaceAll(/\\(.)/g, '$1');
  if (value !== undefined && !WHOLE_TOKEN.test(value)) {
    throw new Error('The value of a parameter is no token (RFC 6455, section 9.1)');
  }
  return value;
}

/**
 * @param kind of which the parameters are
 * @throws {Error} for a parameter that is unknown, comes twice or has a value that it may not have
 */
export function readParameters(
  { parameters }: NamedExtension,
  kind: 'offer' | 'answer',
): DeflateParameters {
  const seen = new Set<string>();
  let serverNoContextTakeover = false;
  let clientNoContextTakeover = false;
  let serverMaxWindowBits: number | undefined;
  let clientMaxWindowBits: number | true | undefined;
  for (const [name, value] of parameters) {
    if (seen.has(name)) throw new Error(`"${name}" stands twice (RFC 7692, section 7.1)`);
    seen.add(name);
    switch (name) {
      case 'server_no_context_takeover':
        serverNoContextTakeover = readFlag(name, value);
        break;
      case 'client_no_context_takeover':
        clientNoContextTakeover = readFlag(name, value);
        break;
      case 'server_max_window_bits':
        serverMaxWindowBits = readWindowBits(name, value);
        break;
      case 'client_max_window_bits':
        clientMaxWindowBits =
          kind === 'offer' && value === undefined ? true : readWindowBits(name, value);
        break;
      default:
        throw new Error(`"${name}" is no parameter of ${DEFLATE_NAME} (RFC 7692, section 7.1)`);
    }
  }
  return {
    serverNoContextTakeover,
    clientNoContextTakeover,
    serverMaxWindowBits,
    clientMaxWindowBits,
  };
}

function readFlag(name: string, value: string | undefined): true {
  if (value !== undefined) throw new Error(`"${name}" has a value (RFC 7692, section 7.1.1)`);
  return true;
}

function readWindowBits(name: string, value: string | undefined): number {
  if (value === undefined || !WINDOW_BITS.test(value)) {
    throw new Error(
      `"${name}" must be a number from 8 to 15, and is ${value ?? 'nothing'} (RFC 7692, section 7.1.2)`,
    );
  }
  return Number(value);
}

/** The text of an offer or an answer. */
export function writeParameters(parameters: DeflateParameters): string {
  const { serverMaxWindowBits, clientMaxWindowBits } = parameters;
  const parts = [DEFLATE_NAME];
  if (parameters.serverNoContextTakeover) parts.push('server_no_context_takeover');
  if (parameters.clientNoContextTakeover) parts.push('client_no_context_takeover');
  if (serverMaxWindowBits !== undefined)
    parts.push(`server_max_window_bits=${serverMaxWindowBits}`);
  if (clientMaxWindowBits === true) parts.push('client_max_window_bits');
  else if (clientMaxWindowBits !== undefined) {
    parts.push(`client_max_window_bits=${clientMaxWindowBits}`);
  }
  return parts.join('; ');
}
