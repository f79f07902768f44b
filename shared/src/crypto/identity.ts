/**
 * Who writes a log (docs/protocol.md section 3): a member certifies a device, the device certifies a
 * replica, and the replica signs the log whose first entry shows both certificates. Whoever verifies
 * an introduction has the chain in both directions, so that no member can pass off another's device
 * or log as theirs, nor theirs as another's.
 *
 *   member key ──signs──▶ device key ──signs──▶ replica key ──signs──▶ the log that says so
 */
import { concatBytes, equalBytes } from "../bytes/bytes.ts";
import { isMalformed, Malformed } from "../bytes/malformed.ts";
import { decode, type Reader } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import {
  bytesOfId,
  deviceId,
  type DeviceId,
  idBytes,
  memberId,
  type MemberId,
  type ReplicaId,
  spaceTag,
  type SpaceTag,
} from "../id/id.ts";
import { signatureBytes } from "../log/entry.ts";
import { type Refusal, refused } from "../log/refusal.ts";
import { publicKeyBytes, replicaIdOf } from "../log/replica-key.ts";
import { readSuiteId, type SuiteId, type VerifyingSuite } from "../log/suite.ts";
import type { AgreementPair, SigningPair, Suite } from "./suite.ts";

const certificateVersion = 1;
export const deviceCertificateBytes = 194;
export const replicaCertificateBytes = 146;
/** Payload of operation *introduce*: both certificates. */
export const introductionBytes = deviceCertificateBytes + replicaCertificateBytes;

const identityLabels = {
  member: "skein/member",
  device: "skein/device",
  deviceCertificate: "skein/device-certificate",
  replicaCertificate: "skein/replica-certificate",
} as const;

/** A member's or a device's public keys: 32 bytes each, Ed25519 and X25519. */
export interface IdentityKeys {
  readonly signing: Uint8Array;
  readonly agreement: Uint8Array;
}

/** A member or device with its secrets. */
export interface Identity {
  readonly signing: SigningPair;
  readonly agreement: AgreementPair;
}

export async function newIdentity(suite: Suite): Promise<Identity> {
  const [signing, agreement] = [await suite.newSigningPair(), await suite.newAgreementPair()];
  return { signing, agreement };
}

export const publicKeysOf = ({ signing, agreement }: Identity): IdentityKeys => ({
  signing: signing.publicKey,
  agreement: agreement.publicKey,
});

export const memberIdOf = (suite: VerifyingSuite, keys: IdentityKeys): MemberId =>
  memberId(identityHash(suite, identityLabels.member, keys).subarray(0, idBytes.member));

export const deviceIdOf = (suite: VerifyingSuite, keys: IdentityKeys): DeviceId =>
  deviceId(identityHash(suite, identityLabels.device, keys).subarray(0, idBytes.device));

const identityHash = (suite: VerifyingSuite, label: string, keys: IdentityKeys) =>
  suite.hash(label, keys.signing, keys.agreement);

// Certificates

/** "This device belongs to this member." */
export interface DeviceCertificate {
  readonly suite: SuiteId;
  readonly member: IdentityKeys;
  readonly device: IdentityKeys;
  readonly signature: Uint8Array;
}

/** "This replica of this space is written by this device." */
export interface ReplicaCertificate {
  readonly suite: SuiteId;
  readonly space: SpaceTag;
  readonly deviceKey: Uint8Array;
  readonly replicaKey: Uint8Array;
  readonly signature: Uint8Array;
}

/** 194 bytes, signed by the member. */
export async function makeDeviceCertificate(
  suite: Suite,
  member: Identity,
  device: IdentityKeys,
): Promise<Uint8Array<ArrayBuffer>> {
  const statement = deviceStatement(suite.id, publicKeysOf(member), device);
  const { secret } = member.signing;
  const signature = await suite.sign(secret, identityLabels.deviceCertificate, statement);
  return concatBytes(statement, signature);
}

/** 146 bytes, signed by the device. */
export async function makeReplicaCertificate(
  suite: Suite,
  device: SigningPair,
  space: SpaceTag,
  replicaKey: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const statement = replicaStatement(suite.id, space, device.publicKey, replicaKey);
  const signature = await suite.sign(device.secret, identityLabels.replicaCertificate, statement);
  return concatBytes(statement, signature);
}

/** Parts are views of `bytes`. Nothing but the form is checked. */
export const parseDeviceCertificate = (bytes: Uint8Array): DeviceCertificate | Malformed =>
  decode(bytes, readDeviceCertificate);

export const parseReplicaCertificate = (bytes: Uint8Array): ReplicaCertificate | Malformed =>
  decode(bytes, readReplicaCertificate);

/** Whether the member it names has signed it. */
export const verifyDeviceCertificate = (
  suite: VerifyingSuite,
  { suite: id, member, device, signature }: DeviceCertificate,
): Promise<boolean> =>
  suite.verify(
    member.signing,
    identityLabels.deviceCertificate,
    deviceStatement(id, member, device),
    signature,
  );

/** Whether the device it names has signed it. */
export const verifyReplicaCertificate = (
  suite: VerifyingSuite,
  { suite: id, space, deviceKey, replicaKey, signature }: ReplicaCertificate,
): Promise<boolean> =>
  suite.verify(
    deviceKey,
    identityLabels.replicaCertificate,
    replicaStatement(id, space, deviceKey, replicaKey),
    signature,
  );

// Introductions

/** Who the writer of a log is, once it is certain. Keys are copies. */
export interface Introduction {
  readonly kind: "introduction";
  readonly replica: ReplicaId;
  readonly memberId: MemberId;
  readonly member: IdentityKeys;
  readonly deviceId: DeviceId;
  readonly device: IdentityKeys;
}

/** Payload of the operation *introduce* in a log's first entry. */
export const introductionPayload = (
  deviceCertificate: Uint8Array,
  replicaCertificate: Uint8Array,
): Uint8Array<ArrayBuffer> =>
  new Writer(introductionBytes)
    .fixed(deviceCertificate, deviceCertificateBytes)
    .fixed(replicaCertificate, replicaCertificateBytes)
    .finish();

/**
 * Judges the introduction found in the first entry of `replica`'s log. The entry itself must have
 * been verified: it is what proves that the replica agrees. A log with a refused introduction is
 * parked, for its writer may be anybody.
 */
export async function verifyIntroduction(
  suite: VerifyingSuite,
  space: SpaceTag,
  replica: ReplicaId,
  payload: Uint8Array,
): Promise<Introduction | Refusal> {
  const parsed = decode(payload, (reader) => ({
    ofDevice: readDeviceCertificate(reader),
    ofReplica: readReplicaCertificate(reader),
  }));
  if (isMalformed(parsed)) return refused(parsed.fault, parsed.message);
  const { ofDevice, ofReplica } = parsed;
  const { member, device } = ofDevice;
  if (ofDevice.suite !== suite.id || ofReplica.suite !== suite.id) {
    return refused("version", "a certificate of another suite");
  }
  if (ofReplica.space !== space) return refused("foreign", "a certificate for another space");
  if (replicaIdOf(suite, ofReplica.replicaKey) !== replica) {
    return refused("foreign", "a certificate for another replica");
  }
  if (!equalBytes(ofReplica.deviceKey, device.signing)) {
    return refused("foreign", "the replica is certified by another device");
  }
  if (!(await verifyDeviceCertificate(suite, ofDevice))) {
    return refused("forged", "the member has not signed for the device");
  }
  if (!(await verifyReplicaCertificate(suite, ofReplica))) {
    return refused("forged", "the device has not signed for the replica");
  }
  return {
    kind: "introduction",
    replica,
    memberId: memberIdOf(suite, member),
    member: copyOf(member),
    deviceId: deviceIdOf(suite, device),
    device: copyOf(device),
  };
}

const copyOf = ({ signing, agreement }: IdentityKeys): IdentityKeys => ({
  signing: signing.slice(),
  agreement: agreement.slice(),
});

function deviceStatement(
  suite: SuiteId,
  member: IdentityKeys,
  device: IdentityKeys,
): Uint8Array<ArrayBuffer> {
  return new Writer(deviceCertificateBytes - signatureBytes)
    .u8(certificateVersion)
    .u8(suite)
    .fixed(member.signing, publicKeyBytes)
    .fixed(member.agreement, publicKeyBytes)
    .fixed(device.signing, publicKeyBytes)
    .fixed(device.agreement, publicKeyBytes)
    .finish();
}

function replicaStatement(
  suite: SuiteId,
  space: SpaceTag,
  deviceKey: Uint8Array,
  replicaKey: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return new Writer(replicaCertificateBytes - signatureBytes)
    .u8(certificateVersion)
    .u8(suite)
    .raw(bytesOfId(space))
    .fixed(deviceKey, publicKeyBytes)
    .fixed(replicaKey, publicKeyBytes)
    .finish();
}

function readDeviceCertificate(reader: Reader): DeviceCertificate {
  readVersion(reader, "device");
  return {
    suite: readSuiteId(reader),
    member: readKeys(reader),
    device: readKeys(reader),
    signature: reader.raw(signatureBytes),
  };
}

function readReplicaCertificate(reader: Reader): ReplicaCertificate {
  readVersion(reader, "replica");
  return {
    suite: readSuiteId(reader),
    space: spaceTag(reader.raw(idBytes.space)),
    deviceKey: reader.raw(publicKeyBytes),
    replicaKey: reader.raw(publicKeyBytes),
    signature: reader.raw(signatureBytes),
  };
}

const readKeys = (reader: Reader): IdentityKeys => ({
  signing: reader.raw(publicKeyBytes),
  agreement: reader.raw(publicKeyBytes),
});

function readVersion(reader: Reader, of: "device" | "replica"): void {
  const version = reader.u8();
  if (version !== certificateVersion) {
    throw new Malformed(`${of} certificate version ${version}`, "version");
  }
}
