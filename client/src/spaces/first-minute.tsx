/** The first minute: a name, then a space of one's own or somebody else's. No account, nothing else asked. */
import { useState } from "react";
import type { SpaceTag } from "@skein/shared/id/id.ts";
import { useApp, useWays } from "../ui/app-context.ts";
import { Avatar } from "../ui/avatar.tsx";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { Mark } from "../ui/mark.tsx";
import { useObservable } from "../ui/observable.ts";
import { JoinForm } from "./join-form.tsx";
import { SpaceForm } from "./space-form.tsx";
import { Troubles } from "./troubles-bar.tsx";
import "./first-minute.css";

export interface FirstMinuteProps {
  /** An invite that was opened; it decides what the second step begins with. */
  readonly link: string | undefined;
  readonly onLinkDone: () => void;
}

export function FirstMinute({ link, onLinkDone }: FirstMinuteProps) {
  const me = useObservable(useApp().me);
  return (
    <main className="first" data-region="content">
      <Troubles hasDetails={false} />
      <div className="first-inner">
        <Mark size={44} />
        {me === undefined ? (
          <NameStep invited={link !== undefined} />
        ) : (
          <SpaceStep name={me.name} link={link} onLinkDone={onLinkDone} />
        )}
      </div>
    </main>
  );
}

function NameStep({ invited }: { readonly invited: boolean }) {
  const app = useApp();
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState(false);
  const trimmed = name.trim();
  return (
    <>
      <h1 className="first-title">{invited ? "You’re invited" : "Welcome to Skein"}</h1>
      <p className="first-lead">
        {invited
          ? "First a name, so that the others know who joins."
          : "Notes and chat that live on your devices, work offline, and that no server can read."}
      </p>
      <form
        className="first-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (trimmed === "" || busy) return;
          setBusy(true);
          app.introduce(trimmed).catch(() => {
            setBusy(false);
            setFailed(true);
          });
        }}
      >
        <TextField
          label="Your name"
          value={name}
          onChange={setName}
          startsFocused
          autoComplete="nickname"
          maxLength={60}
          hint="As others will see it. You can change it at any time."
          problem={failed ? "The browser could not save it. Please try again." : undefined}
          after={
            <span className="first-avatar" aria-hidden="true">
              <Avatar id={trimmed === "" ? undefined : "000006"} name={trimmed} size={36} />
            </span>
          }
        />
        <Button submits look="primary" wide isDisabled={trimmed === ""} isBusy={busy}>
          Continue
        </Button>
      </form>
      <p className="first-fine">No account, no e-mail address, no password.</p>
    </>
  );
}

interface SpaceStepProps extends FirstMinuteProps {
  readonly name: string;
}

function SpaceStep({ name, link, onLinkDone }: SpaceStepProps) {
  const { go } = useWays();
  const [joins, setJoins] = useState(link !== undefined);
  const open = (space: SpaceTag) => {
    onLinkDone();
    go({ kind: "space", space, list: undefined }, { replace: true });
  };
  return joins ? (
    <>
      <h1 className="first-title">Join a space</h1>
      <JoinForm
        link={link}
        onJoined={open}
        startsFocused={link === undefined}
        onCancel={() => {
          onLinkDone();
          setJoins(false);
        }}
      />
    </>
  ) : (
    <>
      <h1 className="first-title">
        Hello, <bdi>{name}</bdi>
      </h1>
      <p className="first-lead">
        A space holds the notes and channels of a group, or just your own.
      </p>
      <SpaceForm
        onFounded={({ space, welcome }) => {
          onLinkDone();
          go(
            welcome === undefined
              ? { kind: "space", space, list: undefined }
              : { kind: "note", space, note: welcome },
            { replace: true },
          );
        }}
      />
      <div className="first-or">
        <span>or</span>
      </div>
      <Button wide onPress={() => setJoins(true)}>
        Join with a link
      </Button>
    </>
  );
}
