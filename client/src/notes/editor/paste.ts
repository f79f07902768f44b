/**
 * Pastes and drops that are too large for one go: inserted in slices, one transaction each, with the page
 * free to paint between them; and those that are larger than a note should ever take, explained.
 * Everything smaller is left to ProseMirror.
 */
import { Extension } from "@tiptap/core";
import {
  DOMParser,
  Fragment,
  Slice,
  type Node,
  type ParseOptions,
  type Schema,
} from "@tiptap/pm/model";
import { Plugin, TextSelection } from "@tiptap/pm/state";
import type { EditorView } from "@tiptap/pm/view";
import {
  pasteCharsDirect,
  pasteCharsMax,
  pasteHtmlCharsMax,
  pasteSlices,
} from "../paste-slices.ts";

export type PasteNews =
  | { readonly kind: "pasting"; readonly share: number }
  | { readonly kind: "done"; readonly plain: boolean }
  | { readonly kind: "refused"; readonly reason: "too large" | "files"; readonly chars: number };

export interface PasteOptions {
  readonly onNews: (news: PasteNews) => void;
}

export const LargePastes = Extension.create<PasteOptions>({
  name: "largePastes",
  addOptions: () => ({ onNews: () => {} }),
  addProseMirrorPlugins() {
    const { onNews } = this.options;
    return [
      new Plugin({
        props: {
          transformPastedHTML: carryStyles,
          clipboardParser: new StyleBearingParser(
            this.editor.schema,
            DOMParser.fromSchema(this.editor.schema).rules,
          ),
          handleDOMEvents: {
            paste: (view, event) => take(view, event.clipboardData, event, onNews),
            drop: (view, event) => {
              // Moving text inside the note is ProseMirror's business.
              if (view.dragging !== null) return false;
              const at = view.posAtCoords({ left: event.clientX, top: event.clientY });
              const taken = take(view, event.dataTransfer, event, onNews, at?.pos);
              return taken;
            },
          },
          handlePaste: (view, _event, slice) => {
            if (!view.editable || slice.content.size <= pasteCharsDirect) return false;
            void insertInParts(view, partsOf(slice.content), false, onNews);
            return true;
          },
        },
      }),
    ];
  },
});

/**
 * Formatting that a paste carries in style attributes (bold in Google Docs, for one) and that the content
 * security policy takes away when the HTML is parsed: carried over under another name, and set again
 * on the parsed elements, which the policy allows.
 */
const carried = "data-carried-style";

function carryStyles(html: string): string {
  return html.replace(/<[a-z][^<>]*>/giu, (tag) =>
    tag
      .replace(/\son[a-z]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+)/giu, "")
      .replace(/\sstyle\s*=/giu, ` ${carried}=`),
  );
}

class StyleBearingParser extends DOMParser {
  override parseSlice(dom: globalThis.Node, options?: ParseOptions): Slice {
    if (dom instanceof Element) {
      for (const element of dom.querySelectorAll<HTMLElement>(`[${carried}]`)) {
        element.style.cssText = element.getAttribute(carried) ?? "";
        element.removeAttribute(carried);
      }
    }
    return super.parseSlice(dom, options);
  }
}

/** Whether it was taken care of, before ProseMirror would have parsed it. */
function take(
  view: EditorView,
  data: DataTransfer | null,
  event: Event,
  onNews: PasteOptions["onNews"],
  at?: number,
): boolean {
  if (data === null || !view.editable) return false;
  const text = data.getData("text/plain");
  const html = data.getData("text/html");
  if (text === "" && html === "" && data.files.length > 0) {
    event.preventDefault();
    onNews({ kind: "refused", reason: "files", chars: 0 });
    return true;
  }
  if (text.length > pasteCharsMax || (text === "" && html.length > pasteCharsMax)) {
    event.preventDefault();
    onNews({ kind: "refused", reason: "too large", chars: Math.max(text.length, html.length) });
    return true;
  }
  const large = text.length > pasteCharsDirect;
  if (!large || (html !== "" && html.length <= pasteHtmlCharsMax)) return false;
  event.preventDefault();
  if (at !== undefined) {
    const place = TextSelection.near(view.state.doc.resolve(at));
    view.dispatch(view.state.tr.setSelection(place));
  }
  const inCode = view.state.selection.$from.parent.type.spec.code === true;
  const slices = pasteSlices(text);
  const parts = inCode
    ? slices.map((lines, index) => (index === 0 ? "" : "\n") + lines.join("\n"))
    : slices.map((lines) => paragraphs(view.state.schema, lines));
  void insertInParts(view, parts, html !== "", onNews);
  return true;
}

function paragraphs(schema: Schema, lines: readonly string[]): Fragment {
  const type = schema.nodes["paragraph"];
  if (type === undefined) return Fragment.empty;
  return Fragment.from(
    lines.map((line) => type.create(null, line === "" ? null : schema.text(line))),
  );
}

/** Groups whole blocks, so that each part is about the size of a slice of plain text. */
function partsOf(content: Fragment): Fragment[] {
  const parts: Fragment[] = [];
  let nodes: Node[] = [];
  let size = 0;
  content.forEach((node) => {
    if (size > 0 && size + node.nodeSize > pasteCharsDirect) {
      parts.push(Fragment.from(nodes));
      nodes = [];
      size = 0;
    }
    nodes.push(node);
    size += node.nodeSize;
  });
  if (nodes.length > 0) parts.push(Fragment.from(nodes));
  return parts;
}

async function insertInParts(
  view: EditorView,
  parts: readonly (Fragment | string)[],
  plain: boolean,
  onNews: PasteOptions["onNews"],
): Promise<void> {
  for (const [index, part] of parts.entries()) {
    if (view.isDestroyed) return;
    const { tr, schema } = view.state;
    if (typeof part === "string") tr.insertText(part);
    else tr.replaceSelection(joining(schema, part, index > 0));
    view.dispatch(tr.setMeta("paste", true));
    onNews({ kind: "pasting", share: (index + 1) / parts.length });
    await nextFrame();
  }
  if (view.isDestroyed) return;
  view.dispatch(view.state.tr.scrollIntoView());
  onNews({ kind: "done", plain });
}

/** Open at both ends, so that it joins the paragraph of the caret; later parts begin a new one. */
function joining(schema: Schema, content: Fragment, later: boolean): Slice {
  const paragraph = schema.nodes["paragraph"]?.create();
  const whole = later && paragraph !== undefined ? content.addToStart(paragraph) : content;
  const opens = (node: Node | null) => (node?.type.name === "paragraph" ? 1 : 0);
  return new Slice(whole, opens(whole.firstChild), opens(whole.lastChild));
}

function nextFrame(): Promise<void> {
  // Not requestAnimationFrame: a page in the background would never finish.
  return new Promise((resolve) => setTimeout(resolve, 12));
}
