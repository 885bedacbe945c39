// The sections of the report, each of the figures of one benchmark: markdown, and the charts it shows.
import { bars, dots, growth, nameOf } from './charts.mjs';
import { figure, number, table, times } from './markdown.mjs';

const FOLDER = 'performance';
const image = (text, name) => `![${text}](${FOLDER}/${name}.svg)`;
const paragraphs = (...parts) => parts.filter((part) => part !== '').join('\n\n');

/** On what, with what and when; `note` is what has to be known of these figures besides. */
function measuredWith({ machine, versions, date, rounds, generator, note }) {
  const { tautline, ...others } = versions;
  const beside = Object.entries(others).map(([name, version]) => `${name} ${version}`);
  const parts = [
    `Measured on ${date}: ${machine.cpu}, ${machine.cores} processors, ${machine.system}, Node ${machine.node.slice(1)}`,
    `Tautline ${tautline} beside ${beside.join(', ')}`,
    rounds === 1 ? 'one round only, a first look and no verdict' : `medians of ${rounds} rounds`,
    ...(generator === undefined ? [] : [`load generator in ${generator}`]),
  ];
  return `${parts.join('; ')}.${note === undefined ? '' : ` **${note}**`}`;
}

/** Ours first: what it costs, and how it compares. */
function comparison(results) {
  return table(
    ['workload', '>µs', '>user', '>system', '>messages/s', '>× ws', '>× best other', '>load'],
    Object.values(results)
      .filter(({ rows }) => rows.tautline !== undefined)
      .map(({ title, best, rows: { tautline: row } }) => [
        title,
        figure(row.microseconds),
        figure(row.user),
        figure(row.system),
        number(row.perSecond),
        times(row.timesCheaperThanWs),
        best === undefined ? '–' : `${times(row.timesCheaperThanBest) ?? '–'} (${nameOf(best)})`,
        `${number(row.load * 100)} %`,
      ]),
  );
}

const costsOf = (title, ids, rows) => [title, ...ids.map((id) => figure(rows[id]?.microseconds))];

/** What each costs. */
function costs(results) {
  const all = Object.values(results);
  const ids = [...new Set(all.flatMap(({ rows }) => Object.keys(rows)))];
  return table(
    ['µs', ...ids.map((id) => `>${nameOf(id)}`)],
    all.map(({ title, rows }) => costsOf(title, ids, rows)),
  );
}

function dotsOf(results, ids) {
  const rows = Object.values(results).map(({ title, rows: row }) => ({
    title,
    values: Object.fromEntries(ids.map((id) => [id, row[id]?.timesCheaperThanWs])),
  }));
  return dots(
    rows.filter(({ values }) => Object.values(values).some((value) => value !== undefined)),
    ids,
  );
}

function missingOf({ missing = [] }) {
  return missing.length === 0
    ? ''
    : `Could not be installed, and were not measured: ${missing.map(nameOf).join(', ')}.`;
}

/** `the same as strings` says nothing where the row before it is not at hand. */
function withWholeTitles(results) {
  let before = '';
  return Object.fromEntries(
    Object.entries(results).map(([id, result]) => {
      const title = result.title.replace(/^the same/, before);
      if (title === result.title) before = title.replace(/ as bytes$/, '');
      return [id, { ...result, title }];
    }),
  );
}

function servers(figures) {
  const results = withWholeTitles(figures.results);
  return {
    text: paragraphs(
      '## Servers',
      measuredWith(figures),
      missingOf(figures),
      image('Times cheaper than ws, for each workload', 'servers'),
      'What Tautline costs, and how many times cheaper that is than `ws`, and than the cheapest of the others in that ' +
        'row. Below 1 it is dearer. `load` is how much of its own processor the load generator took: where that is all of it, the ' +
        'throughput is that of the load generator; the processor time of the server is not.',
      comparison(results),
      'What all of them cost. `tautline-api` is the same with a route, hooks, limits and a heartbeat; `tautline-public` ' +
        'compresses by the documented functions of Node alone; raw net writes back what it reads, and knows no frame.',
      costs(results),
    ),
    charts: {
      servers: dotsOf(results, ['tautline', 'ws-native', 'uws', 'bun', 'net']),
    },
  };
}

function clients(figures) {
  return {
    text: paragraphs(
      '## Clients',
      measuredWith(figures),
      missingOf(figures),
      image('Times cheaper than ws, for each workload of a client', 'clients'),
      comparison(figures.results),
      costs(figures.results),
    ),
    charts: { clients: dotsOf(figures.results, ['tautline', 'ws-native', 'undici']) },
  };
}

function memory(figures) {
  const { results, connections } = figures;
  const plain = Object.keys(results).filter((kind) => !kind.includes('takeover'));
  const part = (of, base) => (base === undefined ? undefined : number(of / base, 2));
  const baseOf = (kind) => results[kind.includes('takeover') ? 'ws, takeover' : 'ws'];
  return {
    text: paragraphs(
      '## Memory',
      measuredWith(figures),
      `Bytes for one of ${number(connections)} connections that have sent a request as a browser does: idle, and after one ` +
        'echo. Those with `takeover` compress, and have begun to after the echo. Tautline keeps the request and looks ' +
        'after a heartbeat; `ws` does neither.',
      image('Resident memory for a connection', 'memory'),
      table(
        [
          'server',
          '>heap',
          '>resident',
          '>resident after an echo',
          '>heap, of ws',
          '>resident, of ws',
        ],
        Object.entries(results).map(([kind, { idle, after }]) => [
          nameOf(kind),
          number(idle.heap),
          number(idle.resident),
          number(after.resident),
          part(idle.heap, baseOf(kind)?.idle.heap),
          part(idle.resident, baseOf(kind)?.idle.resident),
        ]),
      ),
    ),
    charts: {
      memory: bars(
        plain.map(nameOf),
        [
          { name: 'heap, idle', data: plain.map((kind) => results[kind].idle.heap) },
          { name: 'resident, idle', data: plain.map((kind) => results[kind].idle.resident) },
          {
            name: 'resident, after an echo',
            data: plain.map((kind) => results[kind].after.resident),
          },
        ],
        'bytes for a connection',
      ),
    },
  };
}

function deflate(figures) {
  const { results, connections, messages } = figures;
  const base = results['ws, takeover']?.after.resident;
  return {
    text: paragraphs(
      '## Memory of compression',
      measuredWith(figures),
      `Resident memory for one of ${number(connections)} connections, after ${number(messages)} echoes of 1 KiB of JSON: ` +
        'with full context takeover, without any, and with windows of 1 KiB. `public` is by the documented functions of Node alone. What a process grows by once is ' +
        'shared by all connections: with fewer of them each seems larger.',
      table(
        ['server', '>KiB', '>of ws with takeover'],
        Object.entries(results).map(([kind, { after }]) => [
          kind,
          number(after.resident / 1024),
          base === undefined ? undefined : number(after.resident / base, 2),
        ]),
      ),
    ),
    charts: {},
  };
}

const GROWTHS = {
  connections: { x: 'connections', alt: 'Cost of a message by connections' },
  sizes: { x: 'bytes of a message', alt: 'Cost of a message by its size' },
  fragments: { x: 'fragments of a message', alt: 'Cost of a message by its fragments' },
};

function growthSection(figures) {
  const charts = {};
  const parts = [];
  for (const [id, { title, steps }] of Object.entries(figures.results)) {
    const ids = [...new Set(steps.flatMap(({ rows }) => Object.keys(rows)))];
    const { x, alt } = GROWTHS[id];
    charts[`growth-${id}`] = growth(
      steps.map(({ step }) => step),
      Object.fromEntries(
        ids.map((name) => [name, steps.map(({ rows }) => rows[name]?.microseconds)]),
      ),
      { x, y: 'µs for a message' },
    );
    parts.push(
      image(alt, `growth-${id}`),
      table(
        [title, ...ids.map((name) => `>${nameOf(name)}`)],
        steps.map(({ step, rows }) => costsOf(number(step), ids, rows)),
      ),
    );
  }
  return {
    text: paragraphs(
      '## How it grows',
      measuredWith(figures),
      'Microseconds of the server for a message. Both axes of the charts are logarithmic.',
      ...parts,
    ),
    charts,
  };
}

function fairness(figures) {
  return {
    text: paragraphs(
      '## Beside a peer that floods',
      measuredWith(figures),
      'Milliseconds until a peer has its answer that sends one message at a time, beside others that send messages of ' +
        'one byte without pause.',
      table(
        ['', 'server', '>half of the answers', '>99 of 100', '>the slowest'],
        Object.values(figures.results).flatMap(({ title, rows }) =>
          Object.entries(rows).map(([name, { p50, p99, max }]) => [
            title,
            nameOf(name),
            figure(p50),
            figure(p99),
            figure(max),
          ]),
        ),
      ),
    ),
    charts: {},
  };
}

function micro(figures) {
  return {
    text: paragraphs(
      '## The parts',
      measuredWith(figures),
      'Nanoseconds for one, in one process; `at least` is the worst of the rounds. Both sides hand what they send to a transport ' +
        'that does nothing: on a real socket `ws` calls `write` for each message, which costs microseconds more, and ' +
        'Tautline once for all that it sends in a turn. That is why it copies small payloads where `ws` does not.',
      table(
        ['part', '>Tautline', '>ws', '>× ws', '>at least'],
        figures.results.map(({ name, tautline, ws, ratio, lowest }) => [
          name,
          figure(tautline),
          figure(ws),
          times(ratio),
          times(lowest),
        ]),
      ),
    ),
    charts: {},
  };
}

/** What the figures say against us. */
export function whatIsBad({
  servers: ofServers,
  clients: ofClients,
  memory: ofMemory,
  micro: ofMicro,
}) {
  const lines = [];
  for (const [id, figures] of Object.entries({ servers: ofServers, clients: ofClients })) {
    for (const { title, best, rows } of Object.values(withWholeTitles(figures?.results ?? {}))) {
      const { timesCheaperThanWs: ws, timesCheaperThanBest: other } = rows.tautline ?? {};
      if (ws < 1) lines.push(`${id}, ${title}: dearer than \`ws\` (${times(ws)}).`);
      else if (other < 0.95)
        lines.push(`${id}, ${title}: ${nameOf(best)} is cheaper (${times(other)}).`);
    }
  }
  const { ws, 'tautline, route': ours } = ofMemory?.results ?? {};
  if (ours?.idle.resident > ws?.idle.resident)
    lines.push(
      `An idle connection takes ${number(ours.idle.resident)} bytes, and one of \`ws\` ${number(ws.idle.resident)}.`,
    );
  for (const { name, ratio } of ofMicro?.results ?? []) {
    if (ratio !== null && ratio < 0.95)
      lines.push(`Alone, ${name}: dearer than \`ws\` (${times(ratio)}).`);
  }
  return lines;
}

export const SECTIONS = {
  servers,
  clients,
  memory,
  deflate,
  growth: growthSection,
  fairness,
  micro,
};
