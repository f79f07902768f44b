import { MemoryRelayStore } from "./memory.ts";
import { relayStoreContract } from "./store.contract.ts";

relayStoreContract("the relay's memory store", { durable: false }, async (bounds) => {
  const store = new MemoryRelayStore(bounds);
  return { store, reopen: undefined, dispose: () => store.close() };
});
