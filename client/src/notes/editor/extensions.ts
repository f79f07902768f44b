/**
 * What a note is made of. The set is the note's format: adding a kind of node here makes notes that
 * older versions show read-only.
 */
import type { Extensions } from "@tiptap/core";
import Collaboration from "@tiptap/extension-collaboration";
import { TaskItem, TaskList } from "@tiptap/extension-list";
import { Placeholder } from "@tiptap/extensions";
import StarterKit from "@tiptap/starter-kit";
import type * as Y from "yjs";
import type { Awareness } from "y-protocols/awareness";
import { Carets, type CaretsOptions } from "./carets.ts";
import { isLinkAddress, LinkKeys } from "./links.ts";
import { LargePastes, type PasteNews } from "./paste.ts";
import { Stranger, StrangerMark } from "./patient-schema.ts";
import { QuietBinding } from "./quiet-binding.ts";

export interface NoteParts {
  readonly fragment: Y.XmlFragment;
  readonly awareness: Awareness;
  readonly user: CaretsOptions["user"];
  readonly onPaste: (news: PasteNews) => void;
  readonly onLink: () => void;
}

export function noteExtensions({
  fragment,
  awareness,
  user,
  onPaste,
  onLink,
}: NoteParts): Extensions {
  return [
    StarterKit.configure({
      // Undo belongs to the binding: only what this person did.
      undoRedo: false,
      // It would write a paragraph into every note that somebody merely opens.
      trailingNode: false,
      underline: false,
      heading: { levels: [1, 2, 3] },
      link: {
        // See links.ts.
        autolink: false,
        openOnClick: true,
        linkOnPaste: true,
        protocols: ["http", "https", "mailto"],
        isAllowedUri: (address) => isLinkAddress(address),
        HTMLAttributes: { rel: "noopener noreferrer nofollow", target: "_blank" },
      },
      dropcursor: { color: false, class: "drop-cursor" },
    }),
    TaskList,
    TaskItem.configure({ nested: true }),
    Placeholder.configure({
      placeholder: "Write something. # for a heading, - for a list, [ ] for a task",
    }),
    Stranger,
    StrangerMark,
    LinkKeys.configure({ onLink }),
    LargePastes.configure({ onNews: onPaste }),
    Collaboration.configure({ fragment }),
    Carets.configure({ awareness, user }),
    QuietBinding,
  ];
}
