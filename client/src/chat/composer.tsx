/**
 * Where a message is written. Enter sends, Shift+Enter breaks the line, the field grows with the text, and
 * nothing typed is ever lost: the draft is kept with every keystroke and stays when sending is refused.
 */
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { ArrowUp } from "lucide-react";
import { Button as AriaButton } from "react-aria-components";
import type { OpenChannel, PostResult } from "../runtime/api.ts";
import { firstEdit } from "../first-edit.ts";
import { useApp } from "../ui/app-context.ts";
import { bytesInWords } from "../ui/list-words.ts";
import { troubleWords } from "../spaces/trouble-words.ts";
import "./composer.css";

export interface ComposerProps {
  readonly channel: OpenChannel;
  readonly name: string;
  readonly onSent: () => void;
}

export function Composer({ channel, name, onSent }: ComposerProps) {
  const app = useApp();
  const [text, setText] = useState(() => channel.draft());
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);

  useLayoutEffect(() => grow(field.current), [text]);
  // A mouse or keyboard is at hand: the caret waits in the composer. On touch a keyboard would jump up.
  useEffect(() => {
    if (matchMedia("(pointer: fine)").matches) field.current?.focus({ preventScroll: true });
  }, [channel]);

  const change = (next: string) => {
    setText(next);
    setProblem(undefined);
    channel.setDraft(next);
    if (next !== "") channel.typing();
  };

  const send = () => {
    if (busy || text.trim() === "") return;
    setBusy(true);
    channel
      .post(text)
      .then((result) => {
        if (result.kind === "posted") {
          // What was typed meanwhile stays.
          setText((now) => (now === text ? "" : now));
          if (field.current?.value === text) channel.setDraft("");
          setProblem(undefined);
          onSent();
          firstEdit(app);
        } else {
          setProblem(problemWords(result));
        }
      })
      .catch((error: unknown) => {
        const detail = error instanceof Error ? ` (${error.message})` : "";
        setProblem(`It could not be saved; the text stays here.${detail}`);
      })
      .finally(() => {
        setBusy(false);
        field.current?.focus();
      });
  };

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {problem !== undefined && (
        <p className="composer-problem" id="composer-problem" role="alert">
          {problem}
        </p>
      )}
      <div className="composer-box">
        <textarea
          ref={field}
          className="composer-field"
          rows={1}
          dir="auto"
          aria-label={`Message to ${name}`}
          placeholder={`Message #${name}`}
          value={text}
          aria-invalid={problem !== undefined}
          {...(problem !== undefined && { "aria-describedby": "composer-problem" })}
          onChange={(event) => change(event.target.value)}
          onKeyDown={(event) => {
            const plain = !event.shiftKey && !event.altKey && !event.ctrlKey && !event.metaKey;
            if (event.key !== "Enter" || !plain || event.nativeEvent.isComposing) return;
            event.preventDefault();
            send();
          }}
        />
        <AriaButton
          type="submit"
          className="composer-send"
          aria-label="Send"
          isDisabled={text.trim() === ""}
          // The keyboard of a phone stays open.
          preventFocusOnPress
        >
          <ArrowUp aria-hidden />
        </AriaButton>
      </div>
    </form>
  );
}

function grow(field: HTMLTextAreaElement | null): void {
  if (field === null) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

function problemWords(result: Exclude<PostResult, { kind: "posted" }>): string {
  if (result.kind === "failed") {
    const { title, advice } = troubleWords(result.trouble, undefined);
    return `${title}. ${advice}`;
  }
  switch (result.reason) {
    case "empty":
      return "There is nothing to send.";
    case "too long":
      return `This is ${bytesInWords(result.bytes)}; a message holds ${bytesInWords(result.bytesMax)}. Send it in parts, or put it into a note.`;
    case "not text":
      return "This contains characters that are not text. Remove them and try again.";
  }
}
