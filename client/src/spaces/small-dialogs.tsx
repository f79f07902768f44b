/** The small dialogs: a new space, joining another, a new channel, and the list of shortcuts. */
import { useState } from "react";
import type { SpaceTag } from "@skein/shared/id/id.ts";
import { useSpace, useWays } from "../ui/app-context.ts";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { shortcuts } from "../ui/keys.ts";
import { Dialog } from "../ui/overlay.tsx";
import { JoinForm } from "./join-form.tsx";
import { SpaceForm } from "./space-form.tsx";
import "./small-dialogs.css";

interface Closes {
  readonly onClose: () => void;
}

export function NewSpaceDialog({ onClose }: Closes) {
  const { go } = useWays();
  return (
    <Dialog title="New space" onClose={onClose}>
      <div className="dialog-content">
        <SpaceForm
          onFounded={({ space, welcome }) => {
            onClose();
            go(
              welcome === undefined
                ? { kind: "space", space, list: undefined }
                : { kind: "note", space, note: welcome },
            );
          }}
        />
      </div>
    </Dialog>
  );
}

export function JoinDialog({ onClose, link }: Closes & { readonly link: string | undefined }) {
  const { go } = useWays();
  return (
    <Dialog title="Join a space" onClose={onClose}>
      <div className="dialog-content">
        <JoinForm
          link={link}
          startsFocused={link === undefined}
          onCancel={onClose}
          onJoined={(space: SpaceTag) => {
            onClose();
            go({ kind: "space", space, list: undefined });
          }}
        />
      </div>
    </Dialog>
  );
}

export function NewChannelDialog({ onClose }: Closes) {
  const space = useSpace();
  const { go } = useWays();
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const trimmed = name.trim().replace(/^#+\s*/u, "");
  return (
    <Dialog title="New channel" onClose={onClose}>
      <form
        className="dialog-content"
        onSubmit={(event) => {
          event.preventDefault();
          if (trimmed === "" || busy) return;
          setBusy(true);
          space.createChannel(trimmed).then(
            (channel) => {
              onClose();
              go({ kind: "channel", space: space.tag, channel });
            },
            () => {
              setBusy(false);
              setProblem("The channel could not be saved. Please try again.");
            },
          );
        }}
      >
        <TextField
          label="Name"
          value={name}
          onChange={setName}
          placeholder="plans"
          maxLength={60}
          startsFocused
          problem={problem}
        />
        <div className="dialog-actions">
          <Button submits look="primary" isDisabled={trimmed === ""} isBusy={busy}>
            Create channel
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

export function ShortcutsDialog({ onClose }: Closes) {
  return (
    <Dialog title="Keyboard shortcuts" size="wide" onClose={onClose}>
      <div className="dialog-content shortcuts">
        {shortcuts.map(({ title, rows }) => (
          <section key={title} aria-label={title}>
            <h3 className="panel-heading">{title}</h3>
            <dl>
              {rows.map(([keys, what]) => (
                <div key={keys} className="shortcut">
                  <dt>{what}</dt>
                  <dd>
                    {keys.split(" ").map((key) => (
                      <kbd key={key}>{key}</kbd>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
