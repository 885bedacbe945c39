/**
 * Who listens to a transport of Node: one at a time, from the moment it is accepted to its end. The
 * functions that it calls are the same for all of them, and stay on it when it goes from one hand to
 * the next: a closure for each event of each connection is memory that every idle one needs, and to
 * take listeners away and add others costs more than to change who is told.
 *
 * @module
 */

/** The events of a transport. */
export interface TransportListener {
  receive(chunk: Buffer): void;
  /** The peer has ended its direction: FIN. */
  receiveEnd(): void;
  /** A transport whose `write` had returned false takes more. */
  receiveDrain(): void;
  /** The transport is gone in both directions. */
  receiveClose(): void;
  /** It failed: a reset, say. {@link receiveClose} follows. */
  receiveError(): void;
}

/** What {@link bind} asks of a transport. */
export interface Bindable {
  destroy(): void;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'end' | 'close' | 'drain', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** The same, where it may be taken back. */
export interface Unbindable extends Bindable {
  off(event: 'data', listener: (chunk: Buffer) => void): unknown;
  off(event: 'end' | 'close' | 'drain', listener: () => void): unknown;
  listeners(event: 'error'): unknown[];
}

const LISTENER: unique symbol = Symbol('listener');
/** Null where nobody listens, and undefined where nobody ever did. */
type BoundTransport = Bindable & { [LISTENER]?: TransportListener | null };

function onData(this: BoundTransport, chunk: Buffer): void {
  this[LISTENER]!.receive(chunk);
}
function onEnd(this: BoundTransport): void {
  this[LISTENER]!.receiveEnd();
}
function onDrain(this: BoundTransport): void {
  this[LISTENER]!.receiveDrain();
}
function onClose(this: BoundTransport): void {
  this[LISTENER]!.receiveClose();
}
/** A reset that nobody listens to would end the process. */
function onError(this: BoundTransport): void {
  const listener = this[LISTENER] ?? null;
  if (listener === null) this.destroy();
  else listener.receiveError();
}

/** From here on, `listener` is told what happens to `transport`, and who was told before is not. */
export function bind(transport: Bindable, listener: TransportListener): void {
  const bound = transport as BoundTransport;
  const before = bound[LISTENER];
  bound[LISTENER] = listener;
  if (before !== undefined && before !== null) return;
  if (before === undefined) transport.on('error', onError);
  transport.on('data', onData);
  transport.on('end', onEnd);
  transport.on('drain', onDrain);
  transport.on('close', onClose);
}

/** From here on nobody is told anything; but a reset stays harmless. */
export function unbind(transport: Unbindable): void {
  const bound = transport as BoundTransport;
  if (bound[LISTENER] === undefined || bound[LISTENER] === null) return;
  bound[LISTENER] = null;
  transport.off('data', onData);
  transport.off('end', onEnd);
  transport.off('drain', onDrain);
  transport.off('close', onClose);
}

/** Makes a reset harmless, from here to the end of the transport. */
export function catchErrors(transport: Unbindable): void {
  const bound = transport as BoundTransport & Unbindable;
  // Whose transport it was before may have taken all listeners away.
  if (bound[LISTENER] !== undefined && bound.listeners('error').includes(onError)) return;
  bound[LISTENER] ??= null;
  transport.on('error', onError);
}
