/**
 * The keys that open a space at a relay, by role: a reader holds the read seed, an editor the write
 * seed too, an owner all three. They are handed on in invites and epoch records, so they are seeds
 * and not handles; docs/protocol.md sections 3, 9 and 10.
 */
import { Malformed } from "../bytes/malformed.ts";
import type { Reader } from "../bytes/reader.ts";

export type Role = "reader" | "editor" | "owner";

export const seedBytes = 32;

/** The byte of a role; a greater one may do all that a smaller one may. */
export const numberOfRole: Readonly<Record<Role, number>> = { reader: 1, editor: 2, owner: 3 };

const roleByNumber = new Map<number, Role>([
  [1, "reader"],
  [2, "editor"],
  [3, "owner"],
]);

/** Throws `Malformed` for a role that this version does not know. */
export function readRole(reader: Reader): Role {
  const number = reader.u8();
  const role = roleByNumber.get(number);
  if (role === undefined) throw new Malformed(`role ${number}`);
  return role;
}

interface Seeds {
  /** 32 bytes each, of Ed25519 pairs. */
  readonly read: Uint8Array;
  readonly write: Uint8Array;
  readonly admin: Uint8Array;
}

/** What a member of the role holds. */
export type AccessSeeds =
  | ({ readonly role: "reader" } & Pick<Seeds, "read">)
  | ({ readonly role: "editor" } & Pick<Seeds, "read" | "write">)
  | ({ readonly role: "owner" } & Seeds);

export type OwnerSeeds = Extract<AccessSeeds, { role: "owner" }>;

/** Of the seeds that `from` holds, those of `role`. Nobody can hand on more than they hold. */
export function seedsForRole(from: AccessSeeds, role: Role): AccessSeeds {
  const { read } = from;
  if (role === "reader") return { role, read };
  if (from.role !== "reader" && role === "editor") return { role, read, write: from.write };
  if (from.role === "owner") return from;
  throw new Error(`a ${from.role} has no keys of an ${role}`);
}
