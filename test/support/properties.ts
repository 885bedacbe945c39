import * as fc from 'fast-check';

// Where a run must be the same for the same source, as in CI. Elsewhere each run tries new values,
// and prints the seed when one fails.
const { PROPERTY_SEED, MUTATION_TESTS } = process.env;

fc.configureGlobal({
  // By default arrays have ten elements at the most, whatever `maxLength` says: too few for a wire.
  baseSize: 'medium',
  ...(PROPERTY_SEED !== undefined && { seed: Number(PROPERTY_SEED) }),
  // A mutant that is found out need not be shown in its smallest form.
  ...(MUTATION_TESTS !== undefined && { endOnFailure: true }),
});
