/**
 * Founding a space (docs/protocol.md sections 2 and 3): fresh keys, and access certificate 0, which
 * names them and whose hash is the space's address. Nothing but dice is needed, and nobody is asked.
 */
import type { OwnerSeeds } from "../crypto/access-keys.ts";
import { seedBytes } from "../crypto/access-keys.ts";
import { contentKeyBytes } from "../crypto/keyring.ts";
import type { Suite } from "../crypto/suite.ts";
import type { Random } from "../env.ts";
import type { SpaceTag } from "../id/id.ts";
import { zeroHash } from "../log/chain.ts";
import {
  accessLabels,
  accessSaltBytes,
  accessStatement,
  type AccessStatement,
  encodeAccessCertificate,
  spaceTagOf,
} from "../protocol/access.ts";

export interface NewSpace {
  readonly tag: SpaceTag;
  /** Access certificate 0, 214 bytes. */
  readonly certificate: Uint8Array<ArrayBuffer>;
  readonly seeds: OwnerSeeds;
  /** `K_0`, the content key of the first epoch. */
  readonly contentKey: Uint8Array<ArrayBuffer>;
}

export async function newSpace(suite: Suite, random: Random): Promise<NewSpace> {
  const salt = random.bytes(accessSaltBytes);
  const seeds: OwnerSeeds = {
    role: "owner",
    read: random.bytes(seedBytes),
    write: random.bytes(seedBytes),
    admin: random.bytes(seedBytes),
  };
  const contentKey = random.bytes(contentKeyBytes);
  const [read, write, admin] = await Promise.all([
    suite.signingPairFromSeed(seeds.read),
    suite.signingPairFromSeed(seeds.write),
    suite.signingPairFromSeed(seeds.admin),
  ]);
  const statement: AccessStatement = {
    suite: suite.id,
    n: 0,
    previous: zeroHash,
    salt,
    readKey: read.publicKey,
    writeKey: write.publicKey,
    adminKey: admin.publicKey,
  };
  const message = accessStatement(statement);
  const signature = await suite.sign(admin.secret, accessLabels.certificate, message);
  return {
    tag: spaceTagOf(suite, statement),
    certificate: encodeAccessCertificate({ ...statement, signature }),
    seeds,
    contentKey,
  };
}
