import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/connection/limits.ts';
import { DEFAULT_QUEUE_LIMITS } from '../../src/connection/socket-options.ts';
import { DEFAULT_HEAD_LIMITS } from '../../src/handshake/http1.ts';
import { DEFAULT_SERVER_LIMITS } from '../../src/server/options.ts';

const readme = readFileSync('README.md', 'utf8');

/** `16 KiB`, `1 MiB`, `10,000` as a number; anything else as it stands. */
function readDefault(cell: string): number | string {
  const match = /^([\d,]+)(?: (KiB|MiB))?$/.exec(cell);
  if (match === null) return cell.replaceAll(/[`']/g, '');
  const unit = { KiB: 1024, MiB: 1024 * 1024 }[match[2] ?? ''] ?? 1;
  return Number(match[1]?.replaceAll(',', '')) * unit;
}

const documented = new Map(
  [...readme.matchAll(/^\| `(\w+)`[^|]*\| ([^|]+?) *\|/gm)].map(([, name, value]) => [
    name,
    readDefault(value ?? ''),
  ]),
);

describe('README.md', () => {
  it('shows examples exactly as they are run', () => {
    const shown = [...readme.matchAll(/<!-- (\S+) -->\n\n```js\n([\s\S]*?)```/g)];
    expect(shown.length).toBeGreaterThan(0);
    for (const [, file = '', code] of shown) expect(code).toBe(readFileSync(file, 'utf8'));
  });

  it.each(
    Object.entries({
      ...DEFAULT_LIMITS,
      ...DEFAULT_HEAD_LIMITS,
      ...DEFAULT_QUEUE_LIMITS,
      ...DEFAULT_SERVER_LIMITS,
    }),
  )('gives %s the default %s', (name, value) => {
    expect(documented.get(name)).toBe(value);
  });

  it('links to files that exist', () => {
    const targets = [...readme.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target]) => target);
    expect(targets.length).toBeGreaterThan(5);
    expect(targets.filter((target) => !existsSync(target ?? ''))).toEqual([]);
  });
});
