// What may be the name of a room, and of a visitor: for the server and for the page, which then does
// not ask for what the server refuses.

/** Up to 40 letters, digits, spaces, hyphens and underscores, none of them invisible. */
export function isRoom(name) {
  return /^(?!.*\p{DI})[\p{L}\p{N}_-][\p{L}\p{M}\p{N} _-]{0,39}$/u.test(name);
}

/**
 * The text without what is invisible, or would turn or break the line that it stands in; empty where
 * nothing is left.
 */
export function tidy(text) {
  return text
    .replaceAll(/[\p{Cf}\p{Cs}\p{DI}\u2800]/gu, '')
    .replaceAll(/[\p{Cc}\s]+/gu, ' ')
    .trim();
}
