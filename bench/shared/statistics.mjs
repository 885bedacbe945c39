// The few figures that samples become.

export function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** The value below which so much of the samples lies: `share` is from 0 to 1. */
export function quantile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

export function round(value, digits = 0) {
  return Number(value.toFixed(digits));
}
