// Holds src/ to its floors: a file imports from its own folder or from a floor below, never from a
// neighbour or from above; only the shells touch the network; nothing imports a package; and no
// files form a circle. CONTRIBUTING.md draws the house. Run: node scripts/check-imports.mjs [FOLDER]
import { readFileSync, readdirSync } from 'node:fs';
import { join, posix } from 'node:path';

const ANY = '*';

// A folder or a file of src/, what it may import besides itself, and which node: modules.
const HOUSE = new Map([
  ['errors.ts', { may: [], node: [] }],
  ['frame', { may: ['errors.ts'], node: ['buffer', 'crypto'] }],
  ['extension', { may: ['errors.ts', 'frame'], node: ['async_hooks', 'buffer', 'zlib'] }],
  ['handshake', { may: ['errors.ts', 'extension'], node: ['crypto'] }],
  [
    'connection',
    {
      may: ['errors.ts', 'frame', 'extension'],
      node: ['events', 'stream', 'string_decoder', 'worker_threads'],
    },
  ],
  ['hub', { may: ['errors.ts', 'frame', 'connection'], node: ['events'] }],
  ['client', { may: ['errors.ts', 'frame', 'extension', 'handshake', 'connection'], node: ANY }],
  [
    'server',
    { may: ['errors.ts', 'frame', 'extension', 'handshake', 'connection', 'hub'], node: ANY },
  ],
  [
    'protocol.ts',
    { may: ['errors.ts', 'frame', 'extension', 'handshake', 'connection'], node: [] },
  ],
  [
    'index.ts',
    {
      may: [
        'errors.ts',
        'frame',
        'extension',
        'handshake',
        'connection',
        'hub',
        'client',
        'server',
      ],
      node: [],
    },
  ],
  ['cli', { may: ['index.ts', 'conform'], node: ANY }],
  // An independent judge: a fault of the codec must not be able to hide in it.
  ['conform', { may: [], node: ANY }],
]);
// Randomness is asked for in one place of frame/.
const ONLY_IN = new Map([['frame node:crypto', 'frame/masking-key.ts']]);

const IMPORT =
  /\b(?:import|export)\s(?:[^'"`;]*?\bfrom\s*)?['"]([^'"]+)['"]|\bimport\s*\(\s*['"]([^'"]+)['"]\s*\)|\brequire\s*\(\s*['"]([^'"]+)['"]/g;
/** Ways around an import that can be read. */
const HIDDEN = /\bimport\s*\(\s*[^'"\s]|\bgetBuiltinModule\b|\bcreateRequire\b/;

const root = process.argv[2] ?? 'src';
const problems = [];
/** file -> the files of src/ that it imports */
const graph = new Map();

function checkInside(from, room, specifier) {
  const to = posix.normalize(posix.join(posix.dirname(from), specifier));
  graph.get(from).push(to);
  const [toRoom] = to.split('/');
  if (toRoom !== room && !HOUSE.get(room).may.includes(toRoom)) {
    problems.push(`${from} may not import ${to}`);
  }
}

function checkOutside(from, room, specifier) {
  const { node } = HOUSE.get(room);
  if (!specifier.startsWith('node:')) {
    problems.push(`${from} imports a package: ${specifier}`);
  } else if (node !== ANY && !node.includes(specifier.slice('node:'.length))) {
    problems.push(`${from} may not import ${specifier}`);
  }
  const only = ONLY_IN.get(`${room} ${specifier}`);
  if (only !== undefined && only !== from) problems.push(`${specifier} belongs in ${only}`);
}

function withoutComments(source) {
  return source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
}

for (const entry of readdirSync(root, { recursive: true }).toSorted()) {
  const file = entry.replaceAll('\\', '/');
  if (!file.endsWith('.ts')) continue;
  const [room] = file.split('/');
  graph.set(file, []);
  if (!HOUSE.has(room)) {
    problems.push(`${file} stands in no room of the house`);
    continue;
  }
  const source = withoutComments(readFileSync(join(root, file), 'utf8'));
  if (HIDDEN.test(source)) problems.push(`${file} may not import what cannot be read here`);
  for (const [, from, dynamic, required] of source.matchAll(IMPORT)) {
    const specifier = from ?? dynamic ?? required;
    if (specifier.startsWith('.')) checkInside(file, room, specifier);
    else checkOutside(file, room, specifier);
  }
}

const done = new Set();
function findCircle(file, path) {
  if (path.includes(file)) {
    problems.push(`circle: ${[...path.slice(path.indexOf(file)), file].join(' -> ')}`);
    return;
  }
  if (done.has(file)) return;
  for (const next of graph.get(file) ?? []) findCircle(next, [...path, file]);
  done.add(file);
}
for (const file of graph.keys()) findCircle(file, []);

for (const problem of problems) console.error(problem);
console.log(`imports: ${graph.size} files, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;
