// The servers that stand side by side: how each is started, and what has to be installed for it.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const pathOf = (name) => fileURLToPath(new URL(name, import.meta.url));
const PEERS = pathOf('../peers/');
/** Those of the bench, and what the tests need anyway. */
const FOLDERS = [join(PEERS, 'node_modules'), pathOf('../../node_modules')];
const bin = (name) => join(PEERS, 'node_modules', '.bin', name);
const program = (name) => pathOf(`../servers/${name}.mjs`);
const PLAIN = { WS_NO_BUFFER_UTIL: '1', WS_NO_UTF_8_VALIDATE: '1' };

const ANYWHERE = new Set(['ws', 'undici']);
/** Ours, and the floor: not what we stand beside. */
const NOT_PEERS = new Set(['tautline', 'tautline-api', 'tautline-public', 'net']);

/**
 * @typedef {object} Server
 * @property {string[]} command
 * @property {string[]} needs - packages
 * @property {Record<string, string>} [env]
 */

/** @returns {Record<string, Server>} */
export function serversOf(nodePath) {
  const node = (name, needs, env = {}) => ({ command: [nodePath, program(name)], needs, env });
  return {
    tautline: node('tautline', []),
    'tautline-api': node('tautline-api', []),
    // Compression by the documented functions of Node alone.
    'tautline-public': node('tautline', [], { TAUTLINE_KEEP_CONTEXTS: 'no' }),
    ws: node('ws', ['ws'], PLAIN),
    'ws-native': node('ws', ['ws', 'bufferutil', 'utf-8-validate']),
    uws: node('uws', ['uws-pack']),
    bun: { command: [bin('bun'), program('bun')], needs: ['bun'] },
    deno: { command: [bin('deno'), 'run', '--allow-net', program('deno')], needs: ['deno'] },
    'faye-websocket': node('faye', ['faye-websocket']),
    websocket: node('websocket', ['websocket']),
    net: node('net', []),
  };
}

export function isInstalled({ needs }) {
  return needs.every((needed) =>
    (ANYWHERE.has(needed) ? FOLDERS : FOLDERS.slice(0, 1)).some((folder) =>
      existsSync(join(folder, needed)),
    ),
  );
}

/**
 * Into a folder of their own, so that only who runs this has them: all, where one is missing.
 *
 * @param {{ needs: string[] }[]} wanted
 */
export function installPeers(wanted) {
  if (wanted.every(isInstalled)) return;
  console.log('installing the peers …');
  const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  spawnSync('npm', ['install', ...quiet], { cwd: PEERS, stdio: 'inherit' });
}

/** The versions of what is installed. */
export function versionsOf(servers) {
  const versions = {};
  for (const needed of new Set(servers.flatMap(({ needs }) => needs))) {
    const folder = FOLDERS.find((one) => existsSync(join(one, needed, 'package.json')));
    if (folder === undefined) continue;
    versions[needed] = JSON.parse(
      readFileSync(join(folder, needed, 'package.json'), 'utf8'),
    ).version;
  }
  return versions;
}

export function isPeer(name) {
  return !NOT_PEERS.has(name);
}
