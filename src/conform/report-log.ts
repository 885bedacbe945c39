/**
 * What went over the wire, as a table: each frame by its bytes, by the fields of its header and by its
 * meaning. Of many frames the first and the last are shown, of a long payload the beginning.
 *
 * @module
 */

import { Html, html, shorten } from './html.ts';
import type { WireEntry, WireLog } from './wire-log.ts';

/** Of a case that is as it should be, less is shown than of one that somebody must look into. */
const MAX_ROWS = { good: 24, other: 80 } as const;
const MAX_PAYLOAD = 32;
const MAX_MEANING = 300;
const MAX_HANDSHAKE = 4000;

/** The fields of RFC 6455, section 5.2, of a header in hexadecimal digits. */
function readHeader(header: string): {
  readonly fin: number;
  readonly rsv: string;
  readonly opcode: string;
  readonly key: string;
} {
  const [first = 0, second = 0] = Buffer.from(header, 'hex');
  return {
    fin: first >> 7,
    rsv: ((first >> 4) & 0b111).toString(2).padStart(3, '0'),
    opcode: (first & 0xf).toString(16).toUpperCase(),
    key: (second & 0x80) === 0 ? 'no' : header.slice(-8),
  };
}

/** Bytes apart from each other. */
function spread(hex: string, bytes: number): string {
  return (hex.slice(0, 2 * bytes).match(/../g) ?? []).join(' ');
}

function renderEntry(entry: WireEntry): Html {
  const { time, from, header, payload, payloadLength } = entry;
  const meaning = shorten(entry.meaning, MAX_MEANING);
  if (from === 'note') {
    return html`<tr class="note">
      <td>${time}</td>
      <td></td>
      <td colspan="7"></td>
      <td>${meaning}</td>
    </tr> `;
  }
  const { fin, rsv, opcode, key } = readHeader(header);
  const isCut = payloadLength > MAX_PAYLOAD;
  return html`<tr class="${from}">
    <td>${time}</td>
    <td>${from}</td>
    <td class="hex">${spread(header, header.length)}</td>
    <td>${fin}</td>
    <td>${rsv}</td>
    <td>${opcode}</td>
    <td>${key}</td>
    <td>${payloadLength}</td>
    <td class="hex">${spread(payload, MAX_PAYLOAD)}${isCut ? ' …' : ''}</td>
    <td class="meaning">${meaning}</td>
  </tr> `;
}

function renderGap(missing: number): Html {
  return html`<tr class="note">
    <td>…</td>
    <td></td>
    <td colspan="7"></td>
    <td>${missing} more, not shown</td>
  </tr> `;
}

/** @param isGood whether the case is as it should be */
export function renderLog(log: WireLog, isGood: boolean): Html {
  const { entries, firstCount, leftOut, handshake } = log;
  const rows = isGood ? MAX_ROWS.good : MAX_ROWS.other;
  // Two thirds from the beginning, one from the end; what the log itself left out lies between.
  const head = Math.min(firstCount, Math.ceil((rows * 2) / 3));
  const tail = Math.min(entries.length - head, rows - head);
  const missing = entries.length - head - tail + leftOut;
  const shown = [
    ...entries.slice(0, head).map(renderEntry),
    ...(missing > 0 ? [renderGap(missing)] : []),
    ...entries.slice(entries.length - tail).map(renderEntry),
  ];
  const heads = handshake.map(
    (text) => html`<pre>${shorten(text.replaceAll('\r\n', '\n').trimEnd(), MAX_HANDSHAKE)}</pre> `,
  );
  const frames =
    shown.length === 0
      ? html``
      : html`<div class="wide">
          <table class="log">
            <thead>
              <tr>
                <th>ms</th>
                <th>from</th>
                <th>header</th>
                <th>FIN</th>
                <th>RSV</th>
                <th>opcode</th>
                <th>mask</th>
                <th>length</th>
                <th>payload</th>
                <th>meaning</th>
              </tr>
            </thead>
            <tbody>
              ${shown}
            </tbody>
          </table>
        </div> `;
  return html`${heads}${frames}`;
}
