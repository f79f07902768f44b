/**
 * Orders of owners to let go of what a snapshot covers: taken in when they are signed, carried out
 * when the retention is over. Until then everything stays as it is, so that a device whose owner was
 * mistaken, or robbed, has that long to say so.
 */
import { equalBytes } from "@skein/shared/bytes/bytes.ts";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import type { SpaceTag } from "@skein/shared/id/id.ts";
import { isRefusal, type Refusal, refused } from "@skein/shared/log/refusal.ts";
import type { LogBase, LogHead } from "@skein/shared/log/store.ts";
import type { VerifyingSuite } from "@skein/shared/log/suite.ts";
import { baseOfRow, parseTruncation, verifyTruncation } from "@skein/shared/log/truncation.ts";
import { parseAccessCertificate } from "@skein/shared/protocol/access.ts";
import { limits } from "@skein/shared/protocol/limits.ts";
import type { DueOrder, OrderPlace, RelayStore } from "./store/store.ts";

export interface OrderDesk {
  readonly store: RelayStore;
  readonly suite: VerifyingSuite;
}

/**
 * Keeps the order if an owner has signed it and it may follow the one that is kept. Answers with
 * the logs it speaks of: those that are not held here at all may begin there at once. With none if
 * another order stays in its place, even one of the same number.
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
  return equalBytes(kept.bytes, bytes) ? order.bases : [];
}

/**
 * The logs that begin elsewhere now. One that has another entry there stays as it is; one of which
 * nothing is held counts like any other, and does not begin where the space has as many as it may.
 */
export async function begin(
  store: RelayStore,
  space: SpaceTag,
  bases: readonly LogBase[],
): Promise<readonly LogHead[]> {
  if (bases.length === 0) return [];
  const held = new Set((await store.heads(space)).map(({ replica }) => replica));
  let newMax = limits.logsMax - held.size;
  const fitting = bases.filter(({ replica }) => held.has(replica) || newMax-- > 0);
  const begun = await store.begin(space, fitting);
  return begun.flatMap((each) => (each.kind === "begun" && each.news ? [each.head] : []));
}

export interface OrderSweepOptions extends OrderDesk {
  /** Hears of each space's logs that begin elsewhere now. */
  readonly began: (space: SpaceTag, heads: readonly LogHead[]) => void;
  readonly onFailed: (error: unknown) => void;
}

/**
 * Carries out what is due, those due first first. An order that fails is stepped over, so that it
 * holds up no other space's, and tried again when all others had their turn.
 */
export class OrderSweep {
  readonly #options: OrderSweepOptions;
  /** The last one that had its turn; undefined before the first. */
  #after: OrderPlace | undefined;

  constructor(options: OrderSweepOptions) {
    this.#options = options;
  }

  /** At most so many orders; how many had their turn. Less than that: no other is due. */
  async slice(nowMs: number, countMax: number): Promise<number> {
    const { store, onFailed } = this.#options;
    const due = await store.dueOrders(nowMs, countMax, this.#after);
    for (const each of due) {
      try {
        await this.#carryOut(each);
      } catch (error) {
        onFailed(error);
      }
    }
    const last = due.length < countMax ? undefined : due.at(-1);
    this.#after = last && { space: last.space, dueMs: last.order.dueMs };
    return due.length;
  }

  async #carryOut({ space, order }: DueOrder): Promise<void> {
    const { store, suite, began } = this.#options;
    const parsed = parseTruncation(order.bytes);
    // It was read before it was kept: a form that this version no longer knows does nothing.
    const rows = isMalformed(parsed) ? [] : parsed.rows;
    const bases = rows.map((row) => baseOfRow(suite, row));
    began(space, await begin(store, space, bases));
    await store.orderDone(space, order.number);
  }
}
