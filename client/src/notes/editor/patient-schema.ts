/**
 * Makes a schema patient: whatever stands in the shared document is shown as far as possible and never
 * thrown at. The binding between Yjs and ProseMirror deletes what its schema refuses, and that
 * deletion would be logged and reach everybody: a reader, or an older version, would destroy what a
 * newer one wrote. So nothing is ever refused here: the unknown becomes a placeholder that stands for
 * exactly one Yjs node, and the note is then shown read-only.
 */
import { Mark as TiptapMark, mergeAttributes, Node as TiptapNode } from "@tiptap/core";
import type { Attrs, Mark, MarkType, Node, NodeType, Schema } from "@tiptap/pm/model";

const strangerNode = "stranger";
const strangerMark = "strangerMark";

/** Stands for a block this version does not know, or that concurrent changes made invalid. */
export const Stranger = TiptapNode.create({
  name: strangerNode,
  group: "block",
  atom: true,
  selectable: false,
  draggable: false,
  renderHTML({ HTMLAttributes }) {
    return [
      "div",
      mergeAttributes(HTMLAttributes, { class: "stranger", contenteditable: "false" }),
      "A part of this note cannot be shown here. Nothing of it is lost.",
    ];
  },
});

/** Stands for formatting this version does not know. */
export const StrangerMark = TiptapMark.create({
  name: strangerMark,
  excludes: "",
  renderHTML() {
    return ["span", 0];
  },
});

/**
 * @param onStranger Told when something is met that only a newer version can have written: an unknown
 * node, mark or attribute. Editing must end then, because the binding would drop what it cannot map.
 */
export function makePatient(schema: Schema, onStranger: () => void): void {
  const makeNode = schema.node.bind(schema);
  const makeMark = schema.mark.bind(schema);
  const makeText = schema.text.bind(schema);

  schema.node = (
    type: string | NodeType,
    attrs: Attrs | null = null,
    content?: Parameters<typeof makeNode>[2],
    marks?: readonly Mark[],
  ): Node => {
    const known = typeof type === "string" ? schema.nodes[type] : type;
    if (known === undefined) {
      onStranger();
      return makeNode(strangerNode);
    }
    const clean = cleanAttributes(attrs, known.spec.attrs, onStranger);
    try {
      return makeNode(known, clean, content, marks);
    } catch {
      // Concurrent changes can leave a list item empty, or a list without items.
      return known.createAndFill(clean, content, marks) ?? makeNode(strangerNode);
    }
  };

  schema.mark = (type: string | MarkType, attrs: Attrs | null = null): Mark => {
    const known = typeof type === "string" ? schema.marks[type] : type;
    if (known === undefined) {
      onStranger();
      return makeMark(strangerMark);
    }
    return makeMark(known, cleanAttributes(attrs, known.spec.attrs, onStranger));
  };

  schema.text = (text: string, marks?: readonly Mark[] | null): Node => {
    // An embed where only text is known, or nothing at all, which ProseMirror would throw at.
    if (typeof text === "string" && text !== "") return makeText(text, marks);
    onStranger();
    return makeText("\uFFFC", marks);
  };
}

/** Plain values of known names: what others wrote into attributes is unchecked input. */
function cleanAttributes(
  attrs: Attrs | null,
  known: Readonly<Record<string, unknown>> | undefined,
  onStranger: () => void,
): Attrs | null {
  if (attrs === null) return null;
  const clean: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(attrs) as [string, unknown][]) {
    if (known === undefined || !Object.hasOwn(known, name)) onStranger();
    else if (value === null || ["string", "number", "boolean"].includes(typeof value)) {
      clean[name] = value;
    }
  }
  return clean;
}
