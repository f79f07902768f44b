/** What of the editor's state the tools around it show; renders again only when that changes. */
import { useRef, useSyncExternalStore } from "react";
import type { Editor } from "@tiptap/core";

export function useEditorState<T>(
  editor: Editor,
  select: (editor: Editor) => T,
  equal: (a: T, b: T) => boolean,
): T {
  const last = useRef<T>(undefined);
  return useSyncExternalStore(
    (listener) => {
      editor.on("transaction", listener);
      return () => editor.off("transaction", listener);
    },
    () => {
      const next = select(editor);
      const before = last.current;
      if (before !== undefined && equal(before, next)) return before;
      last.current = next;
      return next;
    },
  );
}
