/** A person's colour: one of the twelve hues of theme.css, by the member's id, the same on every device. */

const hues = 12;

/** The class that sets `--person` and `--person-name`. Ids are hashes, so their first bytes spread evenly. */
export function hueClass(id: string): string {
  const number = Number.parseInt(id.slice(0, 6), 16);
  return `hue-${Number.isNaN(number) ? 0 : number % hues}`;
}
