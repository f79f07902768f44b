/**
 * What a relay keeps of an invite (docs/protocol.md section 10): a preview, shown before somebody
 * joins, and the keys, fetched when they do. Both are sealed under the link's secret, which the
 * relay never sees; it finds them by the hash of the link's code.
 */
import { concatBytes } from "../bytes/bytes.ts";
import { isMalformed, Malformed } from "../bytes/malformed.ts";
import { decode, type Reader } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import {
  type AccessSeeds,
  numberOfRole,
  readRole,
  type Role,
  seedBytes,
} from "../crypto/access-keys.ts";
import { contentKeyBytes } from "../crypto/keyring.ts";
import { tagBytes } from "../crypto/seal.ts";
import type { Suite } from "../crypto/suite.ts";
import type { Random } from "../env.ts";
import { accessCertificateBytes } from "../protocol/access.ts";
import { limits } from "../protocol/limits.ts";
import type { InviteToken } from "./invite-link.ts";

export const inviteLabels = {
  preview: "skein/invite-preview/1",
  keys: "skein/invite-keys/1",
} as const;

const format = 1;
const nonceBytes = 12;
/** What a relay takes holds so many of each, though not of both at once. */
const certificatesMax = 32;
const contentKeysMax = 128;
/** Where to look for the space, best first. */
const addressesMax = 8;
const addressBytesMax = 256;

export interface InvitePreview {
  readonly spaceName: string;
  readonly inviterName: string;
  readonly role: Role;
  /** Undefined: never. */
  readonly expiresMs: number | undefined;
}

export interface InviteKeys {
  /** Of the role that the invite gives. */
  readonly seeds: AccessSeeds;
  /** Access certificates, 214 bytes each, from certificate 0 to the newest. */
  readonly certificates: readonly Uint8Array[];
  /** Content keys, `K_0` first, the current one last. */
  readonly contentKeys: readonly Uint8Array[];
  /** Of the invite's own pair, with which a joining member signs. */
  readonly inviteSeed: Uint8Array;
  /** Relay addresses, best first. */
  readonly addresses: readonly string[];
}

/** `damaged`: the link's secret does not fit, or the bundle is not what was put there. */
export type BundleRefusal = "damaged" | "newer version";

/** Rejects with `RangeError` for more than a relay takes. */
export async function sealPreview(
  suite: Suite,
  random: Random,
  token: InviteToken,
  preview: InvitePreview,
): Promise<Uint8Array<ArrayBuffer>> {
  const writer = new Writer().u8(format);
  for (const name of [preview.spaceName, preview.inviterName]) {
    const bytes = new TextEncoder().encode(name);
    assertCount("bytes of a name", bytes.length, limits.nameBytesMax);
    writer.bytes(bytes);
  }
  const plain = writer
    .u8(numberOfRole[preview.role])
    .varint(preview.expiresMs ?? 0)
    .finish();
  return seal(suite, random, inviteLabels.preview, token, plain);
}

export const openPreview = (
  suite: Suite,
  token: InviteToken,
  sealed: Uint8Array,
): Promise<InvitePreview | BundleRefusal> =>
  open(suite, inviteLabels.preview, token, sealed, (reader) => {
    const spaceName = reader.text(limits.nameBytesMax);
    const inviterName = reader.text(limits.nameBytesMax);
    const role = readRole(reader);
    const expiresMs = reader.varint();
    return { spaceName, inviterName, role, expiresMs: expiresMs === 0 ? undefined : expiresMs };
  });

/** Rejects with `RangeError` for more than a relay takes. */
export async function sealKeys(
  suite: Suite,
  random: Random,
  token: InviteToken,
  keys: InviteKeys,
): Promise<Uint8Array<ArrayBuffer>> {
  const { seeds, certificates, contentKeys, addresses } = keys;
  assertCount("certificates", certificates.length, certificatesMax);
  assertCount("content keys", contentKeys.length, contentKeysMax);
  assertCount("addresses", addresses.length, addressesMax);
  const none = new Uint8Array(seedBytes);
  const plain = new Writer()
    .u8(format)
    .u8(numberOfRole[seeds.role])
    .list(certificates, (to, bytes) => to.fixed(bytes, accessCertificateBytes))
    .list(contentKeys, (to, key) => to.fixed(key, contentKeyBytes))
    .fixed(seeds.read, seedBytes)
    .fixed(seeds.role === "reader" ? none : seeds.write, seedBytes)
    .fixed(seeds.role === "owner" ? seeds.admin : none, seedBytes)
    .fixed(keys.inviteSeed, seedBytes)
    .list(addresses, (to, address) => to.text(address))
    .finish();
  return seal(suite, random, inviteLabels.keys, token, plain);
}

export const openKeys = (
  suite: Suite,
  token: InviteToken,
  sealed: Uint8Array,
): Promise<InviteKeys | BundleRefusal> =>
  open(suite, inviteLabels.keys, token, sealed, (reader) => {
    const role = readRole(reader);
    const certificates = reader.list(certificatesMax, (from) => from.raw(accessCertificateBytes));
    const contentKeys = reader.list(contentKeysMax, (from) => from.raw(contentKeyBytes));
    const seeds = readSeeds(reader, role);
    const inviteSeed = reader.raw(seedBytes);
    const addresses = reader.list(addressesMax, (from) => from.text(addressBytesMax));
    if (certificates.length === 0 || contentKeys.length === 0) {
      throw new Malformed("an invite without keys");
    }
    return { seeds, certificates, contentKeys, inviteSeed, addresses };
  });

function readSeeds(reader: Reader, role: Role): AccessSeeds {
  const read = reader.raw(seedBytes);
  const write = reader.raw(seedBytes);
  const admin = reader.raw(seedBytes);
  const isNone = (seed: Uint8Array) => seed.every((byte) => byte === 0);
  if (isNone(write) !== (role === "reader") || isNone(admin) !== (role !== "owner")) {
    throw new Malformed("seeds of another role");
  }
  if (role === "reader") return { role, read };
  return role === "editor" ? { role, read, write } : { role, read, write, admin };
}

async function seal(
  suite: Suite,
  random: Random,
  label: string,
  { code, secret }: InviteToken,
  plain: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const length = nonceBytes + plain.length + tagBytes;
  if (length > limits.inviteBytesMax) throw new RangeError(`${length} bytes of an invite`);
  const key = await suite.deriveKey(secret, label, code);
  const nonce = random.bytes(nonceBytes);
  return concatBytes(nonce, await suite.seal(key, nonce, plain, new Uint8Array(0)));
}

async function open<T extends object>(
  suite: Suite,
  label: string,
  { code, secret }: InviteToken,
  sealed: Uint8Array,
  read: (reader: Reader) => T,
): Promise<T | BundleRefusal> {
  if (sealed.length < nonceBytes + tagBytes) return "damaged";
  const key = await suite.deriveKey(secret, label, code);
  const [nonce, body] = [sealed.subarray(0, nonceBytes), sealed.subarray(nonceBytes)];
  const plain = await suite.open(key, nonce, body, new Uint8Array(0));
  if (plain === undefined) return "damaged";
  if (plain[0] !== format && plain.length > 0) return "newer version";
  const value = decode(plain.subarray(1), read);
  return isMalformed(value) ? "damaged" : value;
}

function assertCount(what: string, count: number, most: number): void {
  if (count > most) throw new RangeError(`${count} ${what} in an invite, where ${most} fit`);
}
