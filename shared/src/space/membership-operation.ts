/**
 * The bytes of the membership record's operations: docs/protocol.md section 4.2, kinds `0x01` and
 * `0x10` to `0x17`. Epoch, remove and role (`0x14` to `0x16`) are only checked for their form and
 * then parked: their bytes are settled, what they do is for a later version.
 *
 * Decoding says nothing about truth. Signatures, certificates and rights are the next steps' part
 * (`membership-fact.ts`, `membership.ts`).
 */
import { toHex } from "../bytes/bytes.ts";
import { isMalformed, Malformed } from "../bytes/malformed.ts";
import { decode, type Reader } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import type { RawOperation, Understood } from "../crdt/crdt.ts";
import { numberOfRole, readRole, type Role } from "../crypto/access-keys.ts";
import { introductionBytes } from "../crypto/identity.ts";
import { idBytes } from "../id/id.ts";
import { signatureBytes } from "../log/entry.ts";
import { plainBytesMax } from "../log/plain.ts";
import { publicKeyBytes } from "../log/replica-key.ts";
import { accessCertificateBytes } from "../protocol/access.ts";
import { limits } from "../protocol/limits.ts";
import { inviteCodeHashBytes } from "./invite-link.ts";
import { nameFault } from "./name.ts";

export const membershipKinds = {
  introduce: 0x01,
  genesis: 0x10,
  invite: 0x11,
  revoke: 0x12,
  join: 0x13,
  epoch: 0x14,
  remove: 0x15,
  role: 0x16,
  name: 0x17,
} as const;

declare const brand: unique symbol;
/** The public key of an invite, 32 bytes in hexadecimal. Whoever holds the link holds the secret. */
export type InviteId = string & { readonly [brand]: "InviteId" };

export const inviteId = (publicKey: Uint8Array): InviteId => {
  if (publicKey.length !== publicKeyBytes) {
    throw new RangeError(`an invite key of ${publicKey.length} bytes`);
  }
  return toHex(publicKey) as InviteId;
};

export type SpaceKind = "shared" | "personal";

/** Byte strings of decoded operations are views of the payload. */
export type MembershipOperation =
  /** Device certificate ‖ replica certificate. */
  | { readonly kind: "introduce"; readonly payload: Uint8Array }
  | {
      readonly kind: "genesis";
      readonly spaceKind: SpaceKind;
      readonly spaceName: string;
      /** The founder's name. */
      readonly name: string;
      readonly signature: Uint8Array;
    }
  | {
      readonly kind: "invite";
      readonly publicKey: Uint8Array;
      readonly role: Role;
      /** Wall clock; undefined = never. */
      readonly expiresMs: number | undefined;
      /** Undefined = as often as anybody likes. */
      readonly uses: number | undefined;
      /** Under what the relay keeps the sealed bundle. */
      readonly codeHash: Uint8Array;
    }
  | { readonly kind: "revoke"; readonly publicKey: Uint8Array }
  | {
      readonly kind: "join";
      /** Of the invite. */
      readonly publicKey: Uint8Array;
      readonly name: string;
      readonly signature: Uint8Array;
    }
  | { readonly kind: "name"; readonly spaceName: string };

/** Throws a `RangeError` for what no reader would take: check names first (`name.ts`). */
export function encodeMembershipOperation(operation: MembershipOperation): RawOperation {
  const writer = new Writer();
  switch (operation.kind) {
    case "introduce":
      writer.fixed(operation.payload, introductionBytes);
      break;
    case "genesis":
      writer.u8(numberOfSpaceKind[operation.spaceKind]);
      writeName(writer, operation.spaceName);
      writeName(writer, operation.name);
      writer.fixed(operation.signature, signatureBytes);
      break;
    case "invite":
      writer
        .fixed(operation.publicKey, publicKeyBytes)
        .u8(numberOfRole[operation.role])
        .varint(countOr0(operation.expiresMs))
        .varint(countOr0(operation.uses))
        .fixed(operation.codeHash, inviteCodeHashBytes);
      break;
    case "revoke":
      writer.fixed(operation.publicKey, publicKeyBytes);
      break;
    case "join":
      writer.fixed(operation.publicKey, publicKeyBytes);
      writeName(writer, operation.name);
      writer.fixed(operation.signature, signatureBytes);
      break;
    case "name":
      writeName(writer, operation.spaceName);
      break;
  }
  return { kind: membershipKinds[operation.kind], payload: writer.finish() };
}

/** What an operation of the membership document means to this version. */
export function understandMembership(raw: RawOperation): Understood<MembershipOperation> {
  const known = readersOfKind.get(raw.kind);
  if (known !== undefined) {
    const op = decode(raw.payload, known);
    return isMalformed(op) ? { kind: "void", reason: op.message } : { kind: "known", op };
  }
  const later = checkersOfKind.get(raw.kind);
  const fault = later && decode(raw.payload, later);
  return isMalformed(fault) ? { kind: "void", reason: fault.message } : { kind: "parked", raw };
}

const numberOfSpaceKind: Readonly<Record<SpaceKind, number>> = { shared: 1, personal: 2 };

const readersOfKind = new Map<number, (reader: Reader) => MembershipOperation>([
  [
    membershipKinds.introduce,
    (reader) => ({ kind: "introduce", payload: reader.raw(introductionBytes) }),
  ],
  [
    membershipKinds.genesis,
    (reader) => ({
      kind: "genesis",
      spaceKind: readSpaceKind(reader),
      spaceName: readName(reader),
      name: readName(reader),
      signature: reader.raw(signatureBytes),
    }),
  ],
  [
    membershipKinds.invite,
    (reader) => ({
      kind: "invite",
      publicKey: reader.raw(publicKeyBytes),
      role: readRole(reader),
      expiresMs: readCount(reader),
      uses: readCount(reader),
      codeHash: reader.raw(inviteCodeHashBytes),
    }),
  ],
  [membershipKinds.revoke, (reader) => ({ kind: "revoke", publicKey: reader.raw(publicKeyBytes) })],
  [
    membershipKinds.join,
    (reader) => ({
      kind: "join",
      publicKey: reader.raw(publicKeyBytes),
      name: readName(reader),
      signature: reader.raw(signatureBytes),
    }),
  ],
  [membershipKinds.name, (reader) => ({ kind: "name", spaceName: readName(reader) })],
]);

/** Kinds whose form is settled and whose meaning is not. */
const checkersOfKind = new Map<number, (reader: Reader) => void>([
  [
    membershipKinds.epoch,
    (reader) => {
      reader.raw(accessCertificateBytes);
      reader.list(limits.logsMax, (from) => {
        from.raw(idBytes.device);
        from.raw(publicKeyBytes);
        from.bytes(plainBytesMax);
      });
    },
  ],
  [
    membershipKinds.remove,
    (reader) => {
      reader.raw(idBytes.member);
      reader.list(limits.logsMax, (from) => {
        from.raw(idBytes.replica);
        from.varint();
      });
    },
  ],
  [
    membershipKinds.role,
    (reader) => {
      reader.raw(idBytes.member);
      readRole(reader);
    },
  ],
]);

function readSpaceKind(reader: Reader): SpaceKind {
  const number = reader.u8();
  if (number === 1) return "shared";
  if (number === 2) return "personal";
  throw new Malformed(`a space of kind ${number}`);
}

function readName(reader: Reader): string {
  const name = reader.text(limits.nameBytesMax);
  if (name === "") throw new Malformed("a name without text");
  return name;
}

function writeName(writer: Writer, name: string): void {
  const fault = nameFault(name);
  if (fault !== undefined) throw new RangeError(`a name that is ${fault}`);
  writer.text(name);
}

/** 0 stands for "no limit". */
const readCount = (reader: Reader): number | undefined => reader.varint() || undefined;

function countOr0(count: number | undefined): number {
  if (count === 0) throw new RangeError("a limit of 0 would read as none");
  return count ?? 0;
}
