/**
 * Other people's carets and selections, with their names. Built on the binding's cursor plugin with a
 * filter of our own, because what stands in others' awareness states is unchecked input: a relative
 * position made of nonsense would throw in the middle of drawing. Colours come from the member's id.
 */
import { Extension } from "@tiptap/core";
import type { Plugin } from "@tiptap/pm/state";
import { yCursorPlugin } from "@tiptap/y-tiptap";
import type { Awareness } from "y-protocols/awareness";
import { hueClass } from "../../ui/hue.ts";

export interface CaretsOptions {
  readonly awareness: Awareness | undefined;
  readonly user: { readonly member: string; readonly name: string };
}

/** The binding warns about everything that is not a six-digit colour; ours come from a style sheet. */
const unusedColour = "#00706b";
const nameCharsMax = 40;

/** Says whose caret this tab's is; again when the person takes another name. */
export function nameCaret(awareness: Awareness, user: CaretsOptions["user"]): void {
  awareness.setLocalStateField("user", { ...user, color: unusedColour });
}

export const Carets = Extension.create<CaretsOptions>({
  name: "carets",
  priority: 999,
  addOptions: () => ({ awareness: undefined, user: { member: "", name: "" } }),
  addProseMirrorPlugins() {
    const { awareness, user } = this.options;
    if (awareness === undefined) return [];
    nameCaret(awareness, user);
    return [
      yCursorPlugin(awareness, {
        awarenessStateFilter: (_: number, client: number, state: unknown) =>
          client !== awareness.clientID && isPlausible(state),
        cursorBuilder: (person: unknown) => caret(person as CaretsOptions["user"]),
        selectionBuilder: (person: unknown) => ({
          class: `caret-selection ${hueClass((person as CaretsOptions["user"]).member)}`,
        }),
      }) as Plugin,
    ];
  },
});

function caret({ member, name }: CaretsOptions["user"]): HTMLElement {
  const element = document.createElement("span");
  element.className = `caret ${hueClass(member)}`;
  const label = document.createElement("bdi");
  label.className = "caret-name";
  label.textContent = name.slice(0, nameCharsMax);
  // Without a word joiner on both sides the caret would open a place for a line break.
  element.append("\u2060", label, "\u2060");
  return element;
}

function isPlausible(state: unknown): boolean {
  if (!isRecord(state) || !isRecord(state["user"])) return false;
  const { member, name } = state["user"];
  if (typeof member !== "string" || typeof name !== "string" || name === "") return false;
  const { cursor } = state;
  if (cursor === null || cursor === undefined) return true;
  return isRecord(cursor) && isPosition(cursor["anchor"]) && isPosition(cursor["head"]);
}

/** The JSON form of a Yjs relative position. */
function isPosition(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { type, tname, item, assoc } = value;
  return (
    (isAbsent(type) || isId(type)) &&
    (isAbsent(item) || isId(item)) &&
    (isAbsent(tname) || typeof tname === "string") &&
    (isAbsent(assoc) || typeof assoc === "number")
  );
}

function isAbsent(value: unknown): boolean {
  return value === null || value === undefined;
}

function isId(value: unknown): boolean {
  return (
    isRecord(value) && Number.isSafeInteger(value["client"]) && Number.isSafeInteger(value["clock"])
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
