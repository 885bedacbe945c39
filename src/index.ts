/**
 * The public face of Tautline: only re-exports.
 *
 * @module
 */

export { HandshakeError, ProtocolError } from './errors.ts';
export { CLOSE_CODE } from './frame/close-code.ts';
export { type BackpressurePolicy } from './connection/outbound.ts';
export { type Socket, type SocketEvents } from './connection/socket.ts';
export { type HandshakeRequest } from './handshake/accept.ts';
export { type OriginPolicy } from './handshake/origin.ts';
export {
  WebSocketServer,
  type WebSocketServerEvents,
  type WebSocketServerOptions,
} from './server/server.ts';
