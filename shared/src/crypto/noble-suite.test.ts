import { bulkContract } from "./bulk.contract.ts";
import { suite1Contract, suiteContract } from "./suite.contract.ts";
import { nobleSuite } from "./noble-suite.ts";
import type { Random } from "../env.ts";

/** Bytes that never repeat, as far as a test can see. */
function countingRandom(): Random {
  let next = 0;
  return {
    bytes: (length) => Uint8Array.from({ length }, () => (next = (next * 5 + 113) & 0xffff) >> 8),
    fraction: () => 0.5,
  };
}

const fixedRandom = (secret: Uint8Array<ArrayBuffer>): Random => ({
  bytes: () => secret,
  fraction: () => 0.5,
});

suiteContract("noble", async () => nobleSuite(countingRandom()));
bulkContract("noble", async () => nobleSuite(countingRandom()));
suite1Contract("noble", async () => ({
  suite: nobleSuite(countingRandom()),
  agreementPairFrom: (secret) => nobleSuite(fixedRandom(secret)).newAgreementPair(),
}));
