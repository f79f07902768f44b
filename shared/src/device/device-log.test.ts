import { sha256 } from "@noble/hashes/sha2.js";
import { labelled, type VerifyingSuite } from "../log/suite.ts";
import { logStoreContract } from "../log/store.contract.ts";
import { DeviceLog } from "./device-log.ts";
import { MemoryDisk } from "./memory-kv.ts";
import { deviceStores } from "./stores.ts";

const suite: VerifyingSuite = {
  id: 1,
  hash: (label, ...parts) => new Uint8Array(sha256(labelled(label, ...parts))),
  verify: async () => true,
};

logStoreContract("a device's log", { durable: true }, async () => {
  const disk = new MemoryDisk(deviceStores, { losesPower: true });
  return {
    store: new DeviceLog(disk.open(), suite),
    reopen: async (after) => {
      if (after === "crash") disk.cutPower(0);
      return new DeviceLog(disk.open(), suite);
    },
    dispose: async () => undefined,
  };
});
