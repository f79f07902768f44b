/** What the sync pill tells of a space, put together from the leader's status and the own log. */
import type { Network, SyncState } from "./api.ts";
import { derived, sameValue } from "./observable.ts";
import type { Observable } from "./api.ts";
import type { SpaceCore } from "./space-core.ts";
import type { LeaderStatus } from "./status.ts";

export function syncStateOf(
  core: SpaceCore,
  status: Observable<LeaderStatus>,
): Observable<SyncState> {
  return derived(
    [status, core.head, core.sent],
    ({ network: ofDevice, spaces }, head, { storedTo }) => {
      const space = spaces.get(core.tag);
      const network = space?.network ?? notYet(ofDevice);
      const waiting = Math.max(0, head - storedTo);
      const online = space?.presence.filter(({ presence }) => presence !== "offline") ?? [];
      return {
        network,
        waiting,
        missing: space?.missing ?? 0,
        equal: space !== undefined && space.equal && waiting === 0,
        devicesOnline: online.length,
        unknownDevices: space?.unknownDevices ?? 0,
        coming: space?.snapshots.coming ?? 0,
      };
    },
    sameValue,
  );
}

/** Of a space that was just made, before the leader has taken it to its relay. */
const notYet = (ofDevice: Network): Network =>
  ofDevice.kind === "connected" ? { kind: "connecting", relay: ofDevice.relay } : ofDevice;
