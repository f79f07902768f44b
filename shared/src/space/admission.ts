/**
 * What makes somebody a member besides saying so: the founder signs with the space's first admin
 * key, whoever joins with the key of their invite (docs/protocol.md section 4.2, *genesis* and
 * *join*). The signature names member and replica, so it cannot be taken from one log into another.
 */
import { Writer } from "../bytes/writer.ts";
import type { SigningKey, Suite } from "../crypto/suite.ts";
import { bytesOfId, type MemberId, type ReplicaId, type SpaceTag } from "../id/id.ts";
import type { VerifyingSuite } from "../log/suite.ts";

/** How a member came in, as the label of the signature. */
export type AdmissionLabel = "skein/genesis" | "skein/join";

export interface Admission {
  readonly space: SpaceTag;
  readonly member: MemberId;
  readonly replica: ReplicaId;
}

/** @param key of the space's first admin for *genesis*, of the invite for *join*. */
export const signAdmission = (
  suite: Suite,
  key: SigningKey,
  label: AdmissionLabel,
  admission: Admission,
): Promise<Uint8Array<ArrayBuffer>> => suite.sign(key, label, messageOf(admission));

export const verifyAdmission = (
  suite: VerifyingSuite,
  publicKey: Uint8Array,
  label: AdmissionLabel,
  admission: Admission,
  signature: Uint8Array,
): Promise<boolean> => suite.verify(publicKey, label, messageOf(admission), signature);

const messageOf = ({ space, member, replica }: Admission): Uint8Array<ArrayBuffer> =>
  new Writer(48).raw(bytesOfId(space)).raw(bytesOfId(member)).raw(bytesOfId(replica)).finish();
