import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest';

const commands = vi.hoisted(() => ({ conform: vi.fn() }));
vi.mock(import('../../src/cli/conform.ts'), async (original) => ({
  ...(await original()),
  ...commands,
}));

const { argv, exitCode } = process;
let out: MockInstance;
let err: MockInstance;

beforeEach(() => {
  // The module runs once for each import.
  vi.resetModules();
  out = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  err = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});

afterEach(() => {
  process.argv = argv;
  process.exitCode = exitCode;
  vi.restoreAllMocks();
  vi.clearAllMocks();
});

async function run(...args: string[]): Promise<unknown> {
  process.argv = [process.execPath, 'tautline.js', ...args];
  await import('../../src/cli/tautline.ts');
  const code = process.exitCode;
  process.exitCode = exitCode;
  return code;
}

describe('tautline', () => {
  it('runs the command conform, with what follows it', async () => {
    commands.conform.mockResolvedValueOnce(1);
    expect(await run('conform', '--listen', '9001')).toBe(1);
    const { stdout, stderr } = process;
    expect(commands.conform).toHaveBeenCalledWith(
      ['--listen', '9001'],
      expect.objectContaining({ stdout, stderr }),
    );
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'is interrupted by %s, and ended by a second one',
    async (name) => {
      const before = process.listenerCount(name);
      commands.conform.mockImplementationOnce((_args, { signal }: { signal: AbortSignal }) => {
        expect(signal.aborted).toBe(false);
        process.emit(name);
        expect(process.listenerCount(name)).toBe(before);
        return Promise.resolve(signal.aborted ? 1 : 0);
      });
      expect(await run('conform')).toBe(1);
      expect(process.listenerCount(name)).toBe(before);
    },
  );

  it.each(['--help', '-h'])('says what commands there are: %s', async (flag) => {
    expect(await run(flag)).toBe(0);
    expect(out).toHaveBeenCalledWith(expect.stringContaining('tautline conform'));
    expect(err).not.toHaveBeenCalled();
  });

  it.each([[[]], [['nonsense']]])('refuses %j', async (args) => {
    expect(await run(...args)).toBe(2);
    expect(err).toHaveBeenCalledWith(expect.stringContaining('tautline conform'));
    expect(commands.conform).not.toHaveBeenCalled();
  });
});
