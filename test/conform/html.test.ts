import { describe, expect, it } from 'vitest';
import { escapeHtml, html, shorten } from '../../src/conform/html.ts';

/** By another name, so that no formatter takes the templates for HTML that it may change. */
const template = html;

describe('a template of HTML', () => {
  it('escapes what is put into it, and nothing of its own', () => {
    const hostile = `"><script>alert('\`&')</script>`;
    const escaped = '&#34;&#62;&#60;script&#62;alert(&#39;&#96;&#38;&#39;)&#60;/script&#62;';
    expect(template`<b title="${hostile}">${hostile}</b> & ${1}`.text).toBe(
      `<b title="${escaped}">${escaped}</b> & 1`,
    );
  });

  it('takes other templates, and lists of them, as they are', () => {
    const items = ['<', '>'].map((sign) => template`<li>${sign}</li>`);
    expect(template`<ul>${items}</ul>${template`<br>`}`.text).toBe(
      '<ul><li>&#60;</li><li>&#62;</li></ul><br>',
    );
  });

  it('leaves out the indentation of its source, and keeps that of a value', () => {
    const render = (value: string): string =>
      template`
      <pre>${value}</pre>

      <hr>`.text;
    expect(render('a\n  b')).toBe('\n<pre>a\n  b</pre>\n<hr>');
    expect(render('')).toBe('\n<pre></pre>\n<hr>');
  });
});

describe('text', () => {
  it('shows what cannot be seen by its number', () => {
    expect(escapeHtml('a\u0000\u001b\u007f\u202e\u2066\ufeff\r\n\tä\u{1f9f5}')).toBe(
      'a\\u0000\\u001b\\u007f\\u202e\\u2066\\ufeff\\u000d\n\tä\u{1f9f5}',
    );
  });

  it('is cut where it is too long', () => {
    expect([shorten('abc', 3), shorten('abcd', 3)]).toEqual(['abc', 'abc…']);
  });
});
