// Which files of test/ are the tests of a file of src/.
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** `connection.ts` may have its tests in `connection.test.ts` and `connection-closing.test.ts`. */
export function testsOf(source) {
  const folder = join('test', dirname(source));
  const name = basename(source, '.ts');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file === `${name}.test.ts` || isPartOf(file, source))
    .map((file) => join(folder, file));
}

function isPartOf(file, source) {
  if (!file.startsWith(`${basename(source, '.ts')}-`) || !file.endsWith('.test.ts')) return false;
  // Unless there is a source of that name: then the tests are its own.
  return !existsSync(join('src', dirname(source), file.replace(/\.test\.ts$/, '.ts')));
}
