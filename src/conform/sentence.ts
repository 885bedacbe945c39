/**
 * What was thrown, as a sentence for a report.
 *
 * @module
 */

export function sentenceOf(error: unknown): string {
  // Of a host that has several addresses, and listens at none: its own message is empty.
  if (error instanceof AggregateError) return error.errors.map(sentenceOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}
