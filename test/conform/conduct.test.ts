import { describe, expect, it } from 'vitest';
import { Conduct } from '../../src/conform/conduct.ts';
import { encodeFrames, type Frame, FrameReader } from '../../src/conform/wire.ts';

interface How {
  readonly isServer?: boolean;
  readonly isMasked?: boolean;
  readonly mayCompress?: boolean;
}

/** What is wrong with each of these frames. */
function check(frames: readonly Frame[], how: How = {}): (string | undefined)[] {
  const { isServer = true, isMasked = !isServer, mayCompress = false } = how;
  const conduct = new Conduct({ mustMask: !isServer, mayCompress });
  const reader = new FrameReader();
  reader.push(encodeFrames(frames, isMasked));
  return frames.map(() => conduct.check(reader.next()!));
}

const TEXT = { opcode: 1, payload: Buffer.from('Hello') };
const FIRST = { ...TEXT, fin: false };
const LAST = { opcode: 0 };

function closeOf(code: number, reason: string | Buffer = ''): Frame {
  const payload = Buffer.concat([Buffer.alloc(2), Buffer.from(reason)]);
  payload.writeUInt16BE(code);
  return { opcode: 8, payload };
}

describe('the conduct of a peer', () => {
  it('is good where it does nothing wrong', () => {
    const frames = [TEXT, FIRST, { opcode: 9 }, { ...LAST, fin: false }, { opcode: 10 }, LAST];
    for (const isServer of [true, false]) {
      const breaches = check([...frames, { opcode: 2 }, closeOf(1000, 'bye')], { isServer });
      expect(breaches.filter((breach) => breach !== undefined)).toEqual([]);
    }
  });

  it.each([
    ['5.1', [TEXT], { isServer: true, isMasked: true }],
    ['5.1', [TEXT], { isServer: false, isMasked: false }],
    ['5.2', [{ ...TEXT, rsv: 4 }], {}],
    ['5.2', [{ ...TEXT, rsv: 2 }], { mayCompress: true }],
    ['5.2', [FIRST, { ...LAST, rsv: 4 }], { mayCompress: true }],
    ['5.2', [{ opcode: 9, rsv: 4 }], { mayCompress: true }],
    ['5.2', [{ opcode: 3 }], {}],
    ['5.2', [{ opcode: 11 }], {}],
    ['5.4', [LAST], {}],
    ['5.4', [FIRST, TEXT], {}],
    ['5.5', [{ opcode: 9, fin: false }], {}],
    ['5.5', [{ opcode: 10, payload: Buffer.alloc(126) }], {}],
    ['5.5.1', [{ opcode: 8, payload: Buffer.alloc(1) }], {}],
    ['5.5.1', [closeOf(1000), { opcode: 10 }], {}],
    ['8.1', [closeOf(1000, Buffer.from([0xff]))], {}],
  ] as const)('breaks section %s with %j as %j', (section, frames, how) => {
    const breaches = check(frames, how);
    expect(breaches.slice(0, -1).every((breach) => breach === undefined)).toBe(true);
    expect(breaches.at(-1)).toContain(`(section ${section})`);
  });

  it('may compress the first frame of a message where that was agreed upon', () => {
    const frames = [{ ...FIRST, rsv: 4 }, LAST];
    expect(check(frames, { mayCompress: true })).toEqual([undefined, undefined]);
  });

  it('may not waste bytes on a length', () => {
    const conduct = new Conduct({ mustMask: false, mayCompress: false });
    const reader = new FrameReader();
    reader.push(Buffer.from('827e000178', 'hex'));
    expect(conduct.check(reader.next()!)).toContain('fewest bytes (section 5.2)');
  });

  it.each([1000, 1003, 1007, 1014, 3000, 4999])('may close with %d', (code) => {
    expect(check([closeOf(code)])).toEqual([undefined]);
  });

  it.each([0, 999, 1004, 1005, 1006, 1015, 2999, 5000])('may not close with %d', (code) => {
    expect(check([closeOf(code)])[0]).toContain('section 7.4');
  });

  it('may close with a code that the case leaves to it', () => {
    const conduct = new Conduct({ mustMask: false, mayCompress: false });
    conduct.allowCodes([5000]);
    const reader = new FrameReader();
    reader.push(encodeFrames([closeOf(5000)], false));
    expect(conduct.check(reader.next()!)).toBeUndefined();
  });

  it('may close without a payload', () => {
    expect(check([{ opcode: 8 }])).toEqual([undefined]);
  });
});
