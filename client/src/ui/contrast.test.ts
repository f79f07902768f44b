/** Computes WCAG 2 contrast from theme.css itself, so that no colour is changed without being checked. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const css = readFileSync(join(import.meta.dirname, "theme.css"), "utf8");
type Theme = "light" | "dark";

/** Linear sRGB of `oklch(l% c h)`, after Björn Ottosson's "A perceptual color space" (2020). */
function linear(lightness: number, chroma: number, hueDegrees: number): [number, number, number] {
  const hue = (hueDegrees * Math.PI) / 180;
  const a = chroma * Math.cos(hue);
  const b = chroma * Math.sin(hue);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const clamp = (value: number) => Math.min(1, Math.max(0, value));
  return [
    clamp(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    clamp(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    clamp(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

function luminance(colour: string, hue = 0): number {
  const match = /oklch\(([\d.]+)% ([\d.]+) (?:([\d.]+)|var\(--hue\))\)/.exec(colour);
  if (match === null) throw new Error(`not a colour that this test reads: ${colour}`);
  const [r, g, b] = linear(Number(match[1]) / 100, Number(match[2]), Number(match[3] ?? hue));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function colourOf(name: string, theme: Theme): string {
  const value = new RegExp(`--${name}: ([^;]+);`).exec(css)?.[1];
  if (value === undefined) throw new Error(`theme.css has no --${name}`);
  const pair = /light-dark\((oklch\([^)]*(?:\([^)]*\))?[^)]*\)), (oklch\(.*\))\)/.exec(value);
  return pair === null ? value : (theme === "light" ? pair[1] : pair[2])!;
}

function contrast(foreground: string, background: string, theme: Theme, hue = 0): number {
  const a = luminance(colourOf(foreground, theme), hue);
  const b = luminance(colourOf(background, theme), hue);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

const surfaces = ["content", "side", "raised", "hover", "selected", "field"];
const themes: Theme[] = ["light", "dark"];

describe.each(themes)("in the %s theme", (theme) => {
  it.each(
    ["text", "text-quiet", "text-faint", "accent"].flatMap((text) =>
      surfaces.map((surface) => [text, surface] as const),
    ),
  )("%s can be read on %s", (text, surface) => {
    expect(contrast(text, surface, theme)).toBeGreaterThanOrEqual(4.5);
  });

  it.each([
    ["on-accent", "accent"],
    ["on-accent", "accent-hover"],
    ["accent", "accent-soft"],
    ["text", "accent-soft"],
    ["text-quiet", "accent-soft"],
    ["text", "selection"],
    ["text", "danger-soft"],
    ["text-quiet", "danger-soft"],
    ["text", "warning-soft"],
    ["text-quiet", "warning-soft"],
    ["danger", "danger-soft"],
    ["danger", "content"],
    ["danger", "raised"],
    ["danger", "side"],
    ["danger", "hover"],
  ])("%s can be read on %s", (text, surface) => {
    expect(contrast(text, surface, theme)).toBeGreaterThanOrEqual(4.5);
  });

  it.each([
    ["border", "content"],
    ["border", "raised"],
    ["border", "field"],
    ["border", "side"],
    ["positive", "side"],
    ["positive", "content"],
    ["positive", "selected"],
  ])("the shape of %s shows on %s", (shape, surface) => {
    expect(contrast(shape, surface, theme)).toBeGreaterThanOrEqual(3);
  });

  it("people's letters and names can be read in all twelve colours", () => {
    const hues = [...css.matchAll(/--hue: (\d+);/g)].map((match) => Number(match[1]));
    expect(hues).toHaveLength(12);
    for (const hue of hues) {
      expect(contrast("on-person", "person", theme, hue)).toBeGreaterThanOrEqual(4.5);
      expect(contrast("person-name", "content", theme, hue)).toBeGreaterThanOrEqual(4.5);
      expect(contrast("person-name", "hover", theme, hue)).toBeGreaterThanOrEqual(4.5);
    }
  });
});
