import type { KvUnderTest } from "./kv.contract.ts";
import { MemoryDisk } from "./memory-kv.ts";
import { readModelsContract } from "./read-models.contract.ts";
import { installContract } from "./snapshot/install.contract.ts";
import { deviceStoreContract } from "./store.contract.ts";
import { deviceStores } from "./stores.ts";

async function inMemory(): Promise<KvUnderTest> {
  const disk = new MemoryDisk(deviceStores);
  return { kv: disk.open(), connect: async () => disk.open(), dispose: async () => undefined };
}

deviceStoreContract("memory", inMemory);
readModelsContract("memory", inMemory);
installContract("memory", inMemory);
