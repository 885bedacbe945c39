import { describe, expect, it } from 'vitest';
import { renderIndex } from '../../src/conform/report-json.ts';
import { DEFAULT_SETTINGS } from '../../src/conform/settings.ts';
import { makeResult } from '../support/conform-results.ts';

describe('the index', () => {
  it('has the format of the official one', () => {
    const agents = new Map([
      ['echo', [makeResult(), makeResult({ id: '2.1', behaviorClose: 'WRONG CODE' })]],
      ['other', [makeResult({ agent: 'other', ending: undefined })]],
    ]);
    const created = new Date();
    const index = renderIndex({ tested: 'server', agents, settings: DEFAULT_SETTINGS, created });
    expect(JSON.parse(index)).toEqual({
      echo: {
        '1.1.1': {
          behavior: 'OK',
          behaviorClose: 'OK',
          duration: 7,
          remoteCloseCode: 1000,
          reportfile: 'index.html#echo-1.1.1',
        },
        '2.1': {
          behavior: 'OK',
          behaviorClose: 'WRONG CODE',
          duration: 7,
          remoteCloseCode: 1000,
          reportfile: 'index.html#echo-2.1',
        },
      },
      other: {
        '1.1.1': {
          behavior: 'OK',
          behaviorClose: 'OK',
          duration: 7,
          remoteCloseCode: null,
          reportfile: 'index.html#other-1.1.1',
        },
      },
    });
    expect(index.endsWith('}\n')).toBe(true);
  });

  it('has every agent, whatever its name is', () => {
    const agents = new Map([['__proto__', [makeResult({ agent: '__proto__' })]]]);
    const created = new Date();
    const index = renderIndex({ tested: 'client', agents, settings: DEFAULT_SETTINGS, created });
    expect(index).toContain('"__proto__": {\n    "1.1.1": {\n      "behavior": "OK"');
  });
});
