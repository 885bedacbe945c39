// What the programs of the servers have in common: which kind of server they are asked for, and how
// they say that they listen.

/** @typedef {'echo' | 'strings' | 'broadcast' | 'publish' | 'http' | 'takeover' | 'none'} Kind */

const isDeno = 'Deno' in globalThis;

/** @returns {Kind} */
export function kind() {
  return isDeno ? Deno.args[0] : process.argv[2];
}

/** Says where the server listens, and as which process. */
export function ready(port) {
  console.log(JSON.stringify({ port, pid: isDeno ? Deno.pid : process.pid }));
}

export function refuse() {
  console.log(JSON.stringify({ refused: `no server of the kind ${kind()}` }));
}
