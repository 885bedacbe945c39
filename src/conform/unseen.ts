/**
 * Words of peers that may be hostile, made fit to be shown: what cannot be seen, or moves what can, is
 * shown by its number. For pages, terminals and the logs of CI.
 *
 * @module
 */

/** Control characters but for tab and line feed, and those that change the direction of what follows. */
const UNSEEN =
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
const LINE_BREAKS = /[\t\n\u2028\u2029]/g;
/** A name that is shown as it is. Any other may be a command at the beginning of a line. */
const PLAIN_NAME = /^[\p{L}\p{N}][\p{L}\p{N} .,/_@()+-]*$/u;

export function showUnseen(text: string): string {
  return text.replaceAll(UNSEEN, numberOf);
}

/** In one line, whatever it was. */
export function showInLine(text: string): string {
  return showUnseen(text).replaceAll(LINE_BREAKS, numberOf);
}

/** A name at the beginning of a line, such as CI must not take for a command: `::error::…`. */
export function showName(name: string): string {
  return PLAIN_NAME.test(name) ? name : showInLine(JSON.stringify(name));
}

function numberOf(sign: string): string {
  return `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
