/** A space with nothing open: says what to do next. */
import { FileText, Hash } from "lucide-react";
import { useSpace, useWays } from "../ui/app-context.ts";
import { Button } from "../ui/button.tsx";
import { mod } from "../ui/keys.ts";
import { useObservable } from "../ui/observable.ts";
import { useNewNote } from "./new-note.ts";
import "./home.css";

export function Home() {
  const space = useSpace();
  const { go } = useWays();
  const name = useObservable(space.name);
  const channels = useObservable(space.channels);
  const waiting = useObservable(space.waitingForFirst);
  const { make, busy } = useNewNote();
  const first = channels[0];
  return (
    <div className="home">
      <h1 className="home-title">
        <bdi>{name}</bdi>
      </h1>
      <p className="home-lead">
        {waiting
          ? "Notes and channels appear here as soon as they arrive. You can write already."
          : `Choose a note or a channel on the left, or find one with ${mod("K")}.`}
      </p>
      <div className="home-actions">
        <Button icon={<FileText aria-hidden />} onPress={make} isBusy={busy}>
          New note
        </Button>
        {first !== undefined && (
          <Button
            icon={<Hash aria-hidden />}
            onPress={() => go({ kind: "channel", space: space.tag, channel: first.id })}
          >
            Open {first.name}
          </Button>
        )}
      </div>
    </div>
  );
}
