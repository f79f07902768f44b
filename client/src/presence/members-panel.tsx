/** Who is in the space, who is there now, and on which devices. */
import { X } from "lucide-react";
import { Button as AriaButton } from "react-aria-components";
import type { MemberRow } from "../runtime/api.ts";
import { InviteButton } from "../spaces/invite-button.tsx";
import { roleWords } from "../spaces/role-words.ts";
import { useSpace, useWays } from "../ui/app-context.ts";
import { Avatar } from "../ui/avatar.tsx";
import { IconButton } from "../ui/button.tsx";
import { useNow, useObservable } from "../ui/observable.ts";
import { presenceWords } from "./presence-words.ts";
import "./members-panel.css";

/** How many stand in the sidebar before the rest is left to the panel. */
const listedMax = 8;

/** The short list of the sidebar; on phones a page of its own. */
export function MembersList({ heading = false }: { readonly heading?: boolean }) {
  const space = useSpace();
  const { setSide } = useWays();
  const members = inOrder(useObservable(space.members));
  const nowMs = useNow(30_000);
  const listed = heading ? members : members.slice(0, listedMax);
  const Title = heading ? "h1" : "h2";
  return (
    <section aria-label="Members">
      <div className="list-head">
        <Title className="list-title">Members</Title>
      </div>
      <ul>
        {listed.map((member) => (
          <li key={member.id} className="row">
            <AriaButton className="row-link" onPress={() => setSide({ kind: "members" })}>
              <Avatar id={member.id} name={member.name} size={24} presence={member.presence} />
              <bdi className="row-label">{member.name}</bdi>
              <span className={heading ? "member-aside" : "visually-hidden"}>
                {presenceWords(member, nowMs)}
              </span>
            </AriaButton>
          </li>
        ))}
        {members.length > listed.length && (
          <li className="row">
            <AriaButton className="row-link" onPress={() => setSide({ kind: "members" })}>
              <span className="row-label">{members.length - listed.length} more</span>
            </AriaButton>
          </li>
        )}
      </ul>
    </section>
  );
}

export function MembersPanel() {
  const space = useSpace();
  const { setSide } = useWays();
  const members = inOrder(useObservable(space.members));
  const notes = useObservable(space.notes);
  const channels = useObservable(space.channels);
  const nowMs = useNow(15_000);
  const whereWords = ({ where, isMe, presence }: MemberRow): string | undefined => {
    if (where === undefined || isMe || presence === "offline") return undefined;
    const note = notes.find(({ id }) => id === where);
    if (note !== undefined) return note.title.trim() || "Untitled";
    const channel = channels.find(({ id }) => id === where);
    return channel === undefined ? undefined : `#${channel.name}`;
  };
  return (
    <>
      <div className="panel-head">
        <h2 className="panel-title">Members</h2>
        <IconButton label="Close members" onPress={() => setSide(undefined)}>
          <X aria-hidden />
        </IconButton>
      </div>
      <div className="panel-body">
        <InviteButton />
        <ul className="members">
          {members.map((member) => {
            const where = whereWords(member);
            return (
              <li key={member.id} className="member">
                <Avatar id={member.id} name={member.name} size={32} presence={member.presence} />
                <div className="member-words">
                  <span className="member-line">
                    <bdi className="member-name">{member.name}</bdi>
                    {member.role !== "editor" && (
                      <span className="member-role">{roleWords(member.role)}</span>
                    )}
                  </span>
                  <span className="member-aside">
                    {presenceWords(member, nowMs)}
                    {where !== undefined && (
                      <>
                        {" "}
                        in <bdi>{where}</bdi>
                      </>
                    )}
                    {member.devices.length > 1 && `, ${member.devices.length} devices`}
                  </span>
                </div>
              </li>
            );
          })}
        </ul>
      </div>
    </>
  );
}

const rank = { online: 0, away: 1, offline: 2 } as const;

/** Me first, then who is there, then by name. */
function inOrder(members: readonly MemberRow[]): MemberRow[] {
  return members.toSorted(
    (a, b) =>
      Number(b.isMe) - Number(a.isMe) ||
      rank[a.presence] - rank[b.presence] ||
      a.name.localeCompare(b.name),
  );
}
