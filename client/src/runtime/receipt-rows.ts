/**
 * How far own entries of each space have come elsewhere, kept so that a reload without network tells the
 * same as before it. Relaxed: after a power cut it may know less, and learns it again from whoever holds
 * the entries and from everybody's registers.
 */
import type { Kv } from "@skein/shared/device/kv.ts";
import { stores } from "@skein/shared/device/stores.ts";
import type { SpaceTag } from "@skein/shared/id/id.ts";
import type { LedgerState } from "@skein/shared/receipt/ledger.ts";

export interface ReceiptRow {
  /** The own log as another durable party was last known to hold it; may go back. */
  readonly storedTo: number;
  /** What was ever known; only grows. */
  readonly ledger: LedgerState;
}

export async function readReceiptRow(kv: Kv, space: SpaceTag): Promise<ReceiptRow | undefined> {
  return kv.read([stores.receipts], async (tx) => {
    return (await tx.get(stores.receipts, space)) as ReceiptRow | undefined;
  });
}

/** The leading tab alone writes it: one that was frozen meanwhile knows less, and changes nothing. */
export async function putReceiptRow(
  kv: Kv,
  leaderEpoch: number,
  space: SpaceTag,
  row: ReceiptRow,
): Promise<void> {
  await kv.write([stores.leadership, stores.receipts], "relaxed", async (tx) => {
    if ((await tx.get(stores.leadership, "epoch")) === leaderEpoch) {
      tx.put(stores.receipts, space, row);
    }
  });
}
