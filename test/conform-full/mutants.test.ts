import { describe, expect, it } from 'vitest';
import { CASES } from '../../src/conform/cases/all.ts';
import { isFailure } from '../../src/conform/fail-on.ts';
import { testServer } from '../../src/conform/fuzz-client.ts';
import { selectCases } from '../../src/conform/select.ts';
import { FLAWS, type Flaw } from '../support/conform-echo.ts';
import { startEchoServer } from '../support/conform-servers.ts';

/** All but the large ones, of which a few are enough. */
const cases = selectCases(CASES, '1,2,3,4,5,6,7,9.1.1,9.2.2,9.3.8,9.5.6,9.7.2,10');

/** The ids of the cases that object, over TCP. */
async function objectionsTo(flaw?: Flaw): Promise<string[]> {
  const { url } = await startEchoServer(flaw === undefined ? {} : { flaw });
  const settings = { second: flaw === undefined ? 1000 : 20, messages: 1 };
  const results = await testServer({ url, agent: 'echo', cases, settings });
  return results.filter((result) => isFailure(result, 'failed')).map(({ id }) => id);
}

describe('the judge, over TCP', () => {
  it('has no objection to a server that has no flaw', async () => {
    expect(await objectionsTo()).toEqual([]);
  });

  it.each(FLAWS)('objects to a server that %s', async (flaw) => {
    expect(await objectionsTo(flaw)).not.toEqual([]);
  });
});
