import { vi } from 'vitest';

/** Work on bytes that a piece of code has done, whatever the clock says. */
export interface ByteWork {
  /** Bytes of all buffers that were made. */
  readonly allocated: number;
  /** Bytes that were copied from one buffer into another. */
  readonly copied: number;
  /** Bytes that were looked through for another. */
  readonly searched: number;
  /** Characters that were read out of buffers. */
  readonly decoded: number;
}

/** Counts what `run` does through the methods of `Buffer`. */
export function measureByteWork(run: () => void): ByteWork {
  const makers = [
    vi.spyOn(Buffer, 'alloc'),
    vi.spyOn(Buffer, 'allocUnsafe'),
    vi.spyOn(Buffer, 'allocUnsafeSlow'),
    vi.spyOn(Buffer, 'concat'),
    vi.spyOn(Buffer, 'from'),
  ];
  const copy = vi.spyOn(Buffer.prototype, 'copy');
  const indexOf = vi.spyOn(Buffer.prototype, 'indexOf');
  const decode = vi.spyOn(Buffer.prototype, 'toString');
  try {
    run();
    let allocated = 0;
    for (const { mock } of makers) {
      for (const { value } of mock.results) allocated += sizeOf(value);
    }
    let searched = 0;
    indexOf.mock.results.forEach(({ value }, i) => {
      const from = Number(indexOf.mock.calls[i]![1] ?? 0);
      const end = value === -1 ? sizeOf(indexOf.mock.contexts[i]) : Number(value) + 1;
      searched += end - from;
    });
    const copied = sum(copy.mock.results.map(({ value }) => Number(value)));
    const decoded = sum(decode.mock.results.map(({ value }) => String(value).length));
    return { allocated, copied, searched, decoded };
  } finally {
    for (const spy of [...makers, copy, indexOf, decode]) spy.mockRestore();
  }
}

function sizeOf(value: unknown): number {
  return value instanceof Uint8Array ? value.length : 0;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
