/**
 * F6 leads through the regions of the page, Shift+F6 back: every element with `data-region`, in the
 * order of the document. A region gets back the focus where it was left.
 */

const lastFocus = new WeakMap<Element, HTMLElement>();
const focusable =
  'a[href], button:not([disabled]), input:not([disabled]), textarea:not([disabled]), select:not([disabled]), [tabindex]:not([tabindex="-1"]), [contenteditable="true"]';

/** Begins to listen; returns its own undo. */
export function watchRegions(): () => void {
  const remember = ({ target }: FocusEvent) => {
    if (!(target instanceof HTMLElement)) return;
    const region = target.closest("[data-region]");
    if (region !== null) lastFocus.set(region, target);
  };
  const cycle = (event: KeyboardEvent) => {
    if (event.key !== "F6" || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    moveToRegion(event.shiftKey ? -1 : 1);
  };
  document.addEventListener("focusin", remember);
  document.addEventListener("keydown", cycle);
  return () => {
    document.removeEventListener("focusin", remember);
    document.removeEventListener("keydown", cycle);
  };
}

function moveToRegion(step: 1 | -1): void {
  const regions = [...document.querySelectorAll<HTMLElement>("[data-region]")].filter(
    (region) => region.offsetParent !== null,
  );
  const here = regions.findIndex((region) => region.contains(document.activeElement));
  for (let tries = 1; tries <= regions.length; tries++) {
    const index = here < 0 ? (step > 0 ? tries - 1 : -tries) : here + step * tries;
    const region = regions.at(index % regions.length);
    if (region === undefined) return;
    const before = lastFocus.get(region);
    const target =
      before !== undefined && region.contains(before) && before.offsetParent !== null
        ? before
        : region.querySelector<HTMLElement>(focusable);
    if (target === null) continue;
    target.focus();
    return;
  }
}
