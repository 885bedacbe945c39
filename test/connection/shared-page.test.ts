import { describe, expect, it } from 'vitest';
import { SharedPage, pageWithRoom } from '../../src/connection/shared-page.ts';

const SIZE = 65_536;
const MOST = SIZE / 4;

describe('a shared page', () => {
  it('has 64 KiB of its own, which a garbage collector can give back alone', () => {
    const page = new SharedPage();
    expect(page.bytes.length).toBe(SIZE);
    expect(page.bytes.buffer.byteLength).toBe(SIZE);
    expect(page.end).toBe(0);
  });

  it('gives one view to all who ask for the same bytes', () => {
    const page = new SharedPage();
    page.bytes.write('abcdef');
    const view = page.view(1, 4);
    expect(view.toString()).toBe('bcd');
    expect(page.view(1, 4)).toBe(view);
    expect(page.view(1, 5).toString()).toBe('bcde');
    expect(page.view(2, 6).toString()).toBe('cdef');
    expect(page.view(1, 4)).not.toBe(view);
    expect(view.toString()).toBe('bcd');
  });

  it('is never written to again, whoever is done with it', () => {
    const page = new SharedPage();
    page.claim();
    page.end = 10;
    page.settle();
    expect(page.end).toBe(10);
  });
});

describe('the page with room', () => {
  it('is the same as long as there is room, and then another one', () => {
    const first = pageWithRoom(MOST)!;
    const left = SIZE - first.end;
    first.end += left - 100;
    expect(pageWithRoom(100)).toBe(first);
    first.end += 100;
    const next = pageWithRoom(1)!;
    expect(next).not.toBe(first);
    expect(next.end).toBe(0);
    expect(pageWithRoom(MOST)).toBe(next);
  });

  it('is none for a frame of more than a quarter of a page', () => {
    expect(pageWithRoom(MOST)).toBeInstanceOf(SharedPage);
    expect(pageWithRoom(MOST + 1)).toBe(null);
  });
});
