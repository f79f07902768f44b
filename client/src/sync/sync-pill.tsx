/** How far everything has come, always on the screen, in one line; opens the sync panel. */
import { useEffect, useRef } from "react";
import { Button as AriaButton } from "react-aria-components";
import { announce } from "../ui/announce.tsx";
import { useWays } from "../ui/app-context.ts";
import { useNow } from "../ui/observable.ts";
import { Shape, type ShapeName } from "../ui/shape.tsx";
import { pillAside, pillWords, type PillState } from "./pill-words.ts";
import { usePill } from "./use-pill.ts";
import "./sync-pill.css";

const shapes: Readonly<Record<PillState["kind"], ShapeName>> = {
  trouble: "alert",
  offline: "clock",
  retrying: "saving",
  syncing: "syncing",
  equal: "equal",
  alone: "tick",
};

export function SyncPill() {
  const { app, side, setSide } = useWays();
  const state = usePill();
  const nowMs = useNow(state.kind === "retrying" ? 500 : 60_000);
  const aside = pillAside(state);
  const isOpen = side?.kind === "sync";
  // Spoken when the kind of state changes, not with every second of a countdown.
  const { kind } = state;
  const spoken = useRef(kind);
  useEffect(() => {
    if (spoken.current === kind) return;
    spoken.current = kind;
    announce(`Sync: ${pillWords(state, Date.now())}`);
  }, [kind, state]);
  return (
    <div className={`pill pill-${kind}`}>
      <AriaButton
        className="pill-button"
        data-testid="sync-pill"
        data-state={kind}
        aria-expanded={isOpen}
        onPress={() => setSide(isOpen ? undefined : { kind: "sync" })}
      >
        <Shape of={shapes[state.kind]} />
        <span className="pill-words">
          {pillWords(state, nowMs)}
          {aside !== undefined && <span className="pill-aside">{aside}</span>}
        </span>
      </AriaButton>
      {state.kind === "retrying" && state.retryAtMs !== undefined && (
        <AriaButton className="pill-now" onPress={() => app.connectNow()}>
          Now
          <span className="visually-hidden">, connect without waiting</span>
        </AriaButton>
      )}
    </div>
  );
}
