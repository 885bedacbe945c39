// Makes the report of the figures in bench/results/: the part between the marks of docs/performance.md,
// its charts in docs/performance/, and the short table of the README. What the marks do not enclose
// is written by hand.
//
//   npm run bench -- report
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { figure, replacePart, table, times } from './report/markdown.mjs';
import { SECTIONS, whatIsBad } from './report/sections.mjs';

const pathOf = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const { values: flags } = parseArgs({
  options: {
    results: { type: 'string', default: pathOf('bench/results') },
    // Another folder takes copies, and nothing else is changed.
    out: { type: 'string', default: '' },
  },
});

/** The rows of the README. */
const SHORT = {
  servers: [
    'pipelined-32',
    'pipelined-1k',
    'ping-pong-32',
    '1m',
    'broadcast-16',
    'open',
    'deflate-takeover',
  ],
  clients: ['client-echo', 'client-send-32', 'client-receive-32'],
};

const figures = {};
for (const name of Object.keys(SECTIONS)) {
  const file = join(flags.results, `${name}.json`);
  if (existsSync(file)) figures[name] = JSON.parse(readFileSync(file, 'utf8'));
}
const sections = Object.keys(figures).map((name) => SECTIONS[name](figures[name]));
const bad = whatIsBad(figures);
const badSection =
  bad.length === 0 ? [] : [`## What is bad\n\n${bad.map((line) => `- ${line}`).join('\n')}`];
const report = [...badSection, ...sections.map(({ text }) => text)].join('\n\n');

function shortTable() {
  const rows = Object.entries(SHORT).flatMap(([name, ids]) =>
    ids
      .map((id) => figures[name]?.results[id])
      .filter((result) => result?.rows.tautline !== undefined)
      .map(({ title, rows: { tautline, ws } }) => [
        `${name.slice(0, -1)}: ${title}`,
        figure(tautline.microseconds),
        figure(ws?.microseconds),
        times(tautline.timesCheaperThanWs),
      ]),
  );
  const heads = ['µs of processor time for a message', '>Tautline', '>`ws`', '>times cheaper'];
  const notes = Object.keys(SHORT).map((name) => figures[name]?.note);
  const said = [...new Set(notes.filter((note) => note !== undefined))];
  return [table(heads, rows), ...said].join('\n\n');
}

const elsewhere = flags.out !== '';
const folder = elsewhere ? flags.out : pathOf('docs');
mkdirSync(join(folder, 'performance'), { recursive: true });
for (const [name, svg] of sections.flatMap(({ charts }) => Object.entries(charts)))
  writeFileSync(join(folder, 'performance', `${name}.svg`), svg);
const write = (from, to, name, part) =>
  writeFileSync(to, replacePart(readFileSync(from, 'utf8'), name, part));
const document = join(folder, 'performance.md');
write(pathOf('docs/performance.md'), document, 'figures', report);
const readme = elsewhere ? join(folder, 'README.md') : pathOf('README.md');
write(pathOf('README.md'), readme, 'speed', shortTable());
if (!elsewhere) spawnSync('npx', ['oxfmt', document, readme], { stdio: 'inherit' });
console.log(`the report: ${document}`);
