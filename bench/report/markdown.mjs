// Markdown, as far as the report needs it.

/**
 * @param {string[]} heads - those that begin with `>` are of numbers, and stand to the right
 * @param {(string | number | undefined)[][]} rows
 */
export function table(heads, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [
    line(heads.map((head) => head.replace(/^>/, ''))),
    line(heads.map((head) => (head.startsWith('>') ? '---:' : '---'))),
    ...rows.map((row) => line(row.map((cell) => cell ?? '–'))),
  ].join('\n');
}

/** What stands between the marks of a name is replaced. */
export function replacePart(text, name, part) {
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from === -1 || to < from) throw new Error(`the marks of ${name} are missing`);
  return `${text.slice(0, from + begin.length)}\n\n${part}\n\n${text.slice(to)}`;
}

export function number(value, digits = 0) {
  return value.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** With three digits that say something. */
export function figure(value) {
  if (value === undefined || value === null) return undefined;
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
  return number(value, digits);
}

export function times(value) {
  return value === undefined || value === null
    ? undefined
    : `${number(value, value < 10 ? 2 : 1)}×`;
}
