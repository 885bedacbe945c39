import type { Params } from '../../src/server/pattern.ts';
import type { RouteHooks } from '../../src/server/route.ts';

/** Hooks of a route, for tests that look at neither data nor the names of a pattern. */
export type TestHooks = RouteHooks<unknown, Params>;
