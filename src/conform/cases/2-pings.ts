/**
 * Group 2: Pings, which must be answered with what they hold, and Pongs that nobody asked for.
 *
 * @module
 */

import { CLOSING, type ConformCase } from '../case.ts';
import { pong, type PeerEvent } from '../peer-event.ts';
import { type Frame, OPCODE } from '../wire.ts';
import { answered, failed } from './kinds.ts';

const BINARY = Buffer.from('00fffefdfcfb00ff', 'hex');
const LONGEST = Buffer.alloc(125, 0xfe);
const TOO_LONG = Buffer.alloc(126, 0xfe);
const UNASKED: Frame = { opcode: OPCODE.PONG, payload: Buffer.from('nobody asked for this') };
const BYTE_WISE = { size: 1 } as const;

function ping(payload: string | Buffer): Frame {
  return { opcode: OPCODE.PING, payload: Buffer.from(payload) };
}

const TEN = Array.from({ length: 10 }, (_, index) => `payload-${index}`);
const TEN_PINGS: readonly Frame[] = TEN.map(ping);
const TEN_PONGS: readonly PeerEvent[] = TEN.map(pong);

export const PINGS: readonly ConformCase[] = [
  answered({ id: '2.1', title: 'A Ping without a payload', frames: [ping('')] }, [pong('')]),
  answered({ id: '2.2', title: 'A Ping with a short text', frames: [ping('Hello, world!')] }, [
    pong('Hello, world!'),
  ]),
  answered({ id: '2.3', title: 'A Ping with bytes that are not UTF-8', frames: [ping(BINARY)] }, [
    pong(BINARY),
  ]),
  answered({ id: '2.4', title: 'A Ping with 125 bytes, the most', frames: [ping(LONGEST)] }, [
    pong(LONGEST),
  ]),
  failed(
    { id: '2.5', title: 'A Ping with 126 bytes, one too many', frames: [ping(TOO_LONG)] },
    CLOSING.PROTOCOL_ERROR,
  ),
  answered(
    {
      id: '2.6',
      title: 'A Ping with 125 bytes, byte by byte',
      frames: [ping(LONGEST)],
      chops: BYTE_WISE,
    },
    [pong(LONGEST)],
  ),
  answered(
    { id: '2.7', title: 'An unasked Pong without a payload', frames: [{ opcode: OPCODE.PONG }] },
    [],
  ),
  answered({ id: '2.8', title: 'An unasked Pong with a payload', frames: [UNASKED] }, []),
  answered(
    { id: '2.9', title: 'An unasked Pong, then a Ping', frames: [UNASKED, ping('ping payload')] },
    [pong('ping payload')],
  ),
  answered({ id: '2.10', title: 'Ten Pings at once', frames: TEN_PINGS }, TEN_PONGS),
  answered(
    { id: '2.11', title: 'Ten Pings, byte by byte', frames: TEN_PINGS, chops: BYTE_WISE },
    TEN_PONGS,
  ),
];
