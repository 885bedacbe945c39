/**
 * The opcodes of RFC 6455, section 5.2.
 *
 * @module
 */

export const OPCODE = {
  CONTINUATION: 0x0,
  TEXT: 0x1,
  BINARY: 0x2,
  // 0x3 to 0x7 are reserved for further data frames.
  CLOSE: 0x8,
  PING: 0x9,
  PONG: 0xa,
  // 0xb to 0xf are reserved for further control frames.
} as const;

/** One of the six opcodes that RFC 6455 defines. */
export type Opcode = (typeof OPCODE)[keyof typeof OPCODE];

/** The type of a message: the opcode of its first frame. */
export type MessageOpcode = typeof OPCODE.TEXT | typeof OPCODE.BINARY;

/** Control frames are the ones whose most significant opcode bit is set (section 5.5). */
export function isControl(opcode: number): boolean {
  return (opcode & 0x8) !== 0;
}

/** Opcodes 0x3 to 0x7 and 0xb to 0xf have no meaning yet (section 5.2). */
export function isReserved(opcode: number): boolean {
  return (opcode & 0x7) > 0x2;
}
