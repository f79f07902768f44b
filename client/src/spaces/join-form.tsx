/**
 * Joining by link: paste it (or have opened it), see who invites you to what, and only then join. A link
 * that leads nowhere explains itself and stays in the field. The link is a secret: it is never logged
 * and never stands in the address bar.
 */
import { useEffect, useRef, useState } from "react";
import type { SpaceTag } from "@skein/shared/id/id.ts";
import type { InvitePreview, InviteRefusal } from "../runtime/api.ts";
import { useApp } from "../ui/app-context.ts";
import { Avatar } from "../ui/avatar.tsx";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { useNow } from "../ui/observable.ts";
import { expiryWords } from "../ui/time-words.ts";
import { refusalWords } from "./refusal-words.ts";
import { roleWords } from "./role-words.ts";
import "./join-form.css";

type Step =
  | { readonly kind: "link"; readonly refusal?: InviteRefusal }
  | { readonly kind: "reading" }
  | { readonly kind: "preview"; readonly preview: InvitePreview; readonly busy: boolean };

export interface JoinFormProps {
  /** What was opened, if a link was; it is looked at once. */
  readonly link: string | undefined;
  readonly onJoined: (space: SpaceTag) => void;
  readonly onCancel: (() => void) | undefined;
  readonly startsFocused?: boolean;
}

export function JoinForm({
  link: opened,
  onJoined,
  onCancel,
  startsFocused = false,
}: JoinFormProps) {
  const app = useApp();
  const [link, setLink] = useState(opened ?? "");
  const [step, setStep] = useState<Step>({ kind: opened === undefined ? "link" : "reading" });
  /** Answers to a link that is no longer in the field are ignored. */
  const asked = useRef(0);

  const read = (text: string) => {
    const turn = ++asked.current;
    setStep({ kind: "reading" });
    app
      .readInvite(text.trim())
      .catch(unreadable)
      .then((answer) => {
        if (turn !== asked.current) return;
        if (answer.kind === "refusal") setStep({ kind: "link", refusal: answer });
        else setStep({ kind: "preview", preview: answer, busy: false });
      })
      .catch(() => {});
  };

  useEffect(() => {
    if (opened === undefined) return;
    setLink(opened);
    read(opened);
    // Only when another link was opened.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [opened, app]);

  if (step.kind === "preview") {
    const { preview, busy } = step;
    return (
      <Preview
        preview={preview}
        busy={busy}
        onBack={() => setStep({ kind: "link" })}
        onJoin={() => {
          if (preview.mine !== undefined) {
            onJoined(preview.mine);
            return;
          }
          setStep({ ...step, busy: true });
          app
            .join(link.trim())
            .catch(unreadable)
            .then((answer) => {
              if (typeof answer === "string") onJoined(answer);
              else setStep({ kind: "link", refusal: answer });
            })
            .catch(() => {});
        }}
      />
    );
  }

  const refusal = step.kind === "link" ? step.refusal : undefined;
  const advice = refusal === undefined ? undefined : refusalWords(refusal);
  return (
    <form
      className="join-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (link.trim() !== "") read(link);
      }}
    >
      <TextField
        label="Invite link"
        value={link}
        onChange={(text) => {
          asked.current++;
          setLink(text);
          setStep({ kind: "link" });
        }}
        placeholder="https://…/#/join/…"
        hint="From any host: paste the whole link here."
        problem={advice && `${advice.title}. ${advice.advice}`}
        startsFocused={startsFocused}
      />
      <div className="dialog-actions">
        {onCancel !== undefined && (
          <Button look="quiet" onPress={onCancel}>
            Not now
          </Button>
        )}
        <Button
          submits
          look={link.trim() === "" ? "plain" : "primary"}
          isDisabled={link.trim() === ""}
          isBusy={step.kind === "reading"}
        >
          {step.kind === "reading"
            ? "Looking …"
            : refusal === undefined
              ? "Look at invite"
              : "Try again"}
        </Button>
      </div>
    </form>
  );
}

function unreadable(): InviteRefusal {
  return { kind: "refusal", reason: "relay unreachable", detail: "" };
}

interface PreviewProps {
  readonly preview: InvitePreview;
  readonly busy: boolean;
  readonly onBack: () => void;
  readonly onJoin: () => void;
}

function Preview({ preview, busy, onBack, onJoin }: PreviewProps) {
  const nowMs = useNow(30_000);
  const isMine = preview.mine !== undefined;
  return (
    <div className="join-form">
      <div className="join-preview">
        <Avatar id={hueSeed(preview.space)} name={preview.space} size={56} />
        <div>
          <p className="join-space">
            <bdi>{preview.space}</bdi>
          </p>
          <p className="join-by">
            {isMine ? (
              "You are in this space already."
            ) : (
              <>
                <bdi>{preview.inviter}</bdi> invites you as {roleWords(preview.role).toLowerCase()}.
              </>
            )}
          </p>
        </div>
      </div>
      <p className="join-fine">
        Over the relay <bdi>{hostOf(preview.relay)}</bdi>
        {preview.expiresMs !== undefined && `; ${expiryWords(preview.expiresMs, nowMs)}`}. Members
        see your name and what you write here.
      </p>
      <div className="dialog-actions">
        <Button look="quiet" onPress={onBack} isDisabled={busy}>
          Back
        </Button>
        <Button look="primary" onPress={onJoin} isBusy={busy} startsFocused>
          {isMine ? "Open" : busy ? "Joining …" : `Join ${preview.space}`}
        </Button>
      </div>
    </div>
  );
}

function hostOf(relay: string): string {
  return URL.parse(relay)?.host || relay;
}

/** A colour for a space that has no id yet: from its name. */
function hueSeed(name: string): string {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 0xffffff;
  return sum.toString(16).padStart(6, "0");
}
