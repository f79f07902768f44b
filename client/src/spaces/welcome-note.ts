/** The words of the note that a new space begins with, as the nodes that the editor knows. */
import * as Y from "yjs";

/** Name, attributes, and either words or nodes inside. */
type Node = readonly [name: string, attributes: Attributes, inside: string | readonly Node[]];
type Attributes = Readonly<Record<string, string | number | boolean>>;

const paragraph = (words: string): Node => ["paragraph", {}, words];
const heading = (words: string): Node => ["heading", { level: 2 }, words];
const tasks = (...items: string[]): Node => [
  "taskList",
  {},
  items.map((words): Node => ["taskItem", { checked: false }, [paragraph(words)]]),
];
const bullets = (...items: string[]): Node => [
  "bulletList",
  {},
  items.map((words): Node => ["listItem", {}, [paragraph(words)]]),
];

const welcome: readonly Node[] = [
  paragraph(
    "This space holds notes and channels for you and the people you invite. Nobody else can read them, not even the relay that carries them.",
  ),
  paragraph(
    "Whatever you write is kept on this device first, and goes to the others as soon as there is a connection. The line at the bottom of the sidebar always tells how far it has come.",
  ),
  heading("To begin with"),
  tasks(
    "Invite somebody, with the button in the sidebar",
    "Say hello in the channel general",
    "Switch the network off and go on writing: nothing gets lost",
  ),
  heading("While you write"),
  bullets(
    "Begin a line with # for a heading, - for a list, [ ] for a task, > for a quote",
    "**Bold**, *italic* and `code` turn into what they mean as you type them",
    "Press ? outside a text for all shortcuts",
  ),
];

/** One transaction, so that it is one change of mine. Leaves alone what has content already. */
export function writeWelcome(doc: Y.Doc, fragmentName: string): void {
  const fragment = doc.getXmlFragment(fragmentName);
  if (fragment.length > 0) return;
  doc.transact(() => fragment.push(welcome.map(elementOf)));
}

function elementOf([name, attributes, inside]: Node): Y.XmlElement {
  const element = new Y.XmlElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    // Yjs stores any JSON value; its types know only text.
    element.setAttribute(key, value as string);
  }
  // Not `push`, which asks for the length of what is not part of a document yet.
  element.insert(0, typeof inside === "string" ? [new Y.XmlText(inside)] : inside.map(elementOf));
  return element;
}
