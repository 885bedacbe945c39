// Networks of their own for crowds, on Linux, for whoever may make them: a crowd whose link is cut has
// truly vanished, for no FIN and no RST of it comes through. They last as long as the processes in them,
// and these as long as the conductor: so nothing is left behind, however that ends.
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** RFC 2544: addresses for tests. */
const NETWORK = '198.18';
const MASK = 16;
const BRIDGE = 'crowds';

const UNSHARE = ['unshare', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
/** As who may do so on this machine, or as who may do so in a world of users of its own. */
const WAYS = [UNSHARE, [...UNSHARE, '--user', '--map-root-user']];

const TRIAL = [
  'ip link set lo up',
  `ip link add ${BRIDGE} type bridge`,
  `ip addr add ${NETWORK}.0.1/${MASK} dev ${BRIDGE}`,
  'ip link add one type veth peer name two',
  'nsenter --version',
  'unshare --net true',
].join(' && ');

/** What must stand before a command that makes networks; null where nothing helps. */
export function findWay() {
  if (process.platform !== 'linux') return null;
  return (
    WAYS.find(([file, ...flags]) => spawnSync(file, [...flags, 'sh', '-c', TRIAL]).status === 0) ??
    null
  );
}

/** Stands before the command of a crowd that has a network of its own. */
export const APART = ['unshare', '--net'];

const ip = (...words) => run('ip', words);
const ipOf = (pid, ...words) => run('nsenter', ['--target', `${pid}`, '--net', 'ip', ...words]);

/** The network of the server, into which the crowds' lead. Made in the process's own network. */
export class Network {
  /** Where the server is, for a crowd. */
  address = `${NETWORK}.0.1`;

  static async create() {
    await ip('link', 'set', 'lo', 'up');
    await ip('link', 'add', BRIDGE, 'type', 'bridge');
    await ip('addr', 'add', `${NETWORK}.0.1/${MASK}`, 'dev', BRIDGE);
    await ip('link', 'set', BRIDGE, 'up');
    return new Network();
  }

  /** Joins the network of a process, which has been started {@link APART}. */
  async join(crowd, pid) {
    const link = `crowd${crowd}`;
    const address = `${NETWORK}.${1 + (crowd >> 8)}.${crowd & 255}/${MASK}`;
    await ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${pid}`);
    await ip('link', 'set', link, 'master', BRIDGE, 'up');
    await ipOf(pid, 'link', 'set', 'lo', 'up');
    await ipOf(pid, 'addr', 'add', address, 'dev', 'eth0');
    await ipOf(pid, 'link', 'set', 'eth0', 'up');
  }

  /** Nothing comes through any more, from neither side. */
  cut(crowd) {
    return ip('link', 'set', `crowd${crowd}`, 'down');
  }

  mend(crowd) {
    return ip('link', 'set', `crowd${crowd}`, 'up');
  }
}
