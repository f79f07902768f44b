/**
 * What an epoch record hands to each device that stays: the next content key and the access keys of
 * its role, sealed to its agreement key (docs/protocol.md section 9).
 */
import { isMalformed } from "../bytes/malformed.ts";
import { decode, type Reader } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import { bytesOfId, type SpaceTag } from "../id/id.ts";
import { type AccessSeeds, numberOfRole, readRole, seedBytes } from "./access-keys.ts";
import { contentKeyBytes } from "./keyring.ts";
import { openWithKey, type SealedToKey, sealToKey } from "./sealing-to-key.ts";
import type { AgreementPair, Suite } from "./suite.ts";

export interface EpochGrant {
  /** `K_e`, 32 bytes. */
  readonly contentKey: Uint8Array;
  readonly seeds: AccessSeeds;
}

/** Undefined for a recipient's key that agrees with nobody. */
export const sealGrant = (
  suite: Suite,
  space: SpaceTag,
  recipient: Uint8Array,
  grant: EpochGrant,
): Promise<SealedToKey | undefined> =>
  sealToKey(suite, recipient, encodeGrant(grant), bytesOfId(space));

/** Undefined when it was meant for somebody else, for another space, or makes no sense. */
export async function openGrant(
  suite: Suite,
  space: SpaceTag,
  recipient: AgreementPair,
  { ephemeral, sealed }: Pick<SealedToKey, "ephemeral" | "sealed">,
): Promise<EpochGrant | undefined> {
  const plain = await openWithKey(suite, recipient, ephemeral, sealed, bytesOfId(space));
  if (plain === undefined) return undefined;
  const grant = decode(plain, readGrant);
  return isMalformed(grant) ? undefined : grant;
}

function encodeGrant({ contentKey, seeds }: EpochGrant): Uint8Array<ArrayBuffer> {
  const writer = new Writer(1 + contentKeyBytes + 3 * seedBytes)
    .u8(numberOfRole[seeds.role])
    .fixed(contentKey, contentKeyBytes)
    .fixed(seeds.read, seedBytes);
  if (seeds.role !== "reader") writer.fixed(seeds.write, seedBytes);
  if (seeds.role === "owner") writer.fixed(seeds.admin, seedBytes);
  return writer.finish();
}

function readGrant(reader: Reader): EpochGrant {
  const role = readRole(reader);
  const contentKey = reader.raw(contentKeyBytes);
  const read = reader.raw(seedBytes);
  if (role === "reader") return { contentKey, seeds: { role, read } };
  const write = reader.raw(seedBytes);
  if (role === "editor") return { contentKey, seeds: { role, read, write } };
  return { contentKey, seeds: { role, read, write, admin: reader.raw(seedBytes) } };
}
