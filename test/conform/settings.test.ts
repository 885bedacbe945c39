import { describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS, OFFICIAL_MESSAGES, WAIT } from '../../src/conform/settings.ts';

describe('the settings', () => {
  it('are a tenth of the official messages, and seconds that are seconds', () => {
    expect(DEFAULT_SETTINGS).toEqual({ second: 1000, messages: OFFICIAL_MESSAGES / 10 });
  });

  it('wait for nothing less long than the official suite', () => {
    for (const seconds of Object.values(WAIT)) expect(seconds).toBeGreaterThan(1);
  });
});
