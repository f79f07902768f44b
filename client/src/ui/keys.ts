/** Keyboard shortcuts of the whole app: what they are called, and when they apply. */

const isMac = /Mac|iPhone|iPad/u.test(navigator.userAgent);

/** "Ctrl K" or "⌘ K". */
export const mod = (key: string): string => (isMac ? `⌘ ${key}` : `Ctrl ${key}`);

/** Whether a key goes into text, so that single letters must not be shortcuts there. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/u.test(target.tagName))
  );
}

export const hasMod = (event: KeyboardEvent): boolean =>
  (isMac ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey) && !event.altKey;

/** All there are, for the list behind "?". */
export const shortcuts: readonly {
  readonly title: string;
  readonly rows: readonly (readonly [keys: string, what: string])[];
}[] = [
  {
    title: "Everywhere",
    rows: [
      [mod("K"), "Find notes, channels, members, commands"],
      ["F6", "Next region"],
      ["Shift F6", "Previous region"],
      ["?", "This list"],
      ["Esc", "Close what is open"],
    ],
  },
  {
    title: "Notes",
    rows: [
      [mod("B"), "Bold"],
      [mod("I"), "Italic"],
      [mod("E"), "Code"],
      [mod("Shift S"), "Strike through"],
      [mod("Alt K"), "Link"],
      [mod("Alt 1"), "Heading, also 2 and 3"],
      [mod("Shift 7"), "Numbered list"],
      [mod("Shift 8"), "List"],
      [mod("Shift 9"), "Tasks"],
      [mod("Z"), "Undo what I did"],
      [mod("Shift Z"), "Redo"],
    ],
  },
  {
    title: "Channels",
    rows: [
      ["Enter", "Send"],
      ["Shift Enter", "New line"],
      ["↑ ↓", "From message to message"],
      ["Shift V", "Who has got and read a message"],
    ],
  },
];
