/**
 * The public face of Tautline: only re-exports.
 *
 * @module
 */

export { ConnectionClosedError, HandshakeError, ProtocolError } from './errors.ts';
export { CLOSE_CODE } from './frame/close-code.ts';
export { type DeflateOptions } from './extension/deflate-options.ts';
export { type Message } from './connection/delivery.ts';
export { type SocketDuplexOptions } from './connection/duplex.ts';
export { type MessageStream } from './connection/message-stream.ts';
export { type BackpressurePolicy } from './connection/outbound-limits.ts';
export { type Bytes } from './connection/payload.ts';
export { type Pieces } from './connection/pieces.ts';
export { PreparedMessage } from './connection/prepared.ts';
export {
  type ExcessAnswer,
  type ExcessPolicy,
  type RateLimitOptions,
  type RateName,
} from './connection/rate-limit.ts';
export { Socket, type WaitOptions } from './connection/socket.ts';
export {
  type CloseResult,
  type SocketEvents,
  type SocketHooks,
} from './connection/socket-events.ts';
export {
  type SendOptions,
  type SocketOptions,
  type TextForm,
} from './connection/socket-options.ts';
export { READY_STATE, type ReadyState } from './connection/state.ts';
export { connect, type ConnectOptions } from './client/connect.ts';
export { type TlsOptions } from './client/dial.ts';
export {
  WebSocket,
  type BinaryType,
  type WebSocketEventMap,
  type WebSocketOptions,
} from './client/websocket.ts';
export { type CloseEvent } from './client/websocket-events.ts';
export { type CookieOptions } from './handshake/cookie.ts';
export { type HeaderFields, type HeadersInput } from './handshake/fields.ts';
export { type ForwardedFields } from './handshake/forwarded.ts';
export { type OriginPolicy } from './handshake/origin.ts';
export { type TopicHandler } from './hub/topics.ts';
export { type ListenOptions } from './server/listener.ts';
export { type WebSocketServerOptions } from './server/options.ts';
export { type Params, type ParamsOf } from './server/pattern.ts';
export { type UpgradeRequest } from './server/request.ts';
export {
  next,
  refuse,
  type Next,
  type Refusal,
  type RouteHooks,
  type RouteOptions,
  type UpgradeAcceptance,
  type UpgradeHook,
  type UpgradeResult,
} from './server/route.ts';
export {
  WebSocketServer,
  type BroadcastOptions,
  type PublishOptions,
  type WebSocketServerEvents,
} from './server/server.ts';
export { type AnyServerSocket, type ServerSocket } from './server/server-socket.ts';
export { type TrustedProxies } from './server/trusted-proxies.ts';
export { type ShutdownOptions, type ShutdownResult } from './server/shutdown.ts';
