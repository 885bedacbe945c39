/**
 * The body of a Close, beside another reader of it; and what is written from what was read.
 *
 * @module
 */

import { ProtocolError } from '../../src/errors.ts';
import {
  encodeClosePayload,
  readCloseCode,
  readCloseReason,
} from '../../src/frame/close-payload.ts';
import { closePayload } from '../frames.ts';
import { mutateBytes } from '../mutation.ts';
import { type Target, checkSame } from '../target.ts';

/** As RFC 6455 has it, sections 5.5.1, 7.4 and 8.1, and the registry of codes. */
function expected(body: Buffer): string {
  if (body.length === 0) return '1005 ';
  if (body.length === 1) return 'WS_ERR_CLOSE_LENGTH';
  const code = body.readUInt16BE(0);
  const isKnown = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
  if (!isKnown && !(code >= 3000 && code <= 4999)) return 'WS_ERR_CLOSE_CODE';
  const reason = body.subarray(2);
  const text = reason.toString();
  return Buffer.from(text).equals(reason) ? `${code} ${text}` : 'WS_ERR_INVALID_UTF8';
}

function actual(body: Buffer): string {
  // Between other bytes, which mean nothing.
  const source = Buffer.concat([Buffer.of(0xee), body, Buffer.of(0xff)]);
  try {
    const code = readCloseCode(source, 1, 1 + body.length);
    return `${code} ${readCloseReason(source, 1, 1 + body.length)}`;
  } catch (error) {
    if (error instanceof ProtocolError) return error.code;
    throw error;
  }
}

export const CLOSE: Target = {
  name: 'close',
  form: 'bytes',
  generate: closePayload,
  mutate: (random, input, other) => mutateBytes(random, input, other),

  run(input) {
    const body = input.subarray(0, 125);
    const found = actual(body);
    checkSame(found, expected(body), 'a Close was read otherwise');
    if (found.startsWith('WS_ERR')) return found;
    const [code] = found.split(' ', 1);
    if (body.length === 0) return 'no code';
    const written = encodeClosePayload(Number(code), found.slice(5));
    checkSame(written.toString('hex'), body.toString('hex'), 'a Close was written otherwise');
    return body.length === 2 ? 'a code' : 'a code and a reason';
  },
};
