/**
 * What an extension is in a handshake: RFC 6455, section 9.1. Its grammar stands in
 * handshake/extensions-header.ts.
 *
 * @module
 */

/** One extension, offered or accepted: its name and its parameters in order. */
export interface Extension {
  readonly name: string;
  /** `true` where the parameter has no value. A name may repeat. */
  readonly parameters: readonly (readonly [name: string, value: string | true])[];
}
