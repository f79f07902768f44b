/**
 * The stores of a device's database, with their keys. The log is the truth; what is marked "derived"
 * can be had from it again and changes in relaxed transactions.
 *
 * A prefix [space, …] keeps what belongs together side by side; ids are text, seqs and counters
 * numbers. A change of any row's form needs a new version of the schema (client/src/storage/schema.ts),
 * where a fixture pins the forms of each version.
 */
export const stores = {
  /** name → record of the device: identity, settings (records.ts). */
  meta: "meta",
  /** space → record: name, keys, relays (records.ts). */
  spaces: "spaces",

  /** "epoch" → number of the newest leader. */
  leadership: "leadership",
  /** [space, replica] → what is held of a log (device-log.ts). */
  heads: "heads",
  /** [space, replica, first seq] → entries in bulk (log-segments.ts). */
  segments: "segments",
  /** [space, signer, seq] → a second copy of an own entry that nobody else has (spares.ts). */
  spares: "spares",
  /** [space, replica, seq] → nonce of the writer session which that entry opens. */
  sessions: "sessions",
  /** [space, replica] → what the next own entry must be built on (device-log.ts). */
  writers: "writers",
  /** [space, replica, register name] → the newest register (device-log.ts). */
  registers: "registers",
  /** [space, blob id] → a sealed piece of a manifest's object. */
  blobs: "blobs",
  /** space → the newest checkpoint (device/snapshot). */
  checkpoints: "checkpoints",

  /** space → `AppliedState`. Derived. */
  applied: "applied",
  /** [space, replica] → the log's last known wall clock in ms. Derived. */
  clocks: "clocks",
  /** [space, channel] → counters (message-rows.ts). Derived. */
  channels: "channels",
  /** [space, channel, order key] → messages in bulk (message-rows.ts). Derived. */
  messages: "messages",
  /** [space, document] → where a document's tail begins and ends (tail-rows.ts). Derived. */
  documents: "documents",
  /** [space, document, number] → updates in bulk, in the order applied (tail-rows.ts). Derived. */
  tails: "tails",
  /** [space, document] → what the updates before the tail add up to (tail-rows.ts). Derived. */
  snapshots: "snapshots",
  /** [space, document, order key] → an operation kept whole (operation-rows.ts). Derived. */
  operations: "operations",
  /** [space, document, order key] → an operation of unknown kind (operation-rows.ts). Derived. */
  parked: "parked",
  /** [space, document, key] → what of a snapshot is still to come. Derived. */
  pending: "pending",
  /** space → the catalog as views paint it. Derived. */
  catalogs: "catalogs",
  /** space → how far own entries were known to have come elsewhere. Derived. */
  receipts: "receipts",
  /** [space, channel] → text of the composer. */
  drafts: "drafts",
} as const;

export const deviceStores: readonly string[] = Object.values(stores);
