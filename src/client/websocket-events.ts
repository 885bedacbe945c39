/**
 * The events of the WHATWG class, and its handler attributes (`onopen` and its kin): HTML standard,
 * section 8.1.8.1. Knows no connection.
 *
 * @module
 */

/** What a {@link CloseEvent} is made of. */
export interface CloseEventInit {
  readonly code?: number;
  readonly reason?: string;
  readonly wasClean?: boolean;
}

/** How a connection ended (WHATWG WebSockets, section 6). */
export interface CloseEvent extends Event {
  /** Of the peer's Close. 1005: it had none. 1006: there was no Close. */
  readonly code: number;
  readonly reason: string;
  /** Whether both ends sent a Close before TCP ended. */
  readonly wasClean: boolean;
}

export type CloseEventConstructor = new (type: string, init?: CloseEventInit) => CloseEvent;

class OwnCloseEvent extends Event implements CloseEvent {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;

  constructor(type: string, { code = 0, reason = '', wasClean = false }: CloseEventInit = {}) {
    super(type);
    this.code = code;
    this.reason = reason;
    this.wasClean = wasClean;
  }
}
Object.defineProperty(OwnCloseEvent, 'name', { value: 'CloseEvent' });

const platform: unknown = Reflect.get(globalThis, 'CloseEvent');

/** The platform's own class, which Node has from version 23 on. */
export const CloseEvent: CloseEventConstructor = isClass(platform) ? platform : OwnCloseEvent;

function isClass(value: unknown): value is CloseEventConstructor {
  return typeof value === 'function';
}

/** What is called for an event, with its target as `this`. */
type Handler = (this: never, event: never) => unknown;

interface Slot {
  handler: Handler;
  readonly listener: (event: Event) => unknown;
}

/**
 * Handler attributes: each is a listener that stands where its first handler was set, whatever
 * handlers follow, until it is set to null.
 */
export class HandlerAttributes<Handlers extends { [type in keyof Handlers]: Handler }> {
  readonly #target: EventTarget;
  /** Most targets have a few, and many have none. */
  #slots: Map<keyof Handlers, Slot> | null = null;

  constructor(target: EventTarget) {
    this.#target = target;
  }

  get<Type extends keyof Handlers & string>(type: Type): Handlers[Type] | null {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `set` took it by that type
    return (this.#slots?.get(type)?.handler ?? null) as Handlers[Type] | null;
  }

  /** @param handler - what is no function counts as null */
  set<Type extends keyof Handlers & string>(type: Type, handler: Handlers[Type] | null): void {
    const slot = this.#slots?.get(type);
    if (typeof handler !== 'function') {
      if (slot === undefined) return;
      this.#target.removeEventListener(type, slot.listener);
      this.#slots!.delete(type);
    } else if (slot === undefined) {
      this.add(type, handler);
    } else {
      slot.handler = handler;
    }
  }

  private add(type: keyof Handlers & string, handler: Handler): void {
    const slot: Slot = {
      handler,
      listener: (event): unknown => Reflect.apply(slot.handler, this.#target, [event]),
    };
    (this.#slots ??= new Map<keyof Handlers, Slot>()).set(type, slot);
    this.#target.addEventListener(type, slot.listener);
  }
}
