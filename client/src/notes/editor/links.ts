/**
 * Links by shortcut, and as you type: `[words](https://…)`, and an address followed by a space. Tiptap's own autolink
 * answers every change of the document, those of others included, so that each reader would write the
 * link once more; input rules answer only the keys of this person.
 */
import { Extension, InputRule } from "@tiptap/core";
import { segmentsOf } from "../../chat/linkify.ts";

/** Web and mail addresses in full; nothing relative, no scripts, no data. */
export function isLinkAddress(address: string | null | undefined): boolean {
  if (typeof address !== "string" || !/^(?:https?|mailto):/iu.test(address)) return false;
  const url = URL.parse(address);
  return url !== null && (url.protocol === "mailto:" || url.hostname !== "");
}

export interface LinkKeysOptions {
  readonly onLink: () => void;
}

export const LinkKeys = Extension.create<LinkKeysOptions>({
  name: "linkKeys",
  addOptions: () => ({ onLink: () => {} }),
  addKeyboardShortcuts() {
    return {
      "Mod-Alt-k": () => {
        this.options.onLink();
        return true;
      },
    };
  },
  addInputRules() {
    return [
      new InputRule({
        find: /\[([^[\]]+)\]\(([^\s()]+)\)$/u,
        handler: ({ state, range, match }) => {
          const [, words = "", address = ""] = match;
          const type = state.schema.marks["link"];
          if (type === undefined || !isLinkAddress(address)) return null;
          const marks = state.doc.resolve(range.from).marks();
          state.tr
            .replaceWith(
              range.from,
              range.to,
              state.schema.text(words, type.create({ href: address }).addToSet(marks)),
            )
            .removeStoredMark(type);
          return undefined;
        },
      }),
      new InputRule({
        find: /(?:^|\s)((?:https?:\/\/|www\.)\S+)\s$/u,
        handler: ({ state, range, match }) => {
          const type = state.schema.marks["link"];
          const [whole = "", typed = ""] = match;
          const link = segmentsOf(typed)[0];
          if (type === undefined || link?.href === undefined) return null;
          const start = range.from + whole.indexOf(typed);
          if (state.doc.rangeHasMark(start, start + link.text.length, type)) return null;
          state.tr
            .addMark(start, start + link.text.length, type.create({ href: link.href }))
            .insertText(whole.at(-1) ?? " ", range.to)
            .removeStoredMark(type);
          return undefined;
        },
      }),
    ];
  },
});
