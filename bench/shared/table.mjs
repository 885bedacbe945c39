// A comparison as it is shown on the screen.

/** @param {{ best?: string, rows: Record<string, object> }} compared */
export function showComparison({ best, rows }) {
  const table = Object.entries(rows).map(([name, row]) => [
    name,
    {
      µs: row.microseconds,
      user: row.user,
      system: row.system,
      '1/s': row.perSecond,
      '× ws': row.timesCheaperThanWs ?? '–',
      [`× ${best ?? 'best'}`]: row.timesCheaperThanBest ?? '–',
      load: row.load,
    },
  ]);
  console.table(Object.fromEntries(table));
}
