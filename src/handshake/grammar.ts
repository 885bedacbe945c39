/**
 * The words that header fields are made of: RFC 9110, section 5.6. Every function here looks at
 * each character once, whatever a peer sends.
 *
 * @module
 */

// RFC 9110, section 5.6.2. One class and one quantifier: nothing to go back to.
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

// RFC 9110, section 5.5: visible characters, obs-text (any byte from 0x80), space and tab.
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

const SPACE = 0x20;
const TAB = 0x09;

/** Whether `text` is a token: the grammar of methods, field names, subprotocols and extensions. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** Whether `text` may stand as the value of a header field, one byte for each character. */
export function isFieldValue(text: string): boolean {
  return FIELD_VALUE.test(text);
}

/** Optional white space is spaces and tabs, and nothing else that `trim()` would take. */
export function isWhiteSpace(charCode: number): boolean {
  return charCode === SPACE || charCode === TAB;
}

/** `text[start, end)` without the optional white space around it (RFC 9110, section 5.6.3). */
export function sliceTrimmed(text: string, start: number, end: number): string {
  while (start < end && isWhiteSpace(text.charCodeAt(start))) start++;
  while (start < end && isWhiteSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

/**
 * The elements of a comma-separated list in one or several fields of a name, in order: "several
 * fields are equal to one joined by commas" (RFC 9110, section 5.3). Empty elements are left out,
 * as section 5.6.1.2 asks of a recipient. Not for lists whose elements may be quoted.
 */
export function splitList(values: readonly string[]): string[] {
  const elements: string[] = [];
  for (const value of values) {
    for (let start = 0; start <= value.length;) {
      const comma = value.indexOf(',', start);
      const end = comma === -1 ? value.length : comma;
      const element = sliceTrimmed(value, start, end);
      if (element !== '') elements.push(element);
      start = end + 1;
    }
  }
  return elements;
}

/** Whether a list holds `token`, which is given in lower case and compared without case. */
export function hasToken(values: readonly string[], token: string): boolean {
  for (const value of values) {
    // Most often it stands alone.
    if (value.length === token.length && value.toLowerCase() === token) return true;
    if (splitList([value]).some((element) => element.toLowerCase() === token)) return true;
  }
  return false;
}
