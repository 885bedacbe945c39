import { describe, expect, it } from 'vitest';
import { judgeClient, judgeServer, type Outcome } from '../support/conform-process.ts';

/** How `ws` is set up, and what the Autobahn test suite says of it then. */
const OFFICIAL: readonly (readonly [name: string, options: object, outcome: object])[] = [
  [
    'as it is',
    {},
    {
      summary: '506 OK, 4 NON-STRICT, 3 INFORMATIONAL, 4 FAILED; closes: 4 FAILED',
      others: {
        'NON-STRICT': ['6.4.1', '6.4.2', '6.4.3', '6.4.4'],
        INFORMATIONAL: ['7.1.6', '7.13.1', '7.13.2'],
        FAILED: ['9.3.1', '9.3.2', '9.4.1', '9.4.2'],
      },
      closes: [],
    },
  ],
  [
    'without limits',
    { maxFragments: 0, maxBufferedChunks: 0 },
    {
      summary: '510 OK, 4 NON-STRICT, 3 INFORMATIONAL',
      others: {
        'NON-STRICT': ['6.4.1', '6.4.2', '6.4.3', '6.4.4'],
        INFORMATIONAL: ['7.1.6', '7.13.1', '7.13.2'],
      },
      closes: [],
    },
  ],
];

/** It then takes any bytes for text. */
const CARELESS = {
  skipUTF8Validation: true,
  perMessageDeflate: false,
  maxFragments: 0,
  maxBufferedChunks: 0,
};

function expectObjections({ summary, others }: Outcome): void {
  expect(summary).toBe(
    '222 OK, 3 INFORMATIONAL, 216 UNIMPLEMENTED, 76 FAILED; closes: 1 WRONG CODE, 75 FAILED',
  );
  const { FAILED = [] } = others;
  expect(FAILED.filter((id) => id.startsWith('6.'))).toHaveLength(75);
  expect(FAILED).toContain('7.5.1');
}

const CASES = '*';

describe('the judge', () => {
  it.each(OFFICIAL)(
    'says of a server of ws, %s, what is official',
    async (_name, options, outcome) => {
      const command = ['node', 'test/conform-full/ws-server.mjs', JSON.stringify(options)];
      expect(await judgeServer(command, CASES)).toEqual(outcome);
    },
  );

  it.each(OFFICIAL)(
    'says of a client of ws, %s, what is official',
    async (_name, options, outcome) => {
      const command = ['node', 'test/conform-full/ws-client.mjs', 'URL', JSON.stringify(options)];
      expect(await judgeClient(command, CASES)).toEqual(outcome);
    },
  );

  it('objects to a server that does not look at text', async () => {
    const command = ['node', 'test/conform-full/ws-server.mjs', JSON.stringify(CARELESS)];
    expectObjections(await judgeServer(command, CASES));
  });

  it('objects to a client that does not look at text', async () => {
    const command = ['node', 'test/conform-full/ws-client.mjs', 'URL', JSON.stringify(CARELESS)];
    expectObjections(await judgeClient(command, CASES));
  });
});
