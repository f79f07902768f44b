/** The editor in a real browser: what it shows, and above all what it does not write. */
import { afterEach, describe, expect, it } from "vitest";
import { userEvent } from "vitest/browser";
import { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";
import type { DocumentId } from "@skein/shared/id/id.ts";
import type { OpenNote } from "../../runtime/api.ts";
import { Cell } from "../../runtime/observable.ts";
import { noteEditor, type NoteEditor } from "./note-editor.ts";
import type { PasteNews } from "./paste.ts";

interface Bench {
  readonly doc: Y.Doc;
  readonly content: Y.XmlFragment;
  readonly awareness: Awareness;
  readonly element: HTMLElement;
  /** Updates made by this editor since the last look. */
  written(): Uint8Array[];
  readonly strangers: () => number;
  readonly unbindable: () => number;
  readonly news: PasteNews[];
  readonly editor: () => NoteEditor | undefined;
}

const open: { destroy(): void }[] = [];
afterEach(() => {
  for (const thing of open.splice(0)) thing.destroy();
  document.body.replaceChildren();
});

function bench(fill: (content: Y.XmlFragment) => void = () => {}, editable = true): Bench {
  const doc = new Y.Doc();
  const content = doc.getXmlFragment("content");
  remotely(doc, fill);
  const awareness = new Awareness(doc);
  const element = document.body.appendChild(document.createElement("div"));
  const note: OpenNote = {
    id: "00" as DocumentId,
    doc,
    fragment: "content",
    awareness,
    level: new Cell({ level: "none", otherDevices: 0, seenBy: [] }),
    readOnly: new Cell(false),
    trouble: new Cell(undefined),
    close: () => Promise.resolve(),
  };
  const written: Uint8Array[] = [];
  doc.on("update", (update: Uint8Array, origin: unknown) => {
    if (origin !== "remote") written.push(update);
  });
  let strangers = 0;
  let unbindable = 0;
  const news: PasteNews[] = [];
  const made = noteEditor({
    element,
    note,
    user: { member: "00", name: "Mira" },
    editable,
    onStranger: () => strangers++,
    onUnbindable: () => unbindable++,
    onPaste: (item) => news.push(item),
    onLink: () => {},
    onEdit: () => {},
  });
  if (made !== undefined) open.push(made);
  open.push({ destroy: () => awareness.destroy() });
  return {
    doc,
    content,
    awareness,
    element,
    written: () => written.splice(0),
    strangers: () => strangers,
    unbindable: () => unbindable,
    news,
    editor: () => made,
  };
}

const prose = ({ element }: Bench) => element.querySelector<HTMLElement>(".prose")!;

type Inside = Y.XmlElement | Y.XmlText;

function node(name: string, attributes: Record<string, unknown>, ...inside: Inside[]) {
  const element = new Y.XmlElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, value as string);
  }
  element.insert(0, inside);
  return element;
}

const text = (words: string) => new Y.XmlText(words);
const paragraph = (words: string) => node("paragraph", {}, text(words));

/** A change that came from somebody else. */
function remotely(doc: Y.Doc, change: (content: Y.XmlFragment) => void): void {
  const other = new Y.Doc();
  Y.applyUpdate(other, Y.encodeStateAsUpdate(doc));
  other.transact(() => change(other.getXmlFragment("content")));
  Y.applyUpdate(doc, Y.encodeStateAsUpdate(other), "remote");
  other.destroy();
}

/** Everything that looking at a note can set off. */
async function lookAround(at: Bench): Promise<void> {
  await userEvent.click(prose(at));
  await userEvent.keyboard("{ArrowDown}{ArrowUp}{End}{Home}");
  remotely(at.doc, (content) => content.push([paragraph("from elsewhere")]));
  await userEvent.click(prose(at));
  await userEvent.keyboard("{ArrowUp}");
}

describe("looking at a note writes nothing", () => {
  it("when it is empty", async () => {
    const at = bench();
    await userEvent.click(prose(at));
    await userEvent.keyboard("{ArrowDown}");
    expect(at.written()).toEqual([]);
    expect(at.content.length).toBe(0);
  });

  it("when somebody else took everything out", async () => {
    const at = bench((content) => content.push([paragraph("one"), paragraph("two")]));
    await userEvent.click(prose(at));
    remotely(at.doc, (content) => content.delete(0, content.length));
    await userEvent.keyboard("{ArrowDown}");
    await userEvent.click(prose(at));
    expect(at.written()).toEqual([]);
    expect(at.content.length).toBe(0);
  });

  it("when two people's texts stand side by side in a paragraph", async () => {
    const at = bench((content) => content.push([node("paragraph", {}, text("one"), text("two"))]));
    await lookAround(at);
    expect(at.written()).toEqual([]);
    expect(prose(at).textContent).toContain("onetwo");
  });

  it("when concurrent changes left a list item and a list empty", async () => {
    const at = bench((content) => {
      content.push([
        paragraph("before"),
        node("bulletList", {}, node("listItem", {}), node("listItem", {}, paragraph("kept"))),
        node("bulletList", {}),
        node("taskList", {}, paragraph("no task")),
      ]);
    });
    await lookAround(at);
    expect(at.written()).toEqual([]);
    expect(prose(at).textContent).toContain("kept");
  });

  it("when an address stands in what others type", async () => {
    const at = bench((content) => content.push([paragraph("see https://example.org/a ")]));
    await lookAround(at);
    remotely(at.doc, (content) => {
      const words = (content.get(0) as Y.XmlElement).get(0) as Y.XmlText;
      words.insert(words.length, "https://example.org/b and ");
    });
    await lookAround(at);
    expect(at.written()).toEqual([]);
  });
});

describe("what a newer version wrote", () => {
  it.each<[string, (content: Y.XmlFragment) => void]>([
    [
      "a block",
      (content) => content.push([paragraph("known"), node("table", { rows: 2 }, text("x"))]),
    ],
    [
      "a block inside a list",
      (content) => content.push([node("bulletList", {}, node("hologram", {}))]),
    ],
    [
      "an attribute",
      (content) => content.push([node("paragraph", { colour: "red" }, text("known"))]),
    ],
    [
      "a mark",
      (content) => {
        const words = text("known");
        content.push([node("paragraph", {}, words)]);
        words.format(0, 3, { glow: { strength: 2 } });
      },
    ],
    [
      "an embed in a text",
      (content) => {
        const words = text("known");
        content.push([node("paragraph", {}, words)]);
        words.insertEmbed(2, { image: "x" });
      },
    ],
  ])("is kept, noticed and never deleted: %s", async (_, fill) => {
    const at = bench(fill);
    const before = Y.encodeStateAsUpdate(at.doc);
    await expect.poll(at.strangers).toBeGreaterThan(0);
    at.editor()?.editor.setEditable(false);
    await userEvent.click(prose(at));
    expect(at.written()).toEqual([]);
    expect(Y.encodeStateAsUpdate(at.doc)).toEqual(before);
  });

  it("is noticed when it arrives while the note is open", async () => {
    const at = bench((content) => content.push([paragraph("known")]));
    expect(at.strangers()).toBe(0);
    remotely(at.doc, (content) => content.push([node("table", {})]));
    await expect.poll(at.strangers).toBeGreaterThan(0);
    expect(at.written()).toEqual([]);
    expect(prose(at).textContent).toContain("cannot be shown here");
  });
});

describe("what no editor can hold", () => {
  it.each<[string, (content: Y.XmlFragment) => void]>([
    ["a map", (content) => content.push([node("paragraph", {}, new Y.Map() as never)])],
    ["a text between blocks", (content) => content.push([text("loose")])],
    [
      "nesting without end",
      (content) => {
        let inner = paragraph("deep");
        for (let depth = 0; depth < 200; depth++) inner = node("blockquote", {}, inner);
        content.push([inner]);
      },
    ],
  ])("ends the editor and not the document: %s", (_, fill) => {
    const at = bench((content) => content.push([paragraph("known")]));
    remotely(at.doc, fill);
    expect(at.unbindable()).toBe(1);
    expect(at.written()).toEqual([]);
    remotely(at.doc, (content) => content.insert(0, [paragraph("life goes on")]));
    expect(at.content.length).toBeGreaterThan(1);
    expect(bench(fill).editor()).toBeUndefined();
  });
});

describe("typing", () => {
  it("becomes Markdown, and links as one writes them", async () => {
    const at = bench();
    await userEvent.click(prose(at));
    await userEvent.keyboard("# Head{Enter}see https://example.org/x. and **bold** too");
    await userEvent.keyboard("{Enter}[[words](https://example.org/y) end");
    const links = [...prose(at).querySelectorAll("a")].map((link) => [link.textContent, link.href]);
    expect(links).toEqual([
      ["https://example.org/x", "https://example.org/x"],
      ["words", "https://example.org/y"],
    ]);
    expect(prose(at).querySelector("h1")?.textContent).toBe("Head");
    expect(prose(at).querySelector("strong")?.textContent).toBe("bold");
    expect(at.written().length).toBeGreaterThan(0);
  });

  it("is undone without what others wrote meanwhile", async () => {
    const at = bench((content) => content.push([paragraph("theirs")]));
    await userEvent.click(prose(at));
    await userEvent.keyboard("{End} mine");
    remotely(at.doc, (content) => content.push([paragraph("later theirs")]));
    expect(prose(at).textContent).toBe("theirs minelater theirs");
    at.editor()?.editor.commands.undo();
    expect(prose(at).textContent).toBe("theirslater theirs");
  });

  it("beside something hidden leaves it where it is", async () => {
    const at = bench((content) => {
      content.push([paragraph("words"), node("bulletList", {}), paragraph("more")]);
    });
    await userEvent.click(prose(at).querySelector("p")!);
    await userEvent.keyboard("{End}!");
    expect(at.content.toJSON()).toBe(
      "<paragraph>words!</paragraph><bulletlist></bulletlist><paragraph>more</paragraph>",
    );
  });
});

describe("links of others", () => {
  it("lead nowhere but to the web and to mail", () => {
    const at = bench((content) => {
      const words = text("a trap");
      content.push([node("paragraph", {}, words)]);
      words.format(0, 6, { link: { href: "javascript:alert(1)", target: { evil: true } } });
    });
    expect(prose(at).textContent).toBe("a trap");
    expect(prose(at).innerHTML).not.toContain("javascript:");
  });
});

describe("others' carets", () => {
  it("show their names, and nonsense shows nothing", async () => {
    const at = bench((content) => content.push([paragraph("words")]));
    const position = (index: number) => {
      const words = (at.content.get(0) as Y.XmlElement).get(0) as Y.XmlText;
      return Y.relativePositionToJSON(
        Y.createRelativePositionFromTypeIndex(words, index),
      ) as unknown;
    };
    const { states } = at.awareness;
    const cursor = { anchor: position(1), head: position(3) };
    states.set(1, { user: { member: "01", name: "Ana" }, cursor });
    states.set(2, {
      user: { member: "02", name: "Eve" },
      cursor: { anchor: { type: "x" }, head: 7 },
    });
    states.set(3, { user: { member: {}, name: ["x"] }, cursor });
    states.set(4, { cursor });
    states.set(5, null as never);
    at.awareness.emit("change", [{ added: [1, 2, 3, 4, 5], updated: [], removed: [] }, "remote"]);
    const names = () =>
      [...prose(at).querySelectorAll(".caret-name")].map((label) => label.textContent);
    await expect.poll(names).toEqual(["Ana"]);
  });
});

describe("a large paste", () => {
  function paste(at: Bench, data: Record<string, string>): void {
    const clipboardData = new DataTransfer();
    for (const [type, value] of Object.entries(data)) clipboardData.setData(type, value);
    prose(at).dispatchEvent(
      new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }),
    );
  }

  const done = (at: Bench) => () => at.news.at(-1)?.kind;

  it("goes in slice by slice, whole and in order", async () => {
    const at = bench((content) => content.push([paragraph("before after")]));
    at.editor()?.editor.commands.setTextSelection(8);
    const lines = Array.from({ length: 6_000 }, (_, line) => `line ${line} of a long text`);
    paste(at, { "text/plain": lines.join("\n") });
    await expect.poll(done(at), { timeout: 15_000 }).toBe("done");
    const updates = at.written();
    expect(updates.length).toBeGreaterThan(3);
    expect(Math.max(...updates.map((update) => update.length))).toBeLessThan(60_000);
    const paragraphs = [...prose(at).querySelectorAll("p")].map(({ textContent }) => textContent);
    expect(paragraphs).toEqual([
      `before ${lines[0]}`,
      ...lines.slice(1, -1),
      `${lines.at(-1)}after`,
    ]);
  });

  it("of formatted text keeps its formatting and comes in parts too", async () => {
    const at = bench();
    const html = "<p>some <b>rich</b> words</p>".repeat(2_000);
    paste(at, { "text/html": html, "text/plain": "some rich words\n".repeat(2_000) });
    await expect.poll(done(at), { timeout: 15_000 }).toBe("done");
    expect(prose(at).querySelectorAll("strong")).toHaveLength(2_000);
    expect(at.written().length).toBeGreaterThan(1);
  });

  it("that no note should take is explained and changes nothing", () => {
    const at = bench();
    paste(at, { "text/plain": "x".repeat(3_100_000) });
    expect(at.news).toEqual([{ kind: "refused", reason: "too large", chars: 3_100_000 }]);
    expect(at.written()).toEqual([]);
  });

  it("and a small one keeps what its style attributes say", () => {
    const at = bench();
    const html =
      '<p onclick="x()"><span style="font-weight: 700">bold</span> <i>it</i></p><script>1</script>';
    paste(at, { "text/html": html, "text/plain": "bold it" });
    expect(prose(at).innerHTML).toContain("<strong>bold</strong> <em>it</em>");
    expect(prose(at).innerHTML).not.toContain("onclick");
  });
});
