import { describe, expect, it } from 'vitest';
import { FrameDecoder, type FrameSink } from '../../src/frame/decoder.ts';
import { type RawFrame, hex, peerFrame } from '../support/bytes.ts';

/** Tells the call for what is whole from the two for a frame in its parts. */
class NamingSink implements FrameSink {
  readonly calls: string[] = [];

  onWhole(opcode: number, source: Buffer, start: number, end: number, ascii: boolean): void {
    this.calls.push(
      `whole ${opcode} ${source.toString('latin1', start, end)}${ascii ? ' ascii' : ''}`,
    );
  }

  onHead(opcode: number, fin: boolean, rsv1: boolean, length: number): void {
    this.calls.push(`head ${opcode} ${fin} ${rsv1} ${length}`);
  }

  onPayload(source: Buffer, start: number, end: number, remaining: number): void {
    this.calls.push(`payload ${source.toString('latin1', start, end)} ${remaining}`);
  }
}

const ROLES = ['client', 'server'] as const;

function callsFor(role: (typeof ROLES)[number], ...chunks: Buffer[]): string[] {
  const sink = new NamingSink();
  const decoder = new FrameDecoder(sink, role === 'server', true);
  for (const chunk of chunks) expect(decoder.push(Buffer.from(chunk))).toBe(chunk.length);
  return sink.calls;
}

describe.each(ROLES)('at a %s', (role) => {
  /** Nobody looks where nothing is unmasked. */
  const ascii = role === 'server' ? ' ascii' : '';

  it.each([6, 7, 124, 125, 126, 127, 128, 300, 65_534, 65_535])(
    'a message of %i bytes that is whole comes in one call, the last one of its chunk too',
    (size) => {
      for (const opcode of [1, 2]) {
        const payload = 'x'.repeat(size);
        const wire = peerFrame(role, { opcode, payload });
        const call = `whole ${opcode} ${payload}${ascii}`;
        expect(callsFor(role, wire)).toEqual([call]);
        expect(callsFor(role, Buffer.concat([wire, wire]))).toEqual([call, call]);
      }
    },
  );

  it('one of 65,536 bytes comes in its parts', () => {
    const payload = 'x'.repeat(65_536);
    expect(callsFor(role, peerFrame(role, { payload }))).toEqual([
      'head 1 true false 65536',
      `payload ${payload} 0`,
    ]);
  });

  it('a short one comes in one call where 8 bytes are there, those of the next frame included', () => {
    const headerSize = role === 'server' ? 6 : 2;
    const long = peerFrame(role, { opcode: 2, payload: 'y'.repeat(20) });
    for (let size = 0; size <= 7; size++) {
      const payload = 'x'.repeat(size);
      const wire = peerFrame(role, { payload });
      const whole = [`whole 1 ${payload}${ascii}`];
      const parts = [`head 1 true false ${size}`, `payload ${payload} 0`];
      const calls = headerSize + size >= 8 ? whole : parts;
      expect(callsFor(role, wire)).toEqual(calls);
      expect(callsFor(role, Buffer.concat([long, wire])).slice(1)).toEqual(calls);
      expect(callsFor(role, Buffer.concat([wire, long]))[0]).toBe(whole[0]);
    }
  });

  it('one that is cut comes in its parts, wherever that is', () => {
    for (const size of [10, 130]) {
      const wire = peerFrame(role, { opcode: 2, payload: 'z'.repeat(size) });
      for (let cut = 1; cut < wire.length; cut++) {
        const calls = callsFor(role, wire.subarray(0, cut), wire.subarray(cut));
        expect(calls[0]).toBe(`head 2 true false ${size}`);
      }
    }
  });

  it.each<[string, RawFrame, string]>([
    ['the first fragment', { fin: false }, 'head 1 false false 9'],
    ['the last fragment', { opcode: 0 }, 'head 0 true false 9'],
    ['a Close', { opcode: 8 }, 'head 8 true false 9'],
    ['a Ping', { opcode: 9 }, 'head 9 true false 9'],
    ['a Pong', { opcode: 10 }, 'head 10 true false 9'],
    ['what an extension has changed', { rsv: 4 }, 'head 1 true true 9'],
  ])('%s comes in its parts', (_what, frame, head) => {
    const wire = peerFrame(role, { ...frame, payload: '123456789' });
    expect(callsFor(role, wire)).toEqual([head, 'payload 123456789 0']);
  });
});

describe('a whole message', () => {
  it.each(['ä', '\x80', '\xff'])('is not ASCII with %j in it, wherever', (bad) => {
    for (let at = 0; at < 12; at++) {
      const payload = `${'a'.repeat(at)}${bad}${'a'.repeat(11 - at)}`;
      const wire = peerFrame('server', { payload: Buffer.from(payload, 'latin1') });
      expect(callsFor('server', wire)).toEqual([`whole 1 ${payload}`]);
    }
  });

  it('is unmasked with each byte of its key', () => {
    const wire = hex('82 88 80 40 20 10 00 00 00 00 00 00 00 00');
    expect(callsFor('server', wire)).toEqual(['whole 2 \x80@ \x10\x80@ \x10']);
  });
});
