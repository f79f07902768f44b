/**
 * The relay's store with a limit on how much is written into one space in a minute, by everybody
 * together. A write beyond it is not made; the room tells those whose it was when to come back.
 */
import { RateLimiterMemory } from "rate-limiter-flexible";
import { bodyBytes } from "@skein/shared/log/entry.ts";
import { waitOf } from "./rate.ts";
import { blobCost, entryCost, registerCost, type RelayStore } from "./store/store.ts";

export class SpaceTooFast extends Error {
  override readonly name = "SpaceTooFast";
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number) {
    super("too much is written into this space at once");
    this.retryAfterMs = retryAfterMs;
  }
}

export function pacedStore(store: RelayStore, bytesPerMinute: number): RelayStore {
  const limiter = new RateLimiterMemory({ points: bytesPerMinute, duration: 60 });
  const admit = async (space: string, bytes: number): Promise<void> => {
    const retryAfterMs = await waitOf(limiter, space, bytes);
    if (retryAfterMs > 0) throw new SpaceTooFast(retryAfterMs);
  };
  return {
    heads: (space) => store.heads(space),
    async append(space, runs) {
      let bytes = 0;
      for (const run of runs) bytes += entryCost(run.entries.length, bodyBytes(run));
      await admit(space, bytes);
      return store.append(space, runs);
    },
    begin: (space, bases) => store.begin(space, bases),
    async split(space, { proof, ...split }) {
      if (proof === undefined) return store.split(space, split);
      const bytes = entryCost(proof.entries.length, bodyBytes(proof));
      // Not without what shows the fork: the next comparison comes by again.
      if ((await waitOf(limiter, space, bytes)) > 0) return { kind: "moved" };
      return store.split(space, { ...split, proof });
    },
    read: (space, replica, first, bytesMax) => store.read(space, replica, first, bytesMax),
    hashes: (space, replica, first, last) => store.hashes(space, replica, first, last),
    registers: (space) => store.registers(space),
    async putRegisters(space, registers) {
      let bytes = 0;
      for (const register of registers) bytes += registerCost(register.bytes.length);
      await admit(space, bytes);
      return store.putRegisters(space, registers);
    },
    certificate: (space) => store.certificate(space),
    putCertificate: (space, certificate) => store.putCertificate(space, certificate),
    usage: (space) => store.usage(space),
    keepBlobs: (space, ids, untilMs) => store.keepBlobs(space, ids, untilMs),
    async putBlob(space, id, bytes, untilMs) {
      await admit(space, blobCost(bytes.length));
      return store.putBlob(space, id, bytes, untilMs);
    },
    blob: (space, id) => store.blob(space, id),
    sweepBlobs: (nowMs, countMax) => store.sweepBlobs(nowMs, countMax),
    putOrder: (space, order) => store.putOrder(space, order),
    order: (space) => store.order(space),
    dueOrders: (nowMs, countMax, after) => store.dueOrders(nowMs, countMax, after),
    orderDone: (space, number) => store.orderDone(space, number),
    putInvite: (space, invite, nowMs) => store.putInvite(space, invite, nowMs),
    revokeInvite: (space, codeHash) => store.revokeInvite(space, codeHash),
    peekInvite: (codeHash, nowMs) => store.peekInvite(codeHash, nowMs),
    useInvite: (codeHash, nowMs) => store.useInvite(codeHash, nowMs),
    ping: () => store.ping(),
    close: () => store.close(),
  };
}
