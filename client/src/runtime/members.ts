/** The members of a space as views show them: the record, their profiles, and who is here. */
import type { DeviceRow, MemberRow, Observable } from "./api.ts";
import { derived, sameValue } from "./observable.ts";
import type { SpaceCore } from "./space-core.ts";
import type { LeaderStatus, PresenceFact } from "./status.ts";

const rank = { online: 2, away: 1, offline: 0 } as const;

export function memberRows(
  core: SpaceCore,
  status: Observable<LeaderStatus>,
  isActive: Observable<boolean>,
): Observable<readonly MemberRow[]> {
  return derived(
    [core.membership, core.registersVersion, core.head, status, isActive],
    ({ members }, _registers, head, { spaces }, active): readonly MemberRow[] => {
      const facts = new Map(
        spaces.get(core.tag)?.presence.map((fact) => [fact.replica, fact] as const),
      );
      return [...members.values()].map(({ id, role, replicas }) => {
        const devices = replicas.map(({ replica }): DeviceRow => {
          const isThis = replica === core.replica;
          const clock = core.board.clock(replica).get(core.log);
          const here = active ? "online" : "away";
          return {
            replica,
            isThis,
            presence: isThis ? here : (facts.get(replica)?.presence ?? "offline"),
            behind: isThis ? 0 : clock === undefined ? undefined : Math.max(0, head - clock),
          };
        });
        const heard = replicas.flatMap(({ replica }) => facts.get(replica) ?? []);
        const there = heard.filter(({ presence }) => presence !== "offline").sort(byPresence);
        const isMe = id === core.me;
        return {
          id,
          name: core.nameOf(id),
          role,
          isMe,
          presence: best(devices),
          lastSeenMs: latest(heard),
          where: there.find(({ where }) => where !== undefined)?.where,
          typingIn: there.find(({ typing }) => typing)?.where,
          devices,
        };
      });
    },
    sameValue,
  );
}

function best(devices: readonly DeviceRow[]): MemberRow["presence"] {
  let found: MemberRow["presence"] = "offline";
  for (const { presence } of devices) if (rank[presence] > rank[found]) found = presence;
  return found;
}

const byPresence = (a: PresenceFact, b: PresenceFact): number =>
  rank[b.presence] - rank[a.presence] || b.heardAtMs - a.heardAtMs;

const latest = (facts: readonly PresenceFact[]): number | undefined =>
  facts.length === 0 ? undefined : Math.max(...facts.map(({ heardAtMs }) => heardAtMs));
