/**
 * Every limit of the protocol, with its reason. Sizes of entries, operations and lists belong to
 * the format version: all parties must agree on what is refused, so they never differ by setup.
 */
import { runEntriesMax } from "../log/entry.ts";
import { dependenciesMax, operationsMax } from "../log/plain.ts";

export const limits = {
  /** One frame. Fits a WebSocket message everywhere and bounds what a decoder may hold. */
  frameBytesMax: 262_144,
  /** A sealed body; larger content travels as a blob. */
  bodyBytesMax: 65_536,
  /** Operations in one entry, so that no single entry stalls a frame. */
  operationsMax,
  /** Frontier heads an entry may name: more writers than that are implied by one another. */
  dependenciesMax,
  /** Entries in one run; a store never hands out more at once. */
  runEntriesMax,
  /** Bodies in one run; leaves room for items' heads within a frame. */
  runBytesMax: 196_608,
  /** A post's text. */
  postBytesMax: 16_384,
  /** Names of spaces, members, devices. */
  nameBytesMax: 256,
  /** A setting of a person: short keys, values up to a small record. */
  settingKeyBytesMax: 256,
  settingValueBytesMax: 16_384,
  /** In flight beyond the last `stored`, per session: bodies, and 64 bytes for each entry. */
  windowBytes: 1_048_576,
  /** Spaces on one connection. */
  spacesMax: 64,
  /** Logs of one space: a delivery clock over all of them fits a register. */
  logsMax: 3_000,
  /** Branches of one replica's log: copies of a profile are few. */
  branchesMax: 16,
  /** Rows in one `heads`, `versions` or `stored` frame: 3,000 of at most 64 bytes fit a frame. */
  rowsMax: 3_000,
  /** Hashes in one `hashes` frame: 131 KB, and the search for a fork halves its range anyway. */
  hashesMax: 4_096,
  /** Present replicas named in a welcome: some to gossip with. */
  presentMax: 20,
  /** Aliases a sender may announce on one connection. */
  aliasesMax: 65_536,
  /** A register's sealed body: a clock over 3,000 replicas. */
  registerBytesMax: 65_536,
  /** Registers of one replica: a few of its own and a read mark per document it reads. */
  registersMax: 4_096,
  /** A whisper's sealed body. */
  whisperBytesMax: 16_384,
  /** Blobs in one `keep` or `lacking`: 131 KB. */
  blobsMax: 4_096,
  /** Requests about blobs that one side may have open in a session: their answers are a frame each. */
  blobRequestsMax: 4,
  /** Certificates in one hello, and replica proofs: together less than `unprovenBytesMax`. */
  certificatesMax: 14,
  proofsMax: 8,
  /** Before the first valid proof. */
  unprovenBytesMax: 4_096,
  unprovenHellosMax: 3,
  proofDeadlineMs: 5_000,
  /** A sealed invite part, and its longest life. */
  inviteBytesMax: 8_192,
  inviteLifeMsMax: 366 * 86_400_000,
  /** Reason texts of leave, bye and done. */
  detailBytesMax: 512,
  /** Silence after which a ping goes out, and after which the connection is dead. */
  pingAfterMs: 25_000,
  deadAfterMs: 60_000,
  /** Silence in a space after which digests are compared again. */
  antiEntropyMs: 60_000,
  /** Ranges one session may be asked for, and may ask for, at a time. */
  wantsMax: 64,
} as const;
