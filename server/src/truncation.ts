/**
 * Orders of owners to let go of what a snapshot covers: taken in when they are signed, carried out
 * when the retention is over. Until then everything stays as it is, so that a device whose owner was
 * mistaken, or robbed, has that long to say so.
 */
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import type { SpaceTag } from "@skein/shared/id/id.ts";
import { isRefusal, type Refusal, refused } from "@skein/shared/log/refusal.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import type { LogBase, LogHead } from "@skein/shared/log/store.ts";
import type { VerifyingSuite } from "@skein/shared/log/suite.ts";
import { parseTruncation, verifyTruncation } from "@skein/shared/log/truncation.ts";
import { parseAccessCertificate } from "@skein/shared/protocol/access.ts";
import type { RelayStore } from "./store/store.ts";

export interface OrderDesk {
  readonly store: RelayStore;
  readonly suite: VerifyingSuite;
}

/**
 * Keeps the order if an owner has signed it and no newer one is kept. Answers with the logs it speaks
 * of: those that are not held here at all may begin there at once.
 */
export async function takeOrder(
  { store, suite }: OrderDesk,
  space: SpaceTag,
  bytes: Uint8Array,
  dueMs: number,
): Promise<readonly LogBase[] | Refusal> {
  const certificate = await store.certificate(space);
  const parsed = certificate && parseAccessCertificate(certificate.bytes);
  if (parsed === undefined || isMalformed(parsed)) return refused("foreign", "no such space");
  const order = await verifyTruncation(suite, space, parsed.adminKey, bytes);
  if (isRefusal(order)) return order;
  const kept = await store.putOrder(space, { number: order.number, bytes, dueMs });
  return kept.number === order.number ? order.bases : [];
}

/** The logs that begin elsewhere now. One that has another entry there stays as it is. */
export async function begin(
  store: RelayStore,
  space: SpaceTag,
  bases: readonly LogBase[],
): Promise<readonly LogHead[]> {
  if (bases.length === 0) return [];
  const begun = await store.begin(space, bases);
  return begun.flatMap((each) => (each.kind === "begun" && each.news ? [each.head] : []));
}

/** Carries out what is due; at most so many spaces. `began` hears of each space's logs. */
export async function carryOutDue(
  { store, suite }: OrderDesk,
  nowMs: number,
  countMax: number,
  began: (space: SpaceTag, heads: readonly LogHead[]) => void,
): Promise<number> {
  const due = await store.dueOrders(nowMs, countMax);
  for (const { space, order } of due) {
    const parsed = parseTruncation(order.bytes);
    // It was read before it was kept: a form that this version no longer knows does nothing.
    const rows = isMalformed(parsed) ? [] : parsed.rows;
    const bases = rows.map((row) => ({ ...row, replica: replicaIdOf(suite, row.publicKey) }));
    began(space, await begin(store, space, bases));
    await store.orderDone(space, order.number);
  }
  return due.length;
}
