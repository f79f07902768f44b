/**
 * Invites, from both ends: making a link and putting its sealed bundle at the relay; reading a link
 * without using it up; and joining with the keys it leads to. Requests carry the hash of the link's code
 * and never its secret; nothing of a link is logged.
 */
import { equalBytes, fromHex, toHex } from "@skein/shared/bytes/bytes.ts";
import { seedBytes, seedsForRole } from "@skein/shared/crypto/access-keys.ts";
import type { SpaceTag } from "@skein/shared/id/id.ts";
import { verifyCertificateChain } from "@skein/shared/protocol/access.ts";
import { limits } from "@skein/shared/protocol/limits.ts";
import {
  type BundleRefusal,
  type InviteKeys,
  type InvitePreview as BundlePreview,
  openKeys,
  openPreview,
  sealKeys,
  sealPreview,
} from "@skein/shared/space/invite-bundle.ts";
import {
  formatInviteLink,
  inviteCodeHash,
  type InviteLink as ParsedLink,
  newInviteToken,
  parseInviteLink,
} from "@skein/shared/space/invite-link.ts";
import { inviteId } from "@skein/shared/space/membership-operation.ts";
import { mayInvite } from "@skein/shared/space/membership.ts";
import { inviteAddress, type RelayOrigin, relayName, relayOrigin } from "../transport/address.ts";
import type {
  InviteLink,
  InviteOptions,
  InvitePreview,
  InviteRefusal,
  InviteRow,
  Observable,
} from "./api.ts";
import type { Device } from "./device.ts";
import type { LeaderLink } from "./leader-link.ts";
import { derived, sameValue } from "./observable.ts";
import type { SpaceCore } from "./space-core.ts";
import type { SpaceRecord } from "./space-records.ts";
import { shownMs } from "./shown-ms.ts";

/** What relays take, less what two clocks may differ. */
const relayLifeMsMax = limits.inviteLifeMsMax - 86_400_000;
/** A relay that is there answers within moments. */
const fetchWithinMs = 10_000;

type Failed = { readonly kind: "failed"; readonly detail: string };

// Making

export async function createInvite(
  core: SpaceCore,
  link: LeaderLink,
  options: InviteOptions,
): Promise<InviteLink | Failed> {
  const { device, tag } = core;
  const { suite, env } = device;
  const { seeds, certificates, relays } = core.record.get();
  const { members, spaceName } = core.membership.get();
  const own = members.get(core.me)?.role ?? seeds.role;
  if (!mayInvite(own, options.role)) {
    return { kind: "failed", detail: `as ${own} you cannot invite an ${options.role}` };
  }
  const token = newInviteToken(env.random);
  const codeHash = inviteCodeHash(suite, token.code);
  const inviteSeed = env.random.bytes(seedBytes);
  const { publicKey } = await suite.signingPairFromSeed(inviteSeed);
  const { role, expiresMs, uses } = options;
  const preview = await sealPreview(suite, env.random, token, {
    spaceName: spaceName ?? core.record.get().name,
    inviterName: core.identity().name,
    role,
    expiresMs,
  });
  const keys = await sealKeys(suite, env.random, token, {
    seeds: seedsForRole(seeds, role),
    certificates,
    contentKeys: core.keyring.keys,
    inviteSeed,
    addresses: relays,
  });
  // The relay first: without it the link would lead nowhere, and nothing has been said yet.
  const answer = await link.ask({
    kind: "invite",
    space: tag,
    codeHash,
    // A relay keeps nothing for ever; what never expires here is to be made anew after a year.
    expiresMs: Math.min(expiresMs ?? Number.POSITIVE_INFINITY, env.clock.now() + relayLifeMsMax),
    uses: uses ?? 0,
    preview,
    keys,
  });
  if (answer.kind === "refused") return { kind: "failed", detail: answer.detail };
  await core.appendMembership({ kind: "invite", publicKey, role, expiresMs, uses, codeHash });
  const url = formatInviteLink(answer.relay, token);
  const id = inviteId(publicKey);
  await core.changeRecord((record) => ({
    ...record,
    links: [...record.links, { invite: id, url }],
  }));
  return { kind: "link", id, url };
}

export async function revokeInvite(
  core: SpaceCore,
  link: LeaderLink,
  id: string,
): Promise<{ readonly kind: "done" } | Failed> {
  const offered = core.membership.get().invites.filter(({ invite }) => invite === id);
  const [first] = offered;
  if (first === undefined) return { kind: "failed", detail: "there is no such invite" };
  for (const { codeHash } of offered) {
    const answer = await link.ask({ kind: "uninvite", space: core.tag, codeHash });
    if (answer.kind === "refused") return { kind: "failed", detail: answer.detail };
  }
  await core.appendMembership({ kind: "revoke", publicKey: fromHex(first.invite) });
  return { kind: "done" };
}

export function inviteRows(core: SpaceCore): Observable<readonly InviteRow[]> {
  return derived(
    [core.membership, core.record],
    ({ invites }, { links }) =>
      invites.map(({ invite, role, expiresMs, usesAllowed, usesMade, revoked }) => ({
        id: invite,
        role,
        expiresMs: expiresMs && shownMs(expiresMs),
        usesAllowed,
        usesMade,
        revoked,
        url: links.find((each) => each.invite === invite)?.url,
      })),
    sameValue,
  );
}

// Using

export interface FoundInvite {
  readonly preview: InvitePreview;
  readonly link: ParsedLink;
  readonly relay: RelayOrigin;
}

/** Looks at what a link leads to. Uses nothing up. */
export async function findInvite(
  device: Device,
  cores: readonly SpaceCore[],
  text: string,
): Promise<FoundInvite | InviteRefusal> {
  const link = parseInviteLink(text);
  if (link.kind === "refusal") {
    return link.reason === "not a link"
      ? refusal("not a link", "")
      : refusal("damaged", link.reason === "incomplete" ? "its end is missing" : "");
  }
  const relay = link.origin === undefined ? device.relay : relayOrigin(link.origin);
  if (relay === undefined) return refusal("damaged", "its address cannot be read");
  const codeHash = inviteCodeHash(device.suite, link.code);
  const mine = spaceOfCode(cores, codeHash);
  const sealed = await request(device, relay, codeHash, "GET");
  if (!(sealed instanceof Uint8Array)) return sealed;
  const opened = await openPreview(device.suite, link, sealed);
  if (typeof opened === "string") return refusalOfBundle(opened);
  if (opened.role === "reader") return refusal("role not supported yet", "reader");
  return { preview: previewOf(opened, mine, relay), link, relay };
}

/** The record of a space that this device has not kept yet, without its replica. */
export interface Entrance {
  readonly tag: SpaceTag;
  readonly record: Omit<SpaceRecord, "replica">;
}

/** Fetches the keys, which counts as one use. */
export async function redeemInvite(
  device: Device,
  { preview, link, relay }: FoundInvite,
): Promise<Entrance | InviteRefusal> {
  const { suite, env } = device;
  const codeHash = inviteCodeHash(suite, link.code);
  const sealed = await request(device, relay, codeHash, "POST");
  if (!(sealed instanceof Uint8Array)) return sealed;
  const keys = await openKeys(suite, link, sealed);
  if (typeof keys === "string") return refusalOfBundle(keys);
  const { seeds, certificates, contentKeys, inviteSeed } = keys;
  const chain = await verifyCertificateChain(suite, certificates);
  if (chain.kind === "refused") return refusal("damaged", chain.words);
  if (!(await fits(device, keys, chain.newest.readKey))) {
    return refusal("damaged", "its keys do not open the space");
  }
  // Bundles are views of what was fetched; a record keeps copies.
  const copies = (list: readonly Uint8Array[]) => list.map((bytes) => bytes.slice());
  return {
    tag: chain.space,
    record: {
      kind: "shared",
      name: preview.space,
      certificates: copies(certificates),
      contentKeys: copies(contentKeys),
      seeds: copySeeds(seeds),
      relays: relaysOf(relay, keys.addresses),
      admission: { kind: "joiner", inviteSeed: inviteSeed.slice() },
      sinceMs: env.clock.now(),
      links: [],
    },
  };
}

export const refusal = (reason: InviteRefusal["reason"], detail: string): InviteRefusal => ({
  kind: "refusal",
  reason,
  detail,
});

const previewOf = (
  { spaceName, inviterName, role, expiresMs }: BundlePreview,
  mine: SpaceTag | undefined,
  relay: RelayOrigin,
): InvitePreview => ({
  kind: "invite",
  space: spaceName,
  inviter: inviterName,
  role,
  expiresMs: expiresMs && shownMs(expiresMs),
  mine,
  relay: relayName(relay),
});

/** Every member knows the hashes of their space's codes. */
function spaceOfCode(cores: readonly SpaceCore[], codeHash: Uint8Array): SpaceTag | undefined {
  return cores.find((core) =>
    core.membership.get().invites.some((invite) => equalBytes(invite.codeHash, codeHash)),
  )?.tag;
}

async function request(
  { platform, relay: own }: Device,
  relay: RelayOrigin,
  codeHash: Uint8Array,
  method: "GET" | "POST",
): Promise<Uint8Array | InviteRefusal> {
  try {
    const response = await platform.fetch(inviteAddress(relay, toHex(codeHash)), {
      method,
      // Nothing that would tell the relay more than it must know.
      credentials: "omit",
      referrerPolicy: "no-referrer",
      cache: "no-store",
      signal: AbortSignal.timeout(fetchWithinMs),
    });
    switch (response.status) {
      case 200:
        return new Uint8Array(await response.arrayBuffer());
      case 404:
        return refusal("unknown or revoked", "");
      case 410:
        return refusal("expired or used up", "");
      case 429:
        return refusal("too fast", "");
      default:
        return refusal("relay unreachable", `it answered ${response.status}`);
    }
  } catch (error) {
    // A page may speak with relays that its own host names in the content security policy, no others.
    if (relay !== own) return refusal("other host unreachable", relayName(relay));
    return refusal("relay unreachable", error instanceof Error ? error.message : String(error));
  }
}

const refusalOfBundle = (fault: BundleRefusal): InviteRefusal =>
  refusal(fault, fault === "damaged" ? "its secret does not fit" : "");

/** Keys that do not belong together would leave the device with a space that it cannot open. */
async function fits(
  { suite }: Device,
  { seeds }: InviteKeys,
  readKey: Uint8Array,
): Promise<boolean> {
  const { publicKey } = await suite.signingPairFromSeed(seeds.read);
  return equalBytes(publicKey, readKey);
}

function copySeeds(seeds: InviteKeys["seeds"]): InviteKeys["seeds"] {
  const read = seeds.read.slice();
  if (seeds.role === "reader") return { role: "reader", read };
  const write = seeds.write.slice();
  if (seeds.role === "editor") return { role: "editor", read, write };
  return { role: "owner", read, write, admin: seeds.admin.slice() };
}

/** The one that served the link is known to be reachable from here; others may be somebody's own host. */
function relaysOf(served: RelayOrigin, addresses: readonly string[]): RelayOrigin[] {
  const relays = new Set([served]);
  for (const address of addresses) {
    const origin = relayOrigin(address);
    if (origin !== undefined) relays.add(origin);
  }
  return [...relays];
}
