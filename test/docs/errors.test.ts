import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { VIOLATION } from '../../src/frame/violation.ts';
import { REFUSAL } from '../../src/handshake/refusal.ts';

/** The rows of the table under a heading of docs/errors.md, cell by cell. */
function rowsUnder(heading: string): string[][] {
  const [, section = ''] = readFileSync('docs/errors.md', 'utf8').split(`\n## ${heading}\n`);
  const [text = ''] = section.split('\n## ');
  return text
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
}

function rowsOf(table: Readonly<Record<string, readonly [number, string, string]>>): string[][] {
  return Object.entries(table).map(([name, [number, source, sentence]]) => [
    `\`WS_ERR_${name}\``,
    String(number),
    source,
    sentence,
  ]);
}

describe('docs/errors.md', () => {
  it('lists the rows of violation.ts, no more and no fewer', () => {
    expect(rowsUnder('ProtocolError')).toEqual(rowsOf(VIOLATION));
  });

  it('lists the rows of refusal.ts, no more and no fewer', () => {
    expect(rowsUnder('HandshakeError')).toEqual(rowsOf(REFUSAL));
  });
});
