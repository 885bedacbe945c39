import { describe, expect, it } from 'vitest';
import { judgeClient, judgeServer } from '../support/conform-process.ts';

/** Up to 16 MiB in a message, and 65,537 fragments. */
const LIMITS = ['--deflate', '--max-payload', '67108864', '--max-fragments', '131072'];
const ALL_WELL = {
  summary: '514 OK, 3 INFORMATIONAL',
  others: { INFORMATIONAL: ['7.1.6', '7.13.1', '7.13.2'] },
  closes: [],
};

describe('tautline', () => {
  it('conforms as a server', async () => {
    const command = ['npm', 'run', '-s', 'echo', '--', '--port', '0', ...LIMITS];
    expect(await judgeServer(command, '*')).toEqual(ALL_WELL);
  });

  it('conforms as a client', async () => {
    const command = ['npm', 'run', '-s', 'autobahn:client', '--', '--url', 'URL', ...LIMITS];
    expect(await judgeClient(command, '*')).toEqual(ALL_WELL);
  });

  it('conforms over TLS', async () => {
    const command = ['npm', 'run', '-s', 'echo', '--', '--port', '0', '--tls', ...LIMITS];
    expect(
      await judgeServer(command, '1,2,3,4,5,6.1,6.2,6.3,6.4,7.1,7.3,9.1.6,9.4.3,10,12.1,13.7'),
    ).toEqual({
      summary: '127 OK, 1 INFORMATIONAL',
      others: { INFORMATIONAL: ['7.1.6'] },
      closes: [],
    });
  });
});
