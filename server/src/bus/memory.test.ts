import { busContract } from "./bus.contract.ts";
import { MemoryBusHub } from "./memory.ts";

busContract("the memory bus", async () => {
  const hub = new MemoryBusHub();
  return {
    connect: async () => hub.connect(),
    settle: () => new Promise((resolve) => setImmediate(resolve)),
    dispose: async () => {},
  };
});
