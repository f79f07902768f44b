import { MemoryLogStore } from "./memory-store.ts";
import { logStoreContract } from "./store.contract.ts";

logStoreContract("the memory store", { durable: false }, async () => {
  const store = new MemoryLogStore();
  return { store, reopen: undefined, dispose: () => store.close() };
});
