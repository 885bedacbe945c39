import { describe, expect, it } from 'vitest';
import { COLOURS, STYLE } from '../../src/conform/report-style.ts';

/** WCAG 2, "relative luminance". */
function luminanceOf(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrastOf(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminanceOf(one), luminanceOf(other)].toSorted((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

describe('the colours of the page', () => {
  it.each(Object.entries(COLOURS))('can be read: %s', (_name, { light, dark }) => {
    for (const [ink, ground] of [light, dark]) {
      expect(contrastOf(ink, ground)).toBeGreaterThan(4.5);
    }
  });

  it('can be read on the page where they are without their ground', () => {
    for (const mode of ['light', 'dark'] as const) {
      const ground = COLOURS['page']![mode][1];
      expect(contrastOf(COLOURS['quiet']![mode][0], ground)).toBeGreaterThan(4.5);
    }
  });
});

describe('the style of the page', () => {
  it('knows day and night, and needs nothing from elsewhere', () => {
    expect(STYLE).toContain('prefers-color-scheme: dark');
    expect(STYLE).not.toMatch(/url\(|@import|</);
  });

  it('defines each colour that it uses', () => {
    const used = new Set(Array.from(STYLE.matchAll(/var\((--[a-z-]+)\)/g), ([, name]) => name));
    for (const name of used) expect(STYLE).toContain(`${name}:`);
  });
});
