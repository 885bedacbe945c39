import type { FrameSink } from '../../src/frame/decoder.ts';

/** Joins the pieces of each payload, so that two ways of cutting the wire can be compared. */
export class RecordingSink implements FrameSink {
  /** `opcode fin rsv1 length payload-in-hex`, one entry for each complete frame. */
  readonly frames: string[] = [];
  /** Every call as it came. */
  readonly calls: string[] = [];
  #head = '';
  #payload = '';

  /** The same as its two halves: whether a frame comes whole is no matter of what it is. */
  onWhole(opcode: number, source: Buffer, start: number, end: number, ascii: boolean): void {
    this.onHead(opcode, true, false, end - start);
    this.onPayload(source, start, end, 0, ascii);
  }

  onHead(opcode: number, fin: boolean, rsv1: boolean, length: number): void {
    this.#head = `${opcode} ${fin} ${rsv1} ${length}`;
    this.#payload = '';
    this.calls.push(`head ${this.#head}`);
  }

  onPayload(source: Buffer, start: number, end: number, remaining: number, ascii: boolean): void {
    const bytes = source.toString('hex', start, end);
    this.#payload += bytes;
    this.calls.push(`payload ${bytes} ${remaining}${ascii ? ' ascii' : ''}`);
    if (remaining === 0) this.frames.push(`${this.#head} ${this.#payload}`);
  }
}
