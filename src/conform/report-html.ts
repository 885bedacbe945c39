/**
 * The verdicts as a page that needs nothing else: a table of them all, and each case with what was
 * done, what should have come, what came, and what went over the wire.
 *
 * @module
 */

import type { Behavior, CloseBehavior } from './case.ts';
import { Html, html, shorten } from './html.ts';
import type { Ending } from './peer.ts';
import { renderLog } from './report-log.ts';
import { STYLE } from './report-style.ts';
import { anchorOf, type Report } from './report.ts';
import type { CaseResult } from './result.ts';
import { OFFICIAL_MESSAGES } from './settings.ts';

/** What the first number of an id stands for. */
const GROUPS: ReadonlyMap<string, string> = new Map([
  ['1', 'Messages of one frame'],
  ['2', 'Pings and Pongs'],
  ['3', 'Reserved bits'],
  ['4', 'Reserved opcodes'],
  ['5', 'Fragments'],
  ['6', 'UTF-8'],
  ['7', 'The closing handshake'],
  ['9', 'Sizes and speed'],
  ['10', 'Many fragments'],
  ['12', 'Compression of different contents'],
  ['13', 'Compression as it is negotiated'],
]);

/** The worst at the end. */
const BEHAVIORS = ['OK', 'INFORMATIONAL', 'NON-STRICT', 'UNIMPLEMENTED', 'FAILED'] as const;

const CLASSES: Readonly<Record<Behavior | CloseBehavior, string>> = {
  OK: 'good',
  INFORMATIONAL: 'told',
  'NON-STRICT': 'fair',
  UNIMPLEMENTED: 'none',
  'WRONG CODE': 'fair',
  UNCLEAN: 'fair',
  'FAILED BY CLIENT': 'fair',
  FAILED: 'bad',
};

const MAX_SENTENCE = 1000;
const MAX_LINE = 300;

export function renderHtml(report: Report): string {
  const { agents, created, settings, tested } = report;
  const groups = [...new Set([...agents.values()].flat().map(({ id }) => groupOf(id)))];
  const title = `Conformance of ${[...agents.keys()].join(', ') || 'nobody'}`;
  const official =
    settings.messages === OFFICIAL_MESSAGES
      ? 'the official number'
      : `officially ${OFFICIAL_MESSAGES}`;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'unsafe-inline'"
        />
        <title>${title}</title>
        <style>
          ${new Html(STYLE)}
        </style>
      </head>
      <body>
        <h1>${title}</h1>
        <p>
          The cases of the Autobahn test suite, as tautline conform runs them against a ${tested}.
          ${created.toISOString()}. Each case of 12.* and 13.* sent ${settings.messages} messages
          (${official}).
        </p>
        ${renderSummary(groups, agents)}
        ${[...agents].map(([agent, results]) => renderAgent(agent, results))}
      </body>
    </html> `.text;
}

function groupOf(id: string): string {
  return id.slice(0, id.indexOf('.'));
}

function nameOf(group: string): string {
  return GROUPS.get(group) ?? '';
}

function renderSummary(groups: readonly string[], agents: Report['agents']): Html {
  const columns = [...agents];
  const names = columns.map(([agent]) => html`<th>${agent}</th>`);
  const rows = groups.map((group) => {
    const cells = columns.map(([agent, results]) => {
      const ofGroup = results.filter(({ id }) => groupOf(id) === group);
      return html`<td><a href="#${anchorOf(agent, group)}">${renderCounts(ofGroup)}</a></td>`;
    });
    return html`<tr>
      <th>${group} ${nameOf(group)}</th>
      ${cells}
    </tr> `;
  });
  const sums = columns.map(([, results]) => html`<td>${renderCounts(results)}</td>`);
  return html`<div class="wide">
    <table>
      <thead>
        <tr>
          <th></th>
          ${names}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
      <tfoot>
        <tr>
          <th>all</th>
          ${sums}
        </tr>
      </tfoot>
    </table>
  </div>`;
}

function renderCounts(results: readonly CaseResult[]): Html {
  const badges = BEHAVIORS.flatMap((behavior) => {
    const count = results.filter((result) => result.behavior === behavior).length;
    return count === 0 ? [] : html`${renderBadge(behavior, `${count} ${behavior}`)} `;
  });
  // The way in which a connection ended is said of those only in which it was not right.
  const ends = results.filter(({ behaviorClose }) => CLASSES[behaviorClose] !== 'good');
  const strange = ends.filter(({ behaviorClose }) => behaviorClose !== 'INFORMATIONAL').length;
  if (strange > 0) badges.push(html`${renderBadge('UNCLEAN', `${strange} closed wrongly`)} `);
  return html`${badges}`;
}

function renderBadge(verdict: Behavior | CloseBehavior, text: string = verdict): Html {
  return html`<span class="badge ${CLASSES[verdict]}">${text}</span>`;
}

function renderAgent(agent: string, results: readonly CaseResult[]): Html {
  const groups = [...new Set(results.map(({ id }) => groupOf(id)))];
  const parts = groups.map((group) => {
    const cases = results.filter(({ id }) => groupOf(id) === group).map(renderCase);
    return html`<h3 id="${anchorOf(agent, group)}">${group} ${nameOf(group)}</h3>
      ${cases}`;
  });
  return html`<h2>${agent}</h2>
    ${parts}`;
}

function renderCase(result: CaseResult): Html {
  const { id, agent, title, behavior, behaviorClose, duration, expected, received, log } = result;
  const isGood = CLASSES[behavior] === 'good' && CLASSES[behaviorClose] === 'good';
  return html`<details id="${anchorOf(agent, id)}">
    <summary>
      <span class="id">${id}</span> <span>${title}</span> ${renderBadge(behavior)}
      ${renderBadge(behaviorClose, `close ${behaviorClose}`)}
      <span class="time quiet">${duration} ms</span>
    </summary>
    <dl>
      <dt>Expected</dt>
      <dd>${renderExpected(expected)}</dd>
      <dt>Received</dt>
      <dd>${renderReceived(expected, received)}</dd>
      <dt>Verdict</dt>
      <dd>${renderBadge(behavior)} ${shorten(result.sentence, MAX_SENTENCE)}</dd>
      <dt>Closing</dt>
      <dd>
        ${renderBadge(behaviorClose)} ${shorten(result.closeSentence, MAX_SENTENCE)}
        ${renderEnding(result.ending)}
      </dd>
    </dl>
    ${renderLog(log, isGood)}
  </details> `;
}

function renderExpected(expected: CaseResult['expected']): Html {
  if (expected.size === 0) return html`the case decides by itself: see its verdict`;
  const parts = [...expected].map(
    ([behavior, lines]) => html`<div>${behavior}: ${renderLines(lines)}</div>`,
  );
  return html`${parts}`;
}

/** Where a case decides itself, it takes what comes, and leaves only what it objects to. */
function renderReceived(expected: CaseResult['expected'], received: readonly string[]): Html {
  const isTaken = expected.size === 0 && received.length === 0;
  return isTaken ? html`see the verdict` : renderLines(received);
}

function renderLines(lines: readonly string[]): Html {
  if (lines.length === 0) return html`nothing`;
  return html`<ul>
    ${lines.map((line) => html`<li>${shorten(line, MAX_LINE)}</li>`)}
  </ul>`;
}

function renderEnding(ending: Ending | undefined): Html {
  if (ending === undefined) return html``;
  const { isByJudge, judgeCode, hasPeerClosed, peerCode, peerReason = '', wasClean } = ending;
  const parts = [
    `first: the ${isByJudge ? 'judge' : 'peer'}`,
    `code of the judge: ${judgeCode ?? 'none'}`,
    hasPeerClosed ? `code of the peer: ${peerCode ?? 'none'}` : 'no Close frame of the peer',
    ...(peerReason === '' ? [] : [`reason: "${peerReason}"`]),
    wasClean ? 'clean' : 'not clean',
  ];
  return html`<span class="quiet">(${parts.join('; ')})</span>`;
}
