/** What is wrong or worth knowing for the whole tab, above what is open. Never a pop-up. */
import { useState, type ReactNode } from "react";
import { X } from "lucide-react";
import type { Trouble } from "../runtime/api.ts";
import { useSpace, useWays } from "../ui/app-context.ts";
import { Button, IconButton } from "../ui/button.tsx";
import { useObservable } from "../ui/observable.ts";
import { Shape } from "../ui/shape.tsx";
import { waitingUpdate } from "../updates.ts";
import { storageCaution, troubleWords } from "./trouble-words.ts";
import "./troubles-bar.css";

/** Newest of each kind; more than two at a time nobody reads. */
const shownMax = 2;

/** In a space, where the side can show details. */
export function TroublesBar() {
  const waiting = useObservable(useSpace().waitingForFirst);
  return (
    <Troubles hasDetails>
      {waiting && (
        <p className="trouble trouble-calm">
          <Shape of="clock" />
          <span className="trouble-words">
            You’re in. Waiting for a member’s device; you can write now.
          </span>
        </p>
      )}
    </Troubles>
  );
}

export interface TroublesProps {
  readonly hasDetails: boolean;
  /** What else is worth knowing here, before the rest. */
  readonly children?: ReactNode;
}

export function Troubles({ hasDetails, children }: TroublesProps) {
  const { app } = useWays();
  const update = useObservable(waitingUpdate);
  const troubles = useObservable(app.troubles);
  const storage = useObservable(app.storage);
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const close = (key: string) => setClosed(new Set([...closed, key]));

  const newestByKind = new Map<string, Trouble>();
  for (const trouble of troubles) newestByKind.set(trouble.kind, trouble);
  if (update !== undefined) newestByKind.set(update.kind, update);
  const shown = [...newestByKind.values()]
    .filter((trouble) => !closed.has(keyOf(trouble)))
    .toReversed()
    .slice(0, shownMax);
  const isPrivate = storage.isPrivate && !closed.has("private");

  return (
    <output className="troubles">
      {children}
      {shown.map((trouble) => (
        <TroubleLine
          key={keyOf(trouble)}
          trouble={trouble}
          hasDetails={hasDetails}
          onClose={() => close(keyOf(trouble))}
        />
      ))}
      {isPrivate && (
        <div className="trouble trouble-calm">
          <Shape of="alert" />
          <span className="trouble-words">{storageCaution(storage)}</span>
          <IconButton label="Close" onPress={() => close("private")}>
            <X aria-hidden />
          </IconButton>
        </div>
      )}
    </output>
  );
}

function TroubleLine({
  trouble,
  hasDetails,
  onClose,
}: {
  readonly trouble: Trouble;
  readonly hasDetails: boolean;
  readonly onClose: () => void;
}) {
  const { app, setSide } = useWays();
  const spaces = useObservable(app.spaces);
  const name =
    "space" in trouble ? spaces.find(({ tag }) => tag === trouble.space)?.name : undefined;
  const { title, advice, weight, action } = troubleWords(trouble, name);
  return (
    <div className={`trouble trouble-${weight}`}>
      <Shape of={weight === "calm" ? "syncing" : "alert"} />
      <span className="trouble-words">
        <b>{title}</b> {advice}
      </span>
      {action !== undefined && (hasDetails || action.does !== "open sync") && (
        <Button
          size="small"
          onPress={() => {
            if (action.does === "open sync") setSide({ kind: "sync" });
            else if (trouble.kind === "update ready") trouble.reload();
            else location.reload();
          }}
        >
          {action.label}
        </Button>
      )}
      <IconButton label="Close" onPress={onClose}>
        <X aria-hidden />
      </IconButton>
    </div>
  );
}

function keyOf(trouble: Trouble): string {
  return `${trouble.kind} ${"space" in trouble ? trouble.space : ""} ${trouble.atMs}`;
}
