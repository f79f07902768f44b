import { describe, expect, it, vi } from "vitest";
import { MemoryDisk } from "@skein/shared/device/memory-kv.ts";
import { deviceStores } from "@skein/shared/device/stores.ts";
import type { Lock } from "@skein/shared/device/writer.ts";
import type { Env } from "@skein/shared/env.ts";
import { documentId, type ReplicaId } from "@skein/shared/id/id.ts";
import { zeroHash } from "@skein/shared/log/chain.ts";
import { lastSeq } from "@skein/shared/log/entry.ts";
import type { VerifiedRun } from "@skein/shared/log/store.ts";
import { newSpace } from "@skein/shared/space/new-space.ts";
import { Tab } from "../support/party.ts";
import { toySuite } from "../support/toy-suite.ts";

const env: Env = {
  clock: { now: () => 1_000 },
  random: {
    bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    fraction: () => Math.random(),
  },
};
const suite = toySuite(env.random);
const document = documentId(new Uint8Array(8).fill(1));
const alone: Lock = (body) => body();

/** A log of `count` entries, as the runs they were appended in. */
async function logOf(tab: Tab, count: number): Promise<VerifiedRun[]> {
  const { space, publicKey } = tab.sealer;
  const runs: VerifiedRun[] = [];
  let previous: Uint8Array = zeroHash;
  for (let seq = 1; seq <= count; seq++) {
    await tab.writer.append(document, () => [{ kind: 0x70, payload: new Uint8Array(8) }]);
    const run = await tab.store.read(space, tab.replicaId, seq, 1);
    if (run === undefined || lastSeq(run) !== seq) throw new Error("one entry each");
    const hashes = await tab.store.hashes(space, tab.replicaId, seq, seq);
    runs.push({ ...run, publicKey, previous, hashes });
    previous = hashes[0] ?? previous;
  }
  return runs;
}

describe("a replica with entries that cannot be delivered", () => {
  it("keeps a bounded part of them in memory, and delivers all once it may", async () => {
    const space = await newSpace(suite, env.random);
    const admitted = new Set<ReplicaId>();
    const newTab = async (): Promise<Tab> =>
      new Tab({
        env,
        suite,
        kv: new MemoryDisk(deviceStores).open(),
        space,
        pair: await suite.newSigningPair(),
        lock: alone,
        gate: {
          know: () => {},
          admitted: (replica) => admitted.has(replica),
          examine: async () => {},
          restore: async () => {},
        },
        onBug: (error) => {
          throw error;
        },
      });
    const author = await newTab();
    const reader = await newTab();
    const replica = await reader.lead();

    const count = 1_500;
    for (const run of await logOf(author, count)) {
      const [outcome] = await reader.store.append(space.tag, [run]);
      if (outcome?.kind !== "held") throw new Error("it continues the log");
      replica.exchange.holdings.setHead(outcome.head);
      replica.onHeld(run);
      await Promise.resolve();
    }
    await vi.waitFor(() => expect(replica.ahead).toBe(1_024), { timeout: 10_000 });
    expect(replica.unapplied).toBe(count);

    admitted.add(author.replicaId);
    replica.reconsider();
    await vi.waitFor(() => expect(replica.unapplied).toBe(0), { timeout: 10_000 });
    expect(replica.applied.vector.get(author.replicaId)).toBe(count);
  });
});
