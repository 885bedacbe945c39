// What the gate says.

/**
 * @param {string} id - of a workload
 * @param {number} multiple - of the floor, as it was measured
 * @param {number} normal - as it was when it was last written down
 * @param {number} margin - how many times the normal is still fine
 */
export function verdictOf(id, multiple, normal, margin) {
  const most = Number((normal * margin).toFixed(2));
  const passes = multiple <= most;
  const compared = `${id} costs ${multiple} times a raw net echo; normal is ${normal}`;
  return {
    passes,
    text: passes
      ? `${compared}, and up to ${most} is fine.`
      : `${compared}, and more than ${most} is a regression.`,
  };
}
