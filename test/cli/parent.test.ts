import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { watchParent } from '../../src/cli/parent.ts';

beforeEach(() => void vi.useFakeTimers());

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

function changeParent(pid: number): void {
  vi.spyOn(process, 'ppid', 'get').mockReturnValue(pid);
}

describe('a process that npm has started', () => {
  it('is told once that its parent is gone', () => {
    vi.stubEnv('npm_lifecycle_event', 'start');
    const onGone = vi.fn<() => void>();
    changeParent(100);
    watchParent(onGone);
    vi.advanceTimersByTime(5_000);
    expect(onGone).not.toHaveBeenCalled();
    changeParent(1);
    vi.advanceTimersByTime(5_000);
    expect(onGone).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('another process', () => {
  it('may outlive its parent', () => {
    vi.stubEnv('npm_lifecycle_event', undefined);
    const onGone = vi.fn<() => void>();
    watchParent(onGone);
    expect(vi.getTimerCount()).toBe(0);
  });
});
