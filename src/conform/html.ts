/**
 * HTML in which whatever is put is text: names, reasons and bytes come from peers that may be hostile.
 *
 * @module
 */

import { showUnseen } from './unseen.ts';

/** Markup that is as it should be. Only `html` makes it. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type HtmlValue = string | number | Html | readonly Html[];

/** A template whose values are escaped, unless they come from such a template themselves. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  const parts = compact(strings);
  let text = parts[0]!;
  values.forEach((value, index) => {
    text += renderValue(value) + parts[index + 1]!;
  });
  return new Html(text);
}

const compacted = new WeakMap<TemplateStringsArray, readonly string[]>();

/** Without the indentation that a template has in its source: there are thousands of rows. */
function compact(strings: TemplateStringsArray): readonly string[] {
  let parts = compacted.get(strings);
  if (parts === undefined) {
    parts = strings.map((part) => part.replaceAll(/\n\s+/g, '\n'));
    compacted.set(strings, parts);
  }
  return parts;
}

function renderValue(value: HtmlValue): string {
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map(({ text }) => text).join('');
  return escapeHtml(String(value));
}

const MARKUP = /[&<>"'`]/g;

/** For text and for values of attributes in quotes. What cannot be seen is shown by its number. */
export function escapeHtml(text: string): string {
  return showUnseen(text).replaceAll(MARKUP, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** The beginning of a text that may be of any length. */
export function shorten(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
