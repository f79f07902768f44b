import { expect, it } from "vitest";
import * as Y from "yjs";
import { writeWelcome } from "./welcome-note.ts";

it("writes the welcome in one change, and only into an empty note", () => {
  const doc = new Y.Doc();
  let changes = 0;
  doc.on("update", () => changes++);
  writeWelcome(doc, "content");
  writeWelcome(doc, "content");
  expect(changes).toBe(1);
  const content = doc.getXmlFragment("content");
  expect(content.toArray().map((node) => (node as Y.XmlElement).nodeName)).toEqual([
    "paragraph",
    "paragraph",
    "heading",
    "taskList",
    "heading",
    "bulletList",
  ]);
  const task = (content.get(3) as Y.XmlElement).get(0) as Y.XmlElement;
  expect(task.getAttributes()).toEqual({ checked: false });
});
