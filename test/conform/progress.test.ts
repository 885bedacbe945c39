import { describe, expect, it } from 'vitest';
import { describeResult, Progress, summarize } from '../../src/conform/progress.ts';
import { makeResult, TextOutput } from '../support/conform-results.ts';

const FAILED = makeResult({ id: '2.1', behavior: 'FAILED', sentence: 'Nothing came.' });

describe('the progress of a run', () => {
  it('is one line on a terminal, above which the failures stay', () => {
    const output = new TextOutput(true);
    const progress = new Progress(output, { count: 2, failOn: 'failed' });
    progress.add(makeResult({ title: 'long '.repeat(30) }));
    progress.add(FAILED);
    progress.finish();
    const [first, second, third, last] = output.text.split('\r\u{1b}[K').slice(1);
    expect(first).toMatch(/^1 of 2 cases, 0 of them failing: 1\.1\.1 long long /);
    expect(first!.length).toBeLessThan(80);
    expect(second).toBe(`${describeResult(FAILED)}\n`);
    expect(third).toBe('2 of 2 cases, 1 of them failing: 2.1 A test');
    expect(last).toBe('');
  });

  it('is a line now and then elsewhere', () => {
    const output = new TextOutput();
    const progress = new Progress(output, { count: 250, failOn: 'non-strict' });
    progress.add(makeResult({ behavior: 'NON-STRICT' }));
    for (let count = 1; count < 250; count++) progress.add(makeResult({ id: `9.${count}` }));
    progress.finish();
    expect(output.text.split('\n')).toEqual([
      '1.1.1 NON-STRICT: A test. All came.',
      '100 of 250 cases, 1 of them failing',
      '200 of 250 cases, 1 of them failing',
      '',
    ]);
  });
});

describe('the progress of many clients', () => {
  it('counts each of them, and a case that is run again once', () => {
    const output = new TextOutput(true);
    const progress = new Progress(output, { count: 2, failOn: 'failed', hasManyAgents: true });
    progress.add({ ...FAILED, agent: 'a' });
    progress.add({ ...FAILED, agent: '::error::b' });
    progress.add(makeResult({ id: '2.1', agent: 'a' }));
    const lines = output.text.split('\r\u{1b}[K').slice(1);
    expect(lines).toEqual([
      'a: 2.1 FAILED: A test. Nothing came.\n',
      '1 of 2 cases, 1 of them failing: 2.1 A test',
      '"::error::b": 2.1 FAILED: A test. Nothing came.\n',
      '2 of 4 cases, 2 of them failing: 2.1 A test',
      '2 of 4 cases, 1 of them failing: 2.1 A test',
    ]);
  });
});

describe('a result in a line', () => {
  it('says what is wrong', () => {
    expect(describeResult(FAILED)).toBe('2.1 FAILED: A test. Nothing came.');
    expect(describeResult(makeResult({ behaviorClose: 'UNCLEAN' }))).toBe(
      '1.1.1 OK, close UNCLEAN: A test. Well closed.',
    );
  });
});

describe('a result in a line, of a hostile peer,', () => {
  it('stays in its line', () => {
    const sentence = 'It is "404 \u{1b}]0;pwned\u{7}\n::error::injected"';
    expect(describeResult(makeResult({ behavior: 'FAILED', sentence }))).toBe(
      String.raw`1.1.1 FAILED: A test. It is "404 \u001b]0;pwned\u0007\u000a::error::injected"`,
    );
  });
});

describe('a summary', () => {
  it('counts each verdict', () => {
    const results = [makeResult(), FAILED, makeResult(), makeResult({ behavior: 'UNIMPLEMENTED' })];
    expect(summarize(results)).toBe('2 OK, 1 UNIMPLEMENTED, 1 FAILED');
    expect(summarize([])).toBe('');
  });

  it('counts the closes that are wrong', () => {
    const results = [
      makeResult({ behaviorClose: 'FAILED' }),
      makeResult({ behaviorClose: 'UNCLEAN' }),
      makeResult({ behavior: 'FAILED', behaviorClose: 'UNCLEAN' }),
      makeResult({ behavior: 'INFORMATIONAL', behaviorClose: 'INFORMATIONAL' }),
    ];
    expect(summarize(results)).toBe('2 OK, 1 INFORMATIONAL, 1 FAILED; closes: 2 UNCLEAN, 1 FAILED');
  });
});
