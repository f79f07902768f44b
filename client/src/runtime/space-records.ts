/**
 * What this device must keep of a space to open it again: keys, certificates, relays, and its own
 * replica there. Everything else in the database can be had from others; this cannot. Access seeds
 * and content keys are bytes, because members hand them on; the replica's secret is a handle.
 */
import type { AccessSeeds } from "@skein/shared/crypto/access-keys.ts";
import { makeReplicaCertificate } from "@skein/shared/crypto/identity.ts";
import type { Kv } from "@skein/shared/device/kv.ts";
import { Records } from "@skein/shared/device/records.ts";
import type { SpaceTag } from "@skein/shared/id/id.ts";
import type { SpaceKind } from "@skein/shared/space/membership-operation.ts";
import type { RelayOrigin } from "../transport/address.ts";
import { type OwnIdentity, type StoredPair, storePair } from "./identity.ts";
import type { WebSuite } from "./web-suite.ts";

export interface SpaceRecord {
  readonly kind: SpaceKind;
  /** As last known: for the list before anything else is read. */
  readonly name: string;
  /** Access certificates, oldest first. */
  readonly certificates: readonly Uint8Array[];
  /** Content keys, `K_0` first, the current one last. */
  readonly contentKeys: readonly Uint8Array[];
  readonly seeds: AccessSeeds;
  /** Best first, never empty. */
  readonly relays: readonly RelayOrigin[];
  readonly replica: OwnReplica;
  /** How this device came in: said again by the first entry of its log, until that is committed. */
  readonly admission: SpaceAdmission;
  readonly sinceMs: number;
  /** Links made on this device, which nobody else can show again. */
  readonly links: readonly OwnLink[];
}

/** The key pair of this device in the space, certified by the device. */
export interface OwnReplica extends StoredPair {
  readonly certificate: Uint8Array;
}

export type SpaceAdmission =
  | { readonly kind: "founder" }
  | { readonly kind: "joiner"; readonly inviteSeed: Uint8Array };

export interface OwnLink {
  /** Public key of the invite, in hexadecimal. */
  readonly invite: string;
  readonly url: string;
}

export class SpaceRecords {
  readonly #records: Records<SpaceTag, SpaceRecord>;

  constructor(kv: Kv) {
    this.#records = new Records(kv, "spaces", {
      form: 1,
      upgrade: () => {
        throw new Error("the record of a space of a form before the first");
      },
    });
  }

  all(): Promise<readonly { readonly key: SpaceTag; readonly value: SpaceRecord }[]> {
    return this.#records.all();
  }

  /** Keeps a new space; of two tabs that join at once the first one's record stays. */
  async add(tag: SpaceTag, record: SpaceRecord): Promise<SpaceRecord> {
    const kept = await this.#records.update(tag, (held) => held ?? record);
    return kept ?? record;
  }

  /** Undefined if the space is not kept any more. */
  change(
    tag: SpaceTag,
    change: (record: SpaceRecord) => SpaceRecord,
  ): Promise<SpaceRecord | undefined> {
    return this.#records.update(tag, (held) => held && change(held));
  }
}

export async function newReplica(
  suite: WebSuite,
  identity: OwnIdentity,
  tag: SpaceTag,
): Promise<OwnReplica> {
  const pair = await suite.newSigningPair();
  const { signing } = identity.device;
  const certificate = await makeReplicaCertificate(suite, signing, tag, pair.publicKey);
  return { ...storePair(suite, pair), certificate };
}
