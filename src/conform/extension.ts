/**
 * What a case may negotiate in the opening handshake, and what then becomes of whole messages. The
 * connection knows no more of an extension than this; permessage-deflate is in deflate.ts.
 *
 * @module
 */

/** What was agreed upon, for one connection. */
export interface MessageCoder {
  /** A message to send, which is marked by RSV1. */
  encode(payload: Buffer): Promise<Buffer>;
  /**
   * A message that came with RSV1, all fragments in one.
   *
   * @throws {Error} (the promise rejects) with what is wrong, where it cannot be decoded
   */
  decode(payload: Buffer): Promise<Buffer>;
  /** Frees what it holds. It is called once, at the end of the connection. */
  close(): void;
}

export interface Extension {
  /** The value of Sec-WebSocket-Extensions in the judge's request. */
  readonly offer: string;
  /**
   * What the server made of that.
   *
   * @param answer its Sec-WebSocket-Extensions
   * @throws {Error} where it may not answer so: a parameter that was not offered, a bad value, …
   */
  acceptAnswer(answer: string): MessageCoder;
  /**
   * What the judge makes of a client's offer.
   *
   * @param offer its Sec-WebSocket-Extensions
   * @returns nothing where no offer satisfies the case, which is then UNIMPLEMENTED
   */
  answerOffer(offer: string): ExtensionAnswer | undefined;
}

interface ExtensionAnswer {
  /** The value of Sec-WebSocket-Extensions in the judge's response. */
  readonly answer: string;
  readonly coder: MessageCoder;
}
