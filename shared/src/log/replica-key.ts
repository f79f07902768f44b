/** A replica id proves itself: it is the hash of the key that signs its log (docs/protocol.md 2). */
import { idBytes, replicaId, type ReplicaId } from "../id/id.ts";
import type { VerifyingSuite } from "./suite.ts";

/** An Ed25519 public key (RFC 8032). */
export const publicKeyBytes = 32;

const replicaLabel = "skein/replica";

/** Whose log `publicKey` signs: `H("skein/replica", key)[:16]`. */
export const replicaIdOf = (suite: VerifyingSuite, publicKey: Uint8Array): ReplicaId =>
  replicaId(suite.hash(replicaLabel, publicKey).subarray(0, idBytes.replica));
