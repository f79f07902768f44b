/**
 * Keeps the binding from writing what nobody typed. It compares the whole editor with the shared document
 * at every change of state, a mere click included, and writes the difference. The two may differ though
 * nobody typed: ProseMirror fills a note that somebody else emptied with a paragraph, and a reader would
 * write that paragraph by looking at it. Here it writes only when the editor's document is another one
 * than what it last showed, and a click costs no comparison.
 */
import { Extension } from "@tiptap/core";
import { Plugin } from "@tiptap/pm/state";
import type { Node } from "@tiptap/pm/model";
import { ySyncPluginKey } from "@tiptap/y-tiptap";

interface SyncState {
  readonly binding: { _prosemirrorChanged(doc: Node): void };
  readonly isChangeOrigin: boolean;
}

export const QuietBinding = Extension.create({
  name: "quietBinding",
  // After the binding's own plugin.
  priority: 1,
  addProseMirrorPlugins() {
    return [
      new Plugin({
        view: (view) => {
          const { binding } = ySyncPluginKey.getState(view.state) as SyncState;
          const write = binding._prosemirrorChanged.bind(binding);
          let shown = view.state.doc;
          binding._prosemirrorChanged = (doc) => {
            if (doc === shown) return;
            write(doc);
            shown = doc;
          };
          return {
            update: () => {
              const sync = ySyncPluginKey.getState(view.state) as SyncState;
              if (sync.isChangeOrigin) shown = view.state.doc;
            },
          };
        },
      }),
    ];
  },
});
