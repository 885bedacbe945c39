import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CONNECT_OPTION_NAMES } from '../../src/client/connect.ts';
import { DUPLEX_OPTION_NAMES } from '../../src/connection/duplex.ts';
import { DEFAULT_DEFLATE, USUAL_WINDOW_BITS } from '../../src/extension/deflate-options.ts';
import { RATE_LIMIT_OPTION_NAMES } from '../../src/connection/rate-limit.ts';
import { DEFAULT_LIMITS } from '../../src/connection/limits.ts';
import { DEFAULT_QUEUE_LIMITS, SOCKET_OPTION_NAMES } from '../../src/connection/socket-options.ts';
import { WAIT_OPTION_NAMES } from '../../src/connection/socket.ts';
import { DEFAULT_HEAD_LIMITS } from '../../src/handshake/http1.ts';
import { LISTEN_OPTION_NAMES } from '../../src/server/listener.ts';
import { DEFAULT_SERVER_LIMITS, SERVER_OPTION_NAMES } from '../../src/server/options.ts';
import { BROADCAST_OPTION_NAMES, PUBLISH_OPTION_NAMES } from '../../src/server/server.ts';
import { SHUTDOWN_OPTION_NAMES, resolveShutdown } from '../../src/server/shutdown.ts';

const DEFAULTS = {
  ...DEFAULT_LIMITS,
  ...DEFAULT_HEAD_LIMITS,
  ...DEFAULT_QUEUE_LIMITS,
  ...DEFAULT_SERVER_LIMITS,
};

const UNITS = new Map([
  ['KiB', 1024],
  ['MiB', 1024 * 1024],
  ['s', 1000],
]);

/** `16 KiB`, `1 MiB`, `10 s`, `10,000` as a number; anything else as it stands. */
function readDefault(cell: string): number | string {
  const match = /^([\d,]+)(?: (KiB|MiB|s))?$/.exec(cell);
  if (match === null) return cell.replaceAll(/[`']/g, '');
  return Number(match[1]?.replaceAll(',', '')) * (UNITS.get(match[2] ?? '') ?? 1);
}

/** Heading → option → default, of the tables of docs/options.md. */
const tables = new Map(
  readFileSync('docs/options.md', 'utf8')
    .split('\n## ')
    .slice(1)
    .map((section) => [
      section.slice(0, section.indexOf('\n')).replaceAll('`', ''),
      new Map(
        [...section.matchAll(/^\| `(\w+)` *\| ([^|]+?) *\|/gm)].map(([, name = '', value = '']) => [
          name,
          readDefault(value),
        ]),
      ),
    ]),
);

describe('docs/options.md', () => {
  const ofSockets = new Set(SOCKET_OPTION_NAMES);
  const without = (names: ReadonlySet<string>): string[] =>
    [...names].filter((name) => !ofSockets.has(name));

  it.each([
    ['Of every socket', [...ofSockets]],
    ['Of a server', without(SERVER_OPTION_NAMES)],
    ['Of connect', without(CONNECT_OPTION_NAMES)],
    ['Of server.listen', [...LISTEN_OPTION_NAMES]],
    ['Of server.shutdown', [...SHUTDOWN_OPTION_NAMES]],
    [
      'Of server.broadcast and server.publish',
      [...new Set([...BROADCAST_OPTION_NAMES, ...PUBLISH_OPTION_NAMES])],
    ],
    ['Of rateLimit', [...RATE_LIMIT_OPTION_NAMES]],
    ['Of deflate', Object.keys(DEFAULT_DEFLATE)],
    ['Of socket.duplex', [...DUPLEX_OPTION_NAMES]],
    ['Of what can be waited for', [...WAIT_OPTION_NAMES]],
  ])('lists under "%s" all options that there are, and no others', (heading, names) => {
    const documented = [...(tables.get(heading)?.keys() ?? [])];
    expect(documented.toSorted()).toEqual(names.toSorted());
  });

  it.each(Object.entries(DEFAULTS))('gives %s the default %s', (name, value) => {
    const given = [...tables]
      .filter(([heading]) => heading !== 'Of socket.duplex')
      .flatMap(([, options]) => options.get(name) ?? []);
    expect(given.length).toBeGreaterThan(0);
    expect(new Set(given)).toEqual(new Set([value]));
  });

  it('gives deflate the defaults that it has', () => {
    const given = [...(tables.get('Of deflate') ?? [])].map(([name, value]) => [
      name,
      value === 'true' ? true : value,
    ]);
    const expected = { ...DEFAULT_DEFLATE, windowBits: USUAL_WINDOW_BITS };
    expect(Object.fromEntries(given)).toEqual(expected);
  });

  it('gives shutdown the defaults that it has', () => {
    const { signal: _, reason, ...defaults } = resolveShutdown({});
    expect(reason).toBe('');
    expect(Object.fromEntries(tables.get('Of server.shutdown') ?? [])).toMatchObject(defaults);
  });
});

describe('README.md', () => {
  const readme = readFileSync('README.md', 'utf8');
  const section = readme.slice(readme.indexOf('## Options'), readme.indexOf('## Coming from ws'));

  it.each(Object.entries(DEFAULTS).filter(([name]) => name !== 'backpressurePolicy'))(
    'tells that %s is %s',
    (name, value) => {
      const [, given = ''] =
        new RegExp(`\`${name}\` ([\\d,]+(?: (?:KiB|MiB|s\\b))?)`).exec(section) ?? [];
      expect(readDefault(given)).toBe(value);
    },
  );
});
