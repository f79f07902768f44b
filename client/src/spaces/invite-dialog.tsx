/**
 * Inviting: role, expiry, how often; then the link, to copy, to share or to scan, and the list of all
 * invites with what became of them. Whoever has a link can join with it, so that is said here.
 */
import { useState } from "react";
import { Copy, Share2 } from "lucide-react";
import type { InviteLink, InviteRow, Role } from "../runtime/api.ts";
import { useSpace } from "../ui/app-context.ts";
import { Button } from "../ui/button.tsx";
import { copyText } from "../ui/clipboard.ts";
import { Choice, TextField } from "../ui/field.tsx";
import { counted } from "../ui/list-words.ts";
import { tell } from "../ui/notices.tsx";
import { useNow, useObservable } from "../ui/observable.ts";
import { Dialog } from "../ui/overlay.tsx";
import { expiryWords } from "../ui/time-words.ts";
import { inviteState, inviteUses } from "./invite-words.ts";
import { QrCode } from "./qr-code.tsx";
import { roleWords } from "./role-words.ts";
import "./invite-dialog.css";

const hourMs = 3_600_000;
const lives = [
  { value: "day", label: "1 day", ms: 24 * hourMs },
  { value: "week", label: "7 days", ms: 7 * 24 * hourMs },
  { value: "month", label: "30 days", ms: 30 * 24 * hourMs },
  { value: "never", label: "Never", ms: undefined },
] as const;
const uses = [
  { value: "1", label: "Once", count: 1 },
  { value: "10", label: "10 times", count: 10 },
  { value: "100", label: "100 times", count: 100 },
  { value: "any", label: "Without limit", count: undefined },
] as const;
const roles = [
  { value: "editor", label: "Editor: reads and writes" },
  { value: "owner", label: "Owner: also invites owners" },
] as const;

export function InviteDialog({ onClose }: { readonly onClose: () => void }) {
  const space = useSpace();
  const name = useObservable(space.name);
  const myRole = useObservable(space.myRole);
  const invites = useObservable(space.invites);
  const [role, setRole] = useState<"editor" | "owner">("editor");
  const [life, setLife] = useState<(typeof lives)[number]["value"]>("week");
  const [count, setCount] = useState<(typeof uses)[number]["value"]>("10");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const [link, setLink] = useState<InviteLink>();

  const create = () => {
    const lifeMs = lives.find(({ value }) => value === life)?.ms;
    setBusy(true);
    setProblem(undefined);
    space
      .createInvite({
        role,
        expiresMs: lifeMs === undefined ? undefined : Date.now() + lifeMs,
        uses: uses.find(({ value }) => value === count)?.count,
      })
      .then((made) => {
        if (made.kind === "link") setLink(made);
        else setProblem(failedWords(made.detail));
      })
      .catch(() => setProblem(failedWords("")))
      .finally(() => setBusy(false));
  };

  return (
    <Dialog title={`Invite to ${name}`} size="wide" onClose={onClose}>
      <div className="dialog-content">
        {link === undefined ? (
          <>
            <div className="invite-choices">
              {myRole === "owner" && (
                <Choice<Role> label="Role" value={role} options={roles} onChange={chooseRole} />
              )}
              <Choice label="Works for" value={life} options={lives} onChange={setLife} />
              <Choice label="Can be used" value={count} options={uses} onChange={setCount} />
            </div>
            {problem !== undefined && (
              <p className="field-problem" role="alert">
                {problem}
              </p>
            )}
            <div className="dialog-actions">
              <Button look="primary" onPress={create} isBusy={busy} startsFocused>
                {busy ? "Creating …" : "Create link"}
              </Button>
            </div>
          </>
        ) : (
          <LinkCard link={link} name={name} onAnother={() => setLink(undefined)} />
        )}
        {invites.length > 0 && <InviteList invites={invites} onShow={setLink} />}
      </div>
    </Dialog>
  );

  function chooseRole(next: Role): void {
    if (next !== "reader") setRole(next);
  }
}

function failedWords(detail: string): string {
  const why = detail === "" ? "" : ` (${detail})`;
  return `The link could not be created: the relay must keep it, and does not answer${why}. Try again when you are connected.`;
}

interface LinkCardProps {
  readonly link: InviteLink;
  readonly name: string;
  readonly onAnother: () => void;
}

function LinkCard({ link, name, onAnother }: LinkCardProps) {
  return (
    <div className="invite-link">
      <QrCode text={link.url} label={`QR code of the invite to ${name}`} />
      <div className="invite-link-words">
        <TextField
          label="Invite link"
          value={link.url}
          onChange={() => {}}
          isReadOnly
          hint="Whoever has this link can join. Hand it on like a key."
        />
        <div className="invite-actions">
          <Button
            look="primary"
            startsFocused
            icon={<Copy aria-hidden />}
            onPress={() => {
              void copyText(link.url).then((copied) =>
                tell(copied ? "The link is on the clipboard." : "Copy it from the field, please."),
              );
            }}
          >
            Copy link
          </Button>
          {"share" in navigator && (
            <Button
              icon={<Share2 aria-hidden />}
              onPress={() => {
                // The person closed the sheet: nothing to tell.
                navigator.share({ title: `Join ${name}`, url: link.url }).catch(() => {});
              }}
            >
              Share
            </Button>
          )}
          <Button look="quiet" onPress={onAnother}>
            Another link
          </Button>
        </div>
      </div>
    </div>
  );
}

interface InviteListProps {
  readonly invites: readonly InviteRow[];
  readonly onShow: (link: InviteLink) => void;
}

function InviteList({ invites, onShow }: InviteListProps) {
  const nowMs = useNow(30_000);
  return (
    <section className="invite-list" aria-label="Invites so far">
      <h3 className="panel-heading">Invites so far</h3>
      <ul>
        {invites.map((invite) => (
          <InviteLine key={invite.id} invite={invite} nowMs={nowMs} onShow={onShow} />
        ))}
      </ul>
    </section>
  );
}

interface InviteLineProps {
  readonly invite: InviteRow;
  readonly nowMs: number;
  readonly onShow: (link: InviteLink) => void;
}

function InviteLine({ invite, nowMs, onShow }: InviteLineProps) {
  const space = useSpace();
  const [busy, setBusy] = useState(false);
  const state = inviteState(invite, nowMs);
  const { id, url } = invite;
  return (
    <li className="invite-line">
      <span className="invite-line-words">
        <span>
          {roleWords(invite.role)}, {inviteUses(invite)}
        </span>
        <span className="sync-aside">
          {state === "open" ? expiryWords(invite.expiresMs, nowMs) : state}
          {invite.usesAllowed !== undefined &&
            invite.usesMade > invite.usesAllowed &&
            `; used ${counted(invite.usesMade - invite.usesAllowed, "time")} more than allowed`}
        </span>
      </span>
      {state === "open" && url !== undefined && (
        <Button size="small" look="quiet" onPress={() => onShow({ kind: "link", id, url })}>
          Show
        </Button>
      )}
      {state === "open" && (
        <Button
          size="small"
          look="danger"
          isBusy={busy}
          label="Revoke this invite"
          onPress={() => {
            setBusy(true);
            const failed = () =>
              tell("It could not be revoked: the relay does not answer. Try again when connected.");
            space
              .revokeInvite(id)
              .then((answer) => answer.kind === "failed" && failed(), failed)
              .finally(() => setBusy(false));
          }}
        >
          Revoke
        </Button>
      )}
    </li>
  );
}
