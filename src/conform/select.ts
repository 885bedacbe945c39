/**
 * Which of the cases are run: patterns such as `6.*` and `9.1.*`, separated by commas. A star stands
 * for any signs, as in the Autobahn test suite; `6.4` stands for `6.4.*` as well.
 *
 * @module
 */

/**
 * @param patterns which ones are run
 * @param exclude which of those are not
 * @returns in the order that they had
 * @throws {RangeError} for a pattern that no case has, which would otherwise look like a success
 */
export function selectCases<Case extends { readonly id: string }>(
  cases: readonly Case[],
  patterns: string,
  exclude: string = '',
): Case[] {
  const wanted = createTest(cases, patterns);
  const unwanted = createTest(cases, exclude);
  const selected = cases.filter(({ id }) => wanted(id) && !unwanted(id));
  if (selected.length === 0) throw new RangeError('There is no case left to be run');
  return selected;
}

function createTest(
  cases: readonly { readonly id: string }[],
  patterns: string,
): (id: string) => boolean {
  const expressions = patterns
    .split(',')
    .map((pattern) => pattern.trim())
    .filter((pattern) => pattern !== '')
    .map((pattern) => {
      const expression = createExpression(pattern);
      if (!cases.some(({ id }) => expression.test(id))) {
        throw new RangeError(`There is no case "${pattern}"`);
      }
      return expression;
    });
  return (id) => expressions.some((expression) => expression.test(id));
}

/** @throws {RangeError} for what is no pattern */
function createExpression(pattern: string): RegExp {
  if (!/^[0-9.*]+$/.test(pattern)) throw new RangeError(`This is no pattern: "${pattern}"`);
  const source = pattern.replaceAll('.', String.raw`\.`).replaceAll('*', '.*');
  const isGroup = !pattern.includes('*');
  return new RegExp(String.raw`^${source}${isGroup ? String.raw`(?:\..*)?` : ''}$`);
}
