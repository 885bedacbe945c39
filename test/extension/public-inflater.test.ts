import * as zlib from 'node:zlib';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { PublicInflater } from '../../src/extension/public-inflater.ts';
import { hex } from '../support/bytes.ts';
import { measureByteWork } from '../support/byte-work.ts';
import {
  TAIL,
  deflateAlone,
  finalStream,
  noise,
  prose,
  stored,
} from '../support/deflate-reference.ts';
import { describeInflater, openEnds } from '../support/inflater-behaviour.ts';
import { describeInflaterLimits } from '../support/inflater-limits-behaviour.ts';

vi.mock('node:zlib', async (importOriginal) => {
  const original = await importOriginal<typeof zlib>();
  return {
    ...original,
    inflateRaw: vi.fn(original.inflateRaw),
    inflateRawSync: vi.fn(original.inflateRawSync),
  };
});

describeInflater('public functions', PublicInflater);
describeInflaterLimits('public functions', PublicInflater);

const HELLO = 'f2 48 cd c9 c9 07 00';

describe('an inflater that calls public functions', () => {
  const end = openEnds(PublicInflater);

  beforeEach(() => vi.clearAllMocks());

  it('gives nothing of an unfinished message', async () => {
    const one = end(true, 1_000);
    await one.push(deflateAlone(Buffer.alloc(8 * 1024 * 1024)), false);
    await one.push(deflateAlone(noise(100_000)), false);
    expect([one.given, one.turns]).toEqual([0, 0]);
    expect(zlib.inflateRaw).not.toHaveBeenCalled();
  });

  it('moves what it has gathered a few times only', () => {
    const one = end();
    const payload = deflateAlone(noise(60_000));
    const { copied, allocated } = measureByteWork(() => {
      for (let i = 0; i < payload.length; i++) one.inflater.push(payload, i, i + 1, false);
    });
    expect(copied).toBeLessThan(4 * payload.length);
    expect(allocated).toBeLessThan(5 * payload.length);
  });

  it('calls zlib as often as there are final blocks', async () => {
    const streams = 3_000;
    const payload = Buffer.concat(Array.from({ length: streams }, () => finalStream('Hello')));
    const one = end();
    await one.push(payload);
    const calls = [zlib.inflateRaw, zlib.inflateRawSync].map(
      (inflate) => vi.mocked(inflate).mock.calls.length,
    );
    expect(calls[0]! + calls[1]!).toBeLessThan(streams + 4);
  });

  it('makes nothing of a large message on the main thread, not even to see whether it was cut', async () => {
    const one = end();
    const payload = deflateAlone(noise(60_000));
    await one.push(payload);
    expect(one.messages.length).toBe(1);
    await expect(one.push(payload.subarray(0, -5))).rejects.toMatchObject({ closeCode: 1007 });
    expect(vi.mocked(zlib.inflateRaw).mock.calls.length).toBeGreaterThanOrEqual(3);
    expect(zlib.inflateRawSync).not.toHaveBeenCalled();
  });

  it('leaves to a thread what a small payload has beyond 256 KiB', async () => {
    const one = end();
    const size = 8 * 1024 * 1024;
    await one.push(deflateAlone(Buffer.alloc(size), { level: 9 }));
    expect(one.messages[0]!.length).toBe(size);
    const most = vi
      .mocked(zlib.inflateRawSync)
      .mock.calls.map(([, options]) => options?.maxOutputLength);
    expect(most).toEqual([256 * 1024]);
    expect(zlib.inflateRaw).toHaveBeenCalledTimes(2);
  });

  it('is not misled by a text that looks like the end of a payload', async () => {
    const texts = [TAIL, Buffer.concat([noise(40_000), TAIL])];
    const one = end();
    for (const text of texts) {
      for (const payload of [
        deflateAlone(text),
        Buffer.concat([stored(text.subarray(-500)), hex('00')]),
        finalStream(text),
      ]) {
        await one.push(payload);
        expect(one.messages.at(-1)!.subarray(-TAIL.length).equals(TAIL)).toBe(true);
      }
    }
    expect(one.messages.length).toBe(6);
  });

  it('throws what else goes wrong as it is: that is no fault of the peer', async () => {
    const fault = Object.assign(new Error('no memory'), { code: 'ERR_MEMORY_ALLOCATION_FAILED' });
    vi.mocked(zlib.inflateRawSync).mockImplementationOnce(() => {
      throw fault;
    });
    const one = end();
    await expect(one.push(hex(HELLO))).rejects.toBe(fault);
    const other = end();
    vi.mocked(zlib.inflateRawSync).mockImplementationOnce(() => {
      throw new Error('without a code');
    });
    await expect(other.push(hex(HELLO))).rejects.toThrow('without a code');
  });

  it.each([1, 2])('throws it as well where call %i of a thread cannot begin', async (call) => {
    const fake = vi.mocked(zlib.inflateRaw);
    if (call === 2) fake.mockImplementationOnce(fake.getMockImplementation()!);
    fake.mockImplementationOnce(() => {
      throw new Error('Initialization failed');
    });
    const payload = deflateAlone(noise(40_000));
    await expect(end().push(payload)).rejects.toThrow('Initialization failed');
    const other = end();
    await other.push(payload);
    expect(other.messages.length).toBe(1);
  });

  it('remembers what was inflated in a thread', async () => {
    const text = prose(60_000);
    const compressor = end();
    await compressor.push(deflateAlone(noise(30_000)));
    await compressor.push(deflateAlone(text));
    const dictionary = text.subarray(-32_768);
    const payload = zlib
      .deflateRawSync(text.subarray(-1_000), {
        dictionary,
        finishFlush: zlib.constants.Z_SYNC_FLUSH,
      })
      .subarray(0, -TAIL.length);
    expect(payload.length).toBeLessThan(30);
    await compressor.push(payload);
    expect(compressor.messages.at(-1)!.equals(text.subarray(-1_000))).toBe(true);
  });
});
