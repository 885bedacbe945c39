/**
 * How the page of the verdicts looks, by day and by night. It needs nothing from anywhere.
 *
 * @module
 */

/** Ink on ground, in light and in dark. */
export interface Colours {
  readonly light: readonly [ink: string, ground: string];
  readonly dark: readonly [ink: string, ground: string];
}

/** By the name of a class. */
export const COLOURS: Readonly<Record<string, Colours>> = {
  page: { light: ['#1c2128', '#ffffff'], dark: ['#d5dbe3', '#14171c'] },
  quiet: { light: ['#566070', '#f2f4f7'], dark: ['#a4adba', '#1d2229'] },
  good: { light: ['#0b4f26', '#d3f3de'], dark: ['#a8ebc0', '#123a22'] },
  fair: { light: ['#5c4300', '#fbecc0'], dark: ['#f5d98b', '#42340a'] },
  told: { light: ['#124a80', '#d9eafb'], dark: ['#a9d3fb', '#14334f'] },
  none: { light: ['#454c57', '#e3e6eb'], dark: ['#c3cad4', '#343b45'] },
  bad: { light: ['#861219', '#fddddd'], dark: ['#ffb9b9', '#561a1e'] },
};

const LAYOUT = `
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 75rem; padding: 1rem 1.5rem 4rem; font: 1rem/1.5 system-ui, sans-serif;
  color: var(--page-ink); background: var(--page-ground); }
h1 { font-size: 1.6rem; } h2 { font-size: 1.3rem; margin-top: 2.5rem; } h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
a { color: inherit; text-decoration: none; }
table { border-collapse: collapse; }
th, td { padding: .25rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--none-ground); }
.wide { overflow-x: auto; }
.quiet { color: var(--quiet-ink); }
.badge { display: inline-block; padding: 0 .5rem; border-radius: .6rem; font-size: .85rem; white-space: nowrap; }
details { border-bottom: 1px solid var(--none-ground); padding: .15rem 0; }
details:target { outline: 2px solid var(--told-ink); }
summary { cursor: pointer; display: grid; grid-template-columns: 4.5rem 1fr auto auto 5rem; gap: .6rem; align-items: baseline; }
summary .id { font-variant-numeric: tabular-nums; }
summary .time { text-align: right; }
dl { display: grid; grid-template-columns: 7rem 1fr; gap: .3rem 1rem; margin: .6rem 0 .6rem 1rem; }
dt { color: var(--quiet-ink); } dd { margin: 0; overflow-wrap: anywhere; }
ul { margin: 0; padding-left: 1.1rem; }
pre { margin: 0; padding: .5rem; white-space: pre-wrap; overflow-wrap: anywhere; color: var(--quiet-ink); background: var(--quiet-ground); }
pre, .log { font: .8rem/1.45 ui-monospace, monospace; }
.log { margin: 0 0 .8rem 1rem; }
.log .hex { overflow-wrap: anywhere; min-width: 8rem; max-width: 20rem; }
.log .meaning { overflow-wrap: anywhere; min-width: 14rem; }
.log .judge { color: var(--told-ink); background: var(--told-ground); }
.log .note { color: var(--quiet-ink); }
@media (max-width: 45rem) { summary { grid-template-columns: 4rem 1fr; } dl { grid-template-columns: 1fr; } }
`;

function variables(mode: 'light' | 'dark'): string {
  return Object.entries(COLOURS)
    .map(
      ([
        name,
        {
          [mode]: [ink, ground],
        },
      ]) => `--${name}-ink:${ink};--${name}-ground:${ground}`,
    )
    .join(';');
}

function classes(): string {
  return Object.keys(COLOURS)
    .map((name) => `.badge.${name}{color:var(--${name}-ink);background:var(--${name}-ground)}`)
    .join('\n');
}

export const STYLE: string = `:root{${variables('light')}}
@media (prefers-color-scheme: dark){:root{${variables('dark')}}}
${LAYOUT}${classes()}`;
