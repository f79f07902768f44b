/**
 * The digests of docs/protocol.md section 8.1: XOR over the first 16 bytes of the hashes of
 * everything held, so that two parties see in one small frame whether they hold the same, and a
 * new head costs O(1) (an incremental set hash; Bellare and Micciancio, "A new paradigm for
 * collision-free hashing", 1997). XOR finds honest differences. A member who crafts the heads of
 * more than a hundred logs can make one cancel out; what is pushed as it comes does not ask it.
 */
import { bytesOfId } from "../id/id.ts";
import type { LogHead } from "./store.ts";

export const digestBytes = 16;

class XorDigest {
  readonly #sum = new Uint8Array(digestBytes);

  add(hash: Uint8Array): void {
    this.#flip(hash);
  }

  /** `hash` must have been added: XOR cannot know. */
  remove(hash: Uint8Array): void {
    this.#flip(hash);
  }

  /** `after` takes the place of `before`, or is new if that is undefined. */
  replace(before: Uint8Array | undefined, after: Uint8Array): void {
    if (before !== undefined) this.#flip(before);
    this.#flip(after);
  }

  /** 16 bytes, zeros for nothing held; a copy. */
  value(): Uint8Array<ArrayBuffer> {
    return this.#sum.slice();
  }

  #flip(hash: Uint8Array): void {
    if (hash.length < digestBytes) throw new RangeError(`a hash of ${hash.length} bytes`);
    const sum = this.#sum;
    for (let index = 0; index < digestBytes; index++) {
      sum[index] = (sum[index] ?? 0) ^ (hash[index] ?? 0);
    }
  }
}

/** Over the hash of each log's head. */
export class LogDigest extends XorDigest {}

/**
 * What a log adds to the digest. A branch (log/branch.ts) has the same head as the log that it left in
 * the hands of whoever has not taken that apart yet: its id makes the difference.
 */
export function digestedHead({ replica, hash, branch }: LogHead): Uint8Array {
  if (branch === undefined) return hash;
  const id = bytesOfId(replica);
  return id.map((byte, index) => byte ^ (hash[index] ?? 0));
}

/** Over the bodyHash of each register. */
export class RegisterDigest extends XorDigest {}
