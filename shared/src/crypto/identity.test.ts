import { beforeAll, describe, expect, it } from "vitest";
import { concatBytes, fromHex } from "../bytes/bytes.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { type ReplicaId, spaceTag } from "../id/id.ts";
import { isRefusal } from "../log/refusal.ts";
import { replicaIdOf } from "../log/replica-key.ts";
import {
  deviceCertificateBytes,
  deviceIdOf,
  type Identity,
  introductionBytes,
  introductionPayload,
  makeDeviceCertificate,
  makeReplicaCertificate,
  memberIdOf,
  newIdentity,
  parseDeviceCertificate,
  parseReplicaCertificate,
  publicKeysOf,
  replicaCertificateBytes,
  verifyDeviceCertificate,
  verifyIntroduction,
  verifyReplicaCertificate,
} from "./identity.ts";
import { nobleSuite } from "./noble-suite.ts";
import type { SigningPair } from "./suite.ts";

let next = 1;
const suite = nobleSuite({
  bytes: (length) => new Uint8Array(length).fill(next++),
  fraction: () => 0,
});
const space = spaceTag(fromHex("11".repeat(16)));
const otherSpace = spaceTag(fromHex("12".repeat(16)));

let ana: Identity;
let eve: Identity;
let phone: Identity;
let evesPhone: Identity;
let pair: SigningPair;
let replica: ReplicaId;
let ofDevice: Uint8Array;
let ofReplica: Uint8Array;

beforeAll(async () => {
  [ana, eve, phone, evesPhone] = [
    await newIdentity(suite),
    await newIdentity(suite),
    await newIdentity(suite),
    await newIdentity(suite),
  ];
  pair = await suite.newSigningPair();
  replica = replicaIdOf(suite, pair.publicKey);
  ofDevice = await makeDeviceCertificate(suite, ana, publicKeysOf(phone));
  ofReplica = await makeReplicaCertificate(suite, phone.signing, space, pair.publicKey);
});

const judge = async (device: Uint8Array, of: Uint8Array, where = space, who = replica) => {
  const verdict = await verifyIntroduction(suite, where, who, introductionPayload(device, of));
  return isRefusal(verdict) ? verdict.fault : verdict;
};

describe("a certificate", () => {
  it("has the size of the protocol and comes back as it was made", async () => {
    expect(ofDevice.length).toBe(deviceCertificateBytes);
    const device = parseDeviceCertificate(ofDevice);
    if (isMalformed(device)) throw device;
    expect(device.member).toEqual(publicKeysOf(ana));
    expect(device.device).toEqual(publicKeysOf(phone));
    expect(await verifyDeviceCertificate(suite, device)).toBe(true);

    expect(ofReplica.length).toBe(replicaCertificateBytes);
    const certificate = parseReplicaCertificate(ofReplica);
    if (isMalformed(certificate)) throw certificate;
    expect(certificate.space).toBe(space);
    expect(certificate.deviceKey).toEqual(phone.signing.publicKey);
    expect(certificate.replicaKey).toEqual(pair.publicKey);
    expect(await verifyReplicaCertificate(suite, certificate)).toBe(true);
  });

  it("of another length is no certificate", () => {
    for (const bytes of [ofDevice.subarray(1), concatBytes(ofDevice, Uint8Array.of(0))]) {
      expect(isMalformed(parseDeviceCertificate(bytes))).toBe(true);
    }
    for (const bytes of [ofReplica.subarray(1), concatBytes(ofReplica, Uint8Array.of(0))]) {
      expect(isMalformed(parseReplicaCertificate(bytes))).toBe(true);
    }
  });
});

describe("an introduction", () => {
  it("tells whose log it is", async () => {
    expect(await judge(ofDevice, ofReplica)).toEqual({
      kind: "introduction",
      replica,
      memberId: memberIdOf(suite, publicKeysOf(ana)),
      member: publicKeysOf(ana),
      deviceId: deviceIdOf(suite, publicKeysOf(phone)),
      device: publicKeysOf(phone),
    });
  });

  it("is refused when any byte of it is wrong", async () => {
    const payload = introductionPayload(ofDevice, ofReplica);
    expect(payload.length).toBe(introductionBytes);
    for (let at = 0; at < payload.length; at++) {
      const tampered = payload.map((byte, index) => (index === at ? byte ^ 1 : byte));
      const verdict = await verifyIntroduction(suite, space, replica, tampered);
      expect(isRefusal(verdict), `byte ${at}`).toBe(true);
    }
    for (const length of [0, 1, deviceCertificateBytes, introductionBytes - 1]) {
      const verdict = await verifyIntroduction(suite, space, replica, payload.subarray(0, length));
      expect(isRefusal(verdict) ? verdict.fault : "", `length ${length}`).toBe("form");
    }
  });

  it("holds for its space and its replica alone", async () => {
    const someone = replicaIdOf(suite, ana.signing.publicKey);
    expect(await judge(ofDevice, ofReplica, otherSpace)).toBe("foreign");
    expect(await judge(ofDevice, ofReplica, space, someone)).toBe("foreign");
  });

  it("lets nobody take another member's device for theirs", async () => {
    const claim = await makeDeviceCertificate(suite, eve, publicKeysOf(phone));
    // The claim is signed, but the phone itself certifies no replica of Eve's.
    const evesReplica = await suite.newSigningPair();
    const who = replicaIdOf(suite, evesReplica.publicKey);
    const byEve = await makeReplicaCertificate(
      suite,
      evesPhone.signing,
      space,
      evesReplica.publicKey,
    );
    expect(await judge(claim, byEve, space, who)).toBe("foreign");
    const pretended = { publicKey: phone.signing.publicKey, secret: evesPhone.signing.secret };
    const forged = await makeReplicaCertificate(suite, pretended, space, evesReplica.publicKey);
    expect(await judge(claim, forged, space, who)).toBe("forged");
  });

  it("lets nobody pass their device off as another member's", async () => {
    const pretended = {
      ...ana,
      signing: { publicKey: ana.signing.publicKey, secret: eve.signing.secret },
    };
    const forged = await makeDeviceCertificate(suite, pretended, publicKeysOf(evesPhone));
    const byEve = await makeReplicaCertificate(suite, evesPhone.signing, space, pair.publicKey);
    expect(await judge(forged, byEve)).toBe("forged");
  });

  it("of another suite or version is told apart from a wrong one", async () => {
    const changed = (bytes: Uint8Array, at: number, value: number) =>
      bytes.map((byte, index) => (index === at ? value : byte));
    expect(await judge(changed(ofDevice, 0, 2), ofReplica)).toBe("version");
    expect(await judge(ofDevice, changed(ofReplica, 0, 2))).toBe("version");
    expect(await judge(changed(ofDevice, 1, 0), ofReplica)).toBe("version");
    expect(await judge(ofDevice, changed(ofReplica, 1, 9))).toBe("version");
  });
});
