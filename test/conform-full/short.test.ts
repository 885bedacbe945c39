import { describe, expect, it } from 'vitest';
import { judgeClient, judgeServer } from '../support/conform-process.ts';

/** Some of each group, and all that `ws` does not pass strictly but two large ones. */
const CASES =
  '1.1,2,3,4.1,5.11,5.12,6.4,7.1.1,7.1.6,7.9.1,9.3.1,9.4.2,10,12.1.1,12.1.9,13.1.3,13.7.2';

const OFFICIAL = {
  others: {
    'NON-STRICT': ['6.4.1', '6.4.2', '6.4.3', '6.4.4'],
    INFORMATIONAL: ['7.1.6'],
    FAILED: ['9.3.1', '9.4.2'],
  },
  closes: [],
};

describe('the judge, in short,', () => {
  it('says of a server of ws what is official', async () => {
    const command = ['node', 'test/conform-full/ws-server.mjs', '{}'];
    expect(await judgeServer(command, CASES)).toMatchObject(OFFICIAL);
  });

  it('says of a client of ws what is official', async () => {
    const command = ['node', 'test/conform-full/ws-client.mjs', 'URL', '{}'];
    expect(await judgeClient(command, CASES)).toMatchObject(OFFICIAL);
  });
});
