import { type ChildProcess, type ExecFileException, execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

const EXPECTED: unknown = JSON.parse(readFileSync('autobahn/expected.json', 'utf8'));

interface Outcome {
  readonly code: unknown;
  readonly output: string;
}

/** Not those of a real run. */
let reports: string;
beforeAll(() => {
  reports = mkdtempSync(join(tmpdir(), 'autobahn-'));
});
afterAll(() => {
  rmSync(reports, { recursive: true });
});

/** Runs the script with a suite that reports this. */
function run(
  role: string,
  environment: Readonly<Record<string, string>>,
  onStart: (child: ChildProcess) => void = () => {},
): Promise<Outcome> {
  const env = {
    ...process.env,
    WSTEST: 'test/support/fake-wstest.mjs',
    AUTOBAHN_REPORTS: reports,
    ...environment,
  };
  return new Promise((resolve) => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string): void => {
      resolve({ code: error?.code ?? error?.signal ?? 0, output: stdout + stderr });
    };
    onStart(execFile('node', ['autobahn/run.mjs', role], { env }, done));
  });
}

/** A report in which every case is as expected, with changes. */
function report(changes: Readonly<Record<string, object | undefined>> = {}): string {
  if (typeof EXPECTED !== 'object' || EXPECTED === null || !('server' in EXPECTED))
    throw new Error();
  const verdicts = Object.entries(EXPECTED.server ?? {}).map(([id, behavior]) => [
    id,
    { behavior, behaviorClose: 'OK' },
  ]);
  return JSON.stringify({ tautline: { ...Object.fromEntries(verdicts), ...changes } });
}

describe('npm run autobahn', () => {
  it('expects 517 verdicts for each role, of which 3 are informational', () => {
    for (const role of ['server', 'client']) {
      const verdicts = Object.entries(Object(Reflect.get(Object(EXPECTED), role)));
      expect(verdicts).toHaveLength(517);
      const others = verdicts.filter(([, verdict]) => verdict !== 'OK');
      expect(Object.fromEntries(others)).toEqual({
        '7.1.6': 'INFORMATIONAL',
        '7.13.1': 'INFORMATIONAL',
        '7.13.2': 'INFORMATIONAL',
      });
    }
  });

  it.each(['server', 'client'])('is content where all is as expected of the %s', async (role) => {
    const outcome = await run(role, { FAKE_REPORT: report() });
    expect(outcome).toMatchObject({ code: 0 });
    expect(outcome.output).toContain(`${role}: 517 cases, 0 not as expected`);
    // Nothing is left but the reports of the roles.
    expect(['server', 'client']).toEqual(expect.arrayContaining(readdirSync(reports)));
  });

  it('does not take a stranger for the server that it has started', async () => {
    const stranger = createServer((socket) => socket.resume()).listen(9001, '127.0.0.1');
    onTestFinished(() => void stranger.close());
    // It may be there already.
    await new Promise<void>((resolve) => {
      stranger.once('listening', resolve).once('error', () => resolve());
    });
    const outcome = await run('server', { FAKE_REPORT: report() });
    expect(outcome).toMatchObject({ code: 0 });
    const [, port] = /listening on ws:\/\/127\.0\.0\.1:(\d+)/.exec(outcome.output) ?? [];
    expect(Number(port)).not.toBe(9001);
  });

  it.each([
    ['6.4.1', { behavior: 'NON-STRICT', behaviorClose: 'OK' }, '6.4.1: NON-STRICT'],
    ['1.1.1', { behavior: 'OK', behaviorClose: 'UNCLEAN' }, '1.1.1: OK, closing UNCLEAN'],
    ['9.9.9', { behavior: 'OK', behaviorClose: 'OK' }, '9.9.9: OK, closing OK, not undefined'],
    ['13.7.18', undefined, '13.7.18: MISSING'],
  ])('fails where %s is %j', async (id, verdict, line) => {
    const outcome = await run('server', { FAKE_REPORT: report({ [id]: verdict }) });
    expect(outcome.code).toBe(1);
    expect(outcome.output).toContain(line);
  });

  it('kills a suite that does not end when its time is over', async () => {
    const limits = { AUTOBAHN_TIMEOUT: '2000', AUTOBAHN_GRACE: '500', FAKE_STUBBORN: '1' };
    const { code, output } = await run('server', limits);
    expect(code).toBe(1);
    expect(output).toContain('no end within the time limit');
  });

  it('ends by a signal, with the suite, and fails', async () => {
    const environment = { AUTOBAHN_GRACE: '500', FAKE_STUBBORN: '1' };
    const { code, output } = await run('server', environment, (child) => {
      child.stdout?.on('data', (text: string) => {
        if (text.includes('the fake suite is there')) child.kill('SIGTERM');
      });
    });
    expect(code).toBe(1);
    expect(output).toContain('ended by SIGTERM');
  });

  it('fails where the suite never ends, and where it does not exist', async () => {
    const hanging = await run('server', { AUTOBAHN_TIMEOUT: '2000' });
    expect(hanging.code).toBe(1);
    expect(hanging.output).toContain('no end within the time limit');
    const missing = await run('client', { WSTEST: 'test/support/no-such-file' });
    expect(missing.code).toBe(1);
    expect(missing.output).toContain('it ended before it listened');
  });
});
