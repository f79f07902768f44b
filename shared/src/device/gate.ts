/**
 * Who is let through to causal delivery: the space's members, as the membership record says. The
 * replica asks, `space/membership.ts` knows.
 */
import type { ReplicaId } from "../id/id.ts";
import type { OpenedEntry } from "./delivery.ts";
import type { KeptOperation } from "./operation-rows.ts";

export interface Gate {
  /** That log is a branch of the signer's: its entries are the same device's. */
  know(branch: ReplicaId, signer: ReplicaId): void;
  /** Monotone: a replica that was admitted stays admitted. */
  admitted(replica: ReplicaId): boolean;
  /**
   * Checks what opened entries say about members and devices, and takes in what holds. Facts count
   * from here on, before their entries are applied: the record is a set, order does not matter.
   */
  examine(entries: readonly OpenedEntry[]): Promise<void>;
  /** The same for operations of the members' record as a device, or a snapshot, keeps them. */
  restore(operations: readonly Omit<KeptOperation, "appliedAtMs">[]): Promise<void>;
}
