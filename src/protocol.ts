/**
 * The face of the core without I/O, for those who bring their own transport: a handshake of
 * strings and heads, and a connection that is fed bytes and told the time.
 *
 * @module
 */

export { HandshakeError, ProtocolError } from './errors.ts';
export { CLOSE_CODE } from './frame/close-code.ts';
export { OPCODE, type MessageOpcode, type Opcode } from './frame/opcode.ts';
export { Connection } from './connection/connection.ts';
export { READY_STATE, type ReadyState } from './connection/state.ts';
export { type Turn } from './connection/waiting.ts';
export { PreparedMessage } from './connection/prepared.ts';
export { type ConnectionHandler, type ConnectionOptions, type Role } from './connection/handler.ts';
export {
  DEFAULT_LIMITS,
  checkLimit,
  resolveLimits,
  type ConnectionLimits,
} from './connection/limits.ts';
export { type BackpressurePolicy } from './connection/outbound-limits.ts';
export {
  resolveRateLimit,
  type ExcessAnswer,
  type ExcessPolicy,
  type RateLimit,
  type RateLimitOptions,
  type RateName,
} from './connection/rate-limit.ts';
export { type Clock, type Transport } from './connection/transport.ts';
export {
  acceptResponse,
  errorResponse,
  readRequest,
  refusalResponse,
  type Acceptance,
  type HandshakeRequest,
  type RefusalAnswer,
} from './handshake/accept.ts';
export { chooseSubprotocol } from './handshake/subprotocol.ts';
export {
  DEFAULT_DEFLATE,
  resolveDeflate,
  type DeflateOptions,
  type ResolvedDeflateOptions,
} from './extension/deflate-options.ts';
export {
  answerOffers,
  createDeflateOffer,
  readAnswer,
  type DeflateAnswer,
  type DeflateTerms,
} from './extension/deflate-params.ts';
export { type Extension } from './extension/extension.ts';
export { PerMessageDeflate } from './extension/permessage-deflate.ts';
export { HeaderFields, type HeadersInput } from './handshake/fields.ts';
export {
  DEFAULT_HEAD_LIMITS,
  RequestHeadParser,
  ResponseHeadParser,
  type HeadLimits,
  type RequestHead,
  type ResponseHead,
} from './handshake/http1.ts';
export {
  checkAnswer,
  createOffer,
  type Agreement,
  type Offer,
  type OfferOptions,
} from './handshake/offer.ts';
export {
  createHostCheck,
  createOriginCheck,
  type HostCheck,
  type OriginCheck,
  type OriginPolicy,
} from './handshake/origin.ts';
