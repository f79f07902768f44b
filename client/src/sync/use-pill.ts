/** The state of the sync pill, held steady for what is on the screen. */
import { useMemo } from "react";
import { derived } from "../runtime/observable.ts";
import { useSpace, useWays } from "../ui/app-context.ts";
import { online } from "../ui/media.ts";
import { useObservable } from "../ui/observable.ts";
import { heldSteady } from "./held-steady.ts";
import { pillRules, pillState, type PillState, troublesOf } from "./pill-words.ts";

export function usePill(): PillState {
  const { app } = useWays();
  const space = useSpace();
  const pill = useMemo(
    () =>
      heldSteady(
        derived([space.sync, app.troubles, online], (sync, troubles, isOnline) =>
          pillState(sync, troublesOf(space.tag, troubles), isOnline),
        ),
        pillRules,
      ),
    [app, space],
  );
  return useObservable(pill);
}
