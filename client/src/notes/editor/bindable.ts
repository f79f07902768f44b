/**
 * Whether a note's content can be handed to the editor's binding at all. The binding throws, in the
 * middle of applying somebody's change, at types it was not made for and at nesting beyond the stack;
 * a note that contains such things is shown as plain text instead.
 */
import * as Y from "yjs";

/** Far beyond what people nest, far below what recursion bears. */
const depthMax = 60;

export function isBindable(fragment: Y.XmlFragment): boolean {
  return fragment.toArray().every((child) => child instanceof Y.XmlElement && fits(child, 1));
}

function fits(type: Y.XmlElement, depth: number): boolean {
  if (depth > depthMax) return false;
  return type
    .toArray()
    .every((child: unknown) =>
      child instanceof Y.XmlElement
        ? fits(child as Y.XmlElement, depth + 1)
        : child instanceof Y.XmlText,
    );
}

/** Whether what one change added keeps the note bindable; cheaper than looking at all of it again. */
export function staysBindable(events: readonly Y.YEvent<Y.AbstractType<unknown>>[]): boolean {
  return events.every(({ target, changes }) => {
    if (target instanceof Y.XmlText) return true;
    const inFragment = !(target instanceof Y.XmlElement);
    const depth = depthOf(target);
    return [...changes.added].every((item) => {
      if (!(item.content instanceof Y.ContentType)) return false;
      const { type } = item.content;
      if (type instanceof Y.XmlElement) return fits(type as Y.XmlElement, depth + 1);
      return type instanceof Y.XmlText && !inFragment;
    });
  });
}

function depthOf(type: Y.AbstractType<unknown>): number {
  let depth = 0;
  for (let at = type; at.parent !== null && depth <= depthMax; at = at.parent) depth++;
  return depth;
}

/** All there is to read in it, one block a line. */
export function plainTextOf(fragment: Y.XmlFragment): string {
  const lines: string[] = [];
  const collect = (type: Y.XmlFragment, depth: number) => {
    if (depth > depthMax) return;
    for (const child of type.toArray() as unknown[]) {
      if (child instanceof Y.XmlElement) collect(child, depth + 1);
      else if (child instanceof Y.XmlText) {
        const delta = child.toDelta() as { readonly insert: unknown }[];
        lines.push(delta.map(({ insert }) => (typeof insert === "string" ? insert : "")).join(""));
      }
    }
  };
  collect(fragment, 0);
  return lines.join("\n");
}
