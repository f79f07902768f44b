/** What is asked of members once the record is evaluated: how they are called, who was one when. */
import { compareStamps, type Stamp } from "../crdt/crdt.ts";
import type { MemberId, ReplicaId } from "../id/id.ts";
import type { Member, Membership } from "./membership.ts";

/** The `profile` register of a replica: docs/protocol.md section 5. */
export interface Profile {
  /** The register's. */
  readonly number: number;
  readonly name: string;
}

/**
 * How a member is called now: by the newest profile among their replicas, else as they were called
 * when they came in. Of equally numbered profiles the greater replica's, so that all agree. The
 * text is another person's: nothing in it is trusted but its length.
 */
export function displayName(
  member: Member,
  profileOf: (replica: ReplicaId) => Profile | undefined,
): string {
  let newest: (Profile & { readonly replica: ReplicaId }) | undefined;
  for (const { replica } of member.replicas) {
    const profile = profileOf(replica);
    if (profile === undefined || profile.name.trim() === "") continue;
    const isNewer =
      newest === undefined ||
      profile.number > newest.number ||
      (profile.number === newest.number && replica > newest.replica);
    if (isNewer) newest = { ...profile, replica };
  }
  return newest?.name ?? member.name;
}

/**
 * Whom something written at `stamp` was written for: everybody who was a member by then, its author
 * included. In the order in which messages are shown, so that a newcomer is in the audience of what
 * stands below their coming.
 */
export function membersAt({ members }: Membership, stamp: Stamp): MemberId[] {
  const audience: MemberId[] = [];
  for (const { id, since } of members.values()) {
    if (compareStamps(since, stamp) < 0) audience.push(id);
  }
  return audience;
}
