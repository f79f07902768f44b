import { expect, test } from "vitest";
import { replicaId, spaceTag } from "@skein/shared/id/id.ts";
import { TestLog } from "@skein/shared/log/test-log.contract.ts";
import { pacedStore } from "./paced-store.ts";
import { MemoryRelayStore } from "./store/memory.ts";
import { relayStoreContract } from "./store/store.contract.ts";
import { entryCost } from "./store/store.ts";

relayStoreContract("a paced store", { durable: false }, async (bounds) => {
  const store = pacedStore(new MemoryRelayStore(bounds), Number.MAX_SAFE_INTEGER);
  return { store, reopen: undefined, dispose: () => store.close() };
});

test("a space that is written into too fast is refused with the time to wait, others are not", async () => {
  const [spaceA, spaceB] = [0xa0, 0xb0].map((byte) => spaceTag(new Uint8Array(16).fill(byte)));
  if (spaceA === undefined || spaceB === undefined) throw new Error("two spaces");
  const inner = new MemoryRelayStore();
  const store = pacedStore(inner, entryCost(3, 300));
  const log = new TestLog(replicaId(new Uint8Array(16).fill(1)));
  const run = log.run(3, { bodyBytes: 100 });
  await store.append(spaceA, [run]);
  const refused = await store.append(spaceA, [log.run(1)]).catch((error: unknown) => error);
  expect(refused).toMatchObject({ name: "SpaceTooFast" });
  const { retryAfterMs } = refused as { retryAfterMs: number };
  expect(retryAfterMs).toBeGreaterThan(0);
  expect(retryAfterMs).toBeLessThanOrEqual(60_000);
  expect((await inner.usage(spaceA)).entries).toBe(3);
  expect(await store.append(spaceB, [run])).toMatchObject([{ kind: "held" }]);
});
