/** The tools above a note. Everything they do can be typed as Markdown or by shortcut as well. */
import { useState, type ReactNode } from "react";
import type { Editor } from "@tiptap/core";
import {
  Bold,
  Code,
  Heading1,
  Heading2,
  Heading3,
  Italic,
  Link2,
  List,
  ListChecks,
  ListOrdered,
  Redo2,
  SquareCode,
  Strikethrough,
  TextQuote,
  Undo2,
} from "lucide-react";
import { Toolbar } from "react-aria-components";
import { Button, IconButton } from "../../ui/button.tsx";
import { TextField } from "../../ui/field.tsx";
import { mod } from "../../ui/keys.ts";
import { Dialog } from "../../ui/overlay.tsx";
import { isLinkAddress } from "./links.ts";
import { useEditorState } from "./use-editor-state.ts";

interface Tool {
  readonly label: string;
  readonly keys?: string;
  readonly icon: ReactNode;
  readonly isOn: (editor: Editor) => boolean;
  readonly run: (editor: Editor) => void;
}

const tools: readonly (readonly Tool[])[] = [
  ([1, 2, 3] as const).map((level): Tool => {
    const Icon = [Heading1, Heading2, Heading3][level - 1] ?? Heading1;
    return {
      label: `Heading ${level}`,
      keys: mod(`Alt ${level}`),
      icon: <Icon aria-hidden />,
      isOn: (editor) => editor.isActive("heading", { level }),
      run: (editor) => editor.chain().focus().toggleHeading({ level }).run(),
    };
  }),
  [
    {
      label: "Bold",
      keys: mod("B"),
      icon: <Bold aria-hidden />,
      isOn: (editor) => editor.isActive("bold"),
      run: (editor) => editor.chain().focus().toggleBold().run(),
    },
    {
      label: "Italic",
      keys: mod("I"),
      icon: <Italic aria-hidden />,
      isOn: (editor) => editor.isActive("italic"),
      run: (editor) => editor.chain().focus().toggleItalic().run(),
    },
    {
      label: "Strike through",
      keys: mod("Shift S"),
      icon: <Strikethrough aria-hidden />,
      isOn: (editor) => editor.isActive("strike"),
      run: (editor) => editor.chain().focus().toggleStrike().run(),
    },
    {
      label: "Code",
      keys: mod("E"),
      icon: <Code aria-hidden />,
      isOn: (editor) => editor.isActive("code"),
      run: (editor) => editor.chain().focus().toggleCode().run(),
    },
  ],
  [
    {
      label: "List",
      keys: mod("Shift 8"),
      icon: <List aria-hidden />,
      isOn: (editor) => editor.isActive("bulletList"),
      run: (editor) => editor.chain().focus().toggleBulletList().run(),
    },
    {
      label: "Numbered list",
      keys: mod("Shift 7"),
      icon: <ListOrdered aria-hidden />,
      isOn: (editor) => editor.isActive("orderedList"),
      run: (editor) => editor.chain().focus().toggleOrderedList().run(),
    },
    {
      label: "Tasks",
      keys: mod("Shift 9"),
      icon: <ListChecks aria-hidden />,
      isOn: (editor) => editor.isActive("taskList"),
      run: (editor) => editor.chain().focus().toggleTaskList().run(),
    },
    {
      label: "Quote",
      keys: mod("Shift B"),
      icon: <TextQuote aria-hidden />,
      isOn: (editor) => editor.isActive("blockquote"),
      run: (editor) => editor.chain().focus().toggleBlockquote().run(),
    },
    {
      label: "Code block",
      keys: mod("Alt C"),
      icon: <SquareCode aria-hidden />,
      isOn: (editor) => editor.isActive("codeBlock"),
      run: (editor) => editor.chain().focus().toggleCodeBlock().run(),
    },
  ],
];

export interface ToolsProps {
  readonly editor: Editor;
  readonly linking: boolean;
  readonly onLinking: (open: boolean) => void;
}

export function Tools({ editor, linking, onLinking }: ToolsProps) {
  const on = useEditorState(
    editor,
    () => ({
      tools: tools.map((group) => group.map((tool) => tool.isOn(editor))),
      link: editor.isActive("link"),
      undo: editor.can().undo(),
      redo: editor.can().redo(),
    }),
    (a, b) => JSON.stringify(a) === JSON.stringify(b),
  );
  return (
    <Toolbar className="tools" aria-label="Formatting">
      {tools.map((group, index) => (
        <div key={group[0]?.label} className="tools-group">
          {group.map((tool, position) => (
            <IconButton
              key={tool.label}
              label={tool.label}
              isPressed={on.tools[index]?.[position] ?? false}
              onPress={() => tool.run(editor)}
              {...(tool.keys !== undefined && { keys: tool.keys })}
            >
              {tool.icon}
            </IconButton>
          ))}
        </div>
      ))}
      <div className="tools-group">
        <IconButton
          label="Link"
          keys={mod("Alt K")}
          isPressed={on.link}
          onPress={() => onLinking(true)}
        >
          <Link2 aria-hidden />
        </IconButton>
      </div>
      <div className="tools-group">
        <IconButton
          label="Undo"
          keys={mod("Z")}
          isDisabled={!on.undo}
          onPress={() => editor.chain().focus().undo().run()}
        >
          <Undo2 aria-hidden />
        </IconButton>
        <IconButton
          label="Redo"
          keys={mod("Shift Z")}
          isDisabled={!on.redo}
          onPress={() => editor.chain().focus().redo().run()}
        >
          <Redo2 aria-hidden />
        </IconButton>
      </div>
      {linking && <LinkDialog editor={editor} onClose={() => onLinking(false)} />}
    </Toolbar>
  );
}

function LinkDialog({
  editor,
  onClose,
}: {
  readonly editor: Editor;
  readonly onClose: () => void;
}) {
  const before = editor.getAttributes("link")["href"] as unknown;
  const [address, setAddress] = useState(typeof before === "string" ? before : "");
  const [problem, setProblem] = useState<string>();
  const apply = () => {
    const typed = address.trim();
    const href = /^[a-z][a-z\d+.-]*:/iu.test(typed) ? typed : `https://${typed}`;
    if (typed === "" || !isLinkAddress(href)) {
      setProblem("A link leads to a web address or, with mailto:, to a mail address.");
      return;
    }
    const chain = editor.chain().focus().extendMarkRange("link");
    if (editor.state.selection.empty && !editor.isActive("link")) {
      chain.insertContent({
        type: "text",
        text: typed,
        marks: [{ type: "link", attrs: { href } }],
      });
    } else {
      chain.setLink({ href });
    }
    chain.run();
    onClose();
  };
  return (
    <Dialog title="Link" onClose={onClose}>
      <form
        className="dialog-content"
        onSubmit={(event) => {
          event.preventDefault();
          apply();
        }}
      >
        <TextField
          label="Address"
          value={address}
          onChange={(next) => {
            setAddress(next);
            setProblem(undefined);
          }}
          placeholder="https://…"
          problem={problem}
          startsFocused
        />
        <div className="dialog-actions">
          {typeof before === "string" && (
            <Button
              look="danger"
              onPress={() => {
                editor.chain().focus().extendMarkRange("link").unsetLink().run();
                onClose();
              }}
            >
              Remove link
            </Button>
          )}
          <Button submits look="primary">
            Set link
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
