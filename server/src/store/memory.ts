/**
 * The relay's store in memory: shared's memory store with certificates, counters and invites beside
 * it. For tests and the simulator; nothing outlives the process.
 */
import { compareBytes, toHex } from "@skein/shared/bytes/bytes.ts";
import type { BlobId, ReplicaId, SpaceTag } from "@skein/shared/id/id.ts";
import { beginsAfter } from "@skein/shared/log/branch.ts";
import { bodyBytes, lastSeq, type Run } from "@skein/shared/log/entry.ts";
import { MemoryLogStore } from "@skein/shared/log/memory-store.ts";
import { newerRegister } from "@skein/shared/log/register.ts";
import type {
  Appended,
  Begun,
  LogBase,
  LogHead,
  Split,
  SplitOff,
  StoredRegister,
  VerifiedRun,
} from "@skein/shared/log/store.ts";
import {
  blobCost,
  entryCost,
  type DueOrder,
  type OrderPlace,
  type FoundInvite,
  type Invite,
  inviteMemoryMs,
  invitesPerSpaceMax,
  mayGrow,
  mayKeepBlob,
  noBounds,
  type PutInvite,
  QuotaExceeded,
  registerCost,
  type RelayStore,
  type SpaceBounds,
  type StoredCertificate,
  type StoredOrder,
  StoreUnavailable,
  type Usage,
} from "./store.ts";

interface Space {
  certificate: StoredCertificate | undefined;
  bytes: number;
  entries: number;
  registerBytes: number;
  readonly to: Map<ReplicaId, number>;
  /** By replica and name. */
  readonly registers: Map<string, Pick<StoredRegister, "number" | "bodyHash" | "bytes">>;
  readonly blobs: Map<BlobId, KeptBlob>;
  order: StoredOrder | undefined;
  isOrderDone: boolean;
}

interface KeptBlob {
  readonly bytes: Uint8Array;
  untilMs: number;
}

interface KeptInvite extends Invite {
  readonly space: SpaceTag;
  readonly used: number;
  readonly revoked: boolean;
}

export class MemoryRelayStore implements RelayStore {
  readonly #logs = new MemoryLogStore();
  readonly #spaces = new Map<SpaceTag, Space>();
  /** By code hash in hexadecimal. */
  readonly #invites = new Map<string, KeptInvite>();
  #closed = false;
  /** The last write of logs and registers: the next begins after it. */
  #writing: Promise<unknown> = Promise.resolve();
  readonly #bounds: SpaceBounds;

  constructor(bounds: SpaceBounds = noBounds) {
    this.#bounds = bounds;
  }

  async heads(space: SpaceTag): Promise<readonly LogHead[]> {
    this.#assertOpen();
    return this.#logs.heads(space);
  }

  append(space: SpaceTag, runs: readonly VerifiedRun[]): Promise<readonly Appended[]> {
    return this.#inOrder(async () => {
      const counters = this.#space(space);
      const outcomes: Appended[] = [];
      for (const run of runs) {
        const before = counters.to.get(run.replica) ?? beginsAfter(run);
        const news = run.first > before + 1 ? 0 : Math.max(0, lastSeq(run) - before);
        const fresh = { entries: run.entries.slice(run.entries.length - news) };
        const bytes = entryCost(news, bodyBytes(fresh));
        if (!mayGrow(this.#bounds, counters, bytes, 0)) throw new QuotaExceeded();
        for (const outcome of await this.#logs.append(space, [run])) {
          outcomes.push(outcome);
          if (outcome.kind !== "held" || news === 0) continue;
          counters.to.set(run.replica, outcome.head.to);
          counters.entries += news;
          counters.bytes += bytes;
        }
      }
      return outcomes;
    });
  }

  begin(space: SpaceTag, bases: readonly LogBase[]): Promise<readonly Begun[]> {
    return this.#inOrder(async () => {
      const counters = this.#space(space);
      const outcomes: Begun[] = [];
      for (const base of bases) {
        const { entries, bytes } = await this.#heldUpTo(space, base);
        for (const outcome of await this.#logs.begin(space, [base])) {
          outcomes.push(outcome);
          if (outcome.kind !== "begun" || !outcome.news) continue;
          counters.to.set(base.replica, outcome.head.to);
          counters.entries -= entries;
          counters.bytes -= entryCost(entries, bytes);
        }
      }
      return outcomes;
    });
  }

  split(space: SpaceTag, split: Split): Promise<SplitOff> {
    return this.#inOrder(async () => {
      const before = await this.#cost(space);
      const { proof, ...apart } = split;
      const off = await this.#logs.split(space, apart);
      const outcome = off.kind === "split" ? await this.#withProof(space, off, proof) : off;
      if (outcome.kind === "split") {
        const counters = this.#space(space);
        const after = await this.#cost(space);
        // What was held of the branch under both ids is counted once.
        counters.entries += after.entries - before.entries;
        counters.bytes += after.bytes - before.bytes;
        const { to } = counters;
        to.set(split.into, outcome.branch.to);
        const left = outcome.proven ?? outcome.rest;
        if (left === undefined) to.delete(split.replica);
        else to.set(split.replica, left.to);
      }
      return outcome;
    });
  }

  /** Unless there is no room for it. */
  async #withProof(
    space: SpaceTag,
    off: Extract<SplitOff, { kind: "split" }>,
    proof: VerifiedRun | undefined,
  ): Promise<SplitOff> {
    if (proof === undefined) return off;
    const news = lastSeq(proof) - (off.rest?.to ?? beginsAfter(proof));
    const fresh = { entries: proof.entries.slice(Math.max(0, proof.entries.length - news)) };
    const cost = entryCost(fresh.entries.length, bodyBytes(fresh));
    if (!mayGrow(this.#bounds, this.#space(space), cost, 0)) return off;
    const [kept] = await this.#logs.append(space, [proof]);
    return kept?.kind === "held" ? { ...off, proven: kept.head } : off;
  }

  async read(
    space: SpaceTag,
    replica: ReplicaId,
    first: number,
    bytesMax: number,
  ): Promise<Run | undefined> {
    this.#assertOpen();
    return this.#logs.read(space, replica, first, bytesMax);
  }

  async hashes(
    space: SpaceTag,
    replica: ReplicaId,
    first: number,
    last: number,
  ): Promise<readonly Uint8Array[]> {
    this.#assertOpen();
    return this.#logs.hashes(space, replica, first, last);
  }

  async registers(space: SpaceTag): Promise<readonly StoredRegister[]> {
    this.#assertOpen();
    return this.#logs.registers(space);
  }

  putRegisters(space: SpaceTag, registers: readonly StoredRegister[]): Promise<readonly boolean[]> {
    return this.#inOrder(async () => {
      const counters = this.#space(space);
      const outcomes: boolean[] = [];
      for (const register of registers) {
        const key = `${register.replica}/${register.name}`;
        const held = counters.registers.get(key);
        const isNewer = newerRegister(register, held);
        outcomes.push(isNewer);
        if (!isNewer) continue;
        const before = held === undefined ? 0 : registerCost(held.bytes.length);
        const growth = registerCost(register.bytes.length) - before;
        if (!mayGrow(this.#bounds, counters, growth, growth)) throw new QuotaExceeded();
        counters.registers.set(key, register);
        counters.bytes += growth;
        counters.registerBytes += growth;
        await this.#logs.putRegisters(space, [register]);
      }
      return outcomes;
    });
  }

  async certificate(space: SpaceTag): Promise<StoredCertificate | undefined> {
    this.#assertOpen();
    return this.#spaces.get(space)?.certificate;
  }

  async putCertificate(
    space: SpaceTag,
    certificate: StoredCertificate,
  ): Promise<StoredCertificate> {
    this.#assertOpen();
    const kept = this.#space(space);
    if (kept.certificate === undefined || supersedes(certificate, kept.certificate)) {
      const { n, bytes, hash } = certificate;
      kept.certificate = { n, bytes: bytes.slice(), hash: hash.slice() };
    }
    return kept.certificate;
  }

  async usage(space: SpaceTag): Promise<Usage> {
    this.#assertOpen();
    const { bytes = 0, entries = 0, registerBytes = 0 } = this.#spaces.get(space) ?? {};
    return { bytes, entries, registerBytes };
  }

  keepBlobs(space: SpaceTag, ids: readonly BlobId[], untilMs: number): Promise<readonly BlobId[]> {
    return this.#inOrder(async () => {
      const blobs = this.#spaces.get(space)?.blobs;
      return ids.filter((id) => !renewed(blobs?.get(id), untilMs));
    });
  }

  async putBlob(space: SpaceTag, id: BlobId, bytes: Uint8Array, untilMs: number): Promise<void> {
    const own = bytes.slice();
    return this.#inOrder(async () => {
      const kept = this.#space(space);
      if (renewed(kept.blobs.get(id), untilMs)) return;
      const cost = blobCost(own.length);
      if (!mayKeepBlob(this.#bounds, kept, cost)) throw new QuotaExceeded();
      kept.blobs.set(id, { bytes: own, untilMs });
      kept.bytes += cost;
    });
  }

  async blob(space: SpaceTag, id: BlobId): Promise<Uint8Array | undefined> {
    this.#assertOpen();
    return this.#spaces.get(space)?.blobs.get(id)?.bytes;
  }

  sweepBlobs(nowMs: number, countMax: number): Promise<number> {
    return this.#inOrder(async () => {
      const all = [...this.#spaces.values()].flatMap((space) =>
        [...space.blobs].map(([id, blob]) => ({ space, id, ...blob })),
      );
      const ended = all
        .filter(({ untilMs }) => untilMs <= nowMs)
        .sort((a, b) => a.untilMs - b.untilMs)
        .slice(0, countMax);
      for (const { space, id, bytes } of ended) {
        space.blobs.delete(id);
        space.bytes -= blobCost(bytes.length);
      }
      return ended.length;
    });
  }

  async putOrder(space: SpaceTag, { number, bytes, dueMs }: StoredOrder): Promise<StoredOrder> {
    this.#assertOpen();
    const kept = this.#space(space);
    if (kept.order !== undefined && (!kept.isOrderDone || number <= kept.order.number)) {
      return kept.order;
    }
    kept.order = { number, bytes: bytes.slice(), dueMs };
    kept.isOrderDone = false;
    return kept.order;
  }

  async order(space: SpaceTag): Promise<StoredOrder | undefined> {
    this.#assertOpen();
    return this.#spaces.get(space)?.order;
  }

  async dueOrders(
    nowMs: number,
    countMax: number,
    after?: OrderPlace,
  ): Promise<readonly DueOrder[]> {
    this.#assertOpen();
    const due: { readonly place: OrderPlace; readonly order: StoredOrder }[] = [];
    for (const [space, { order, isOrderDone }] of this.#spaces) {
      if (order === undefined || isOrderDone || order.dueMs > nowMs) continue;
      const place = { space, dueMs: order.dueMs };
      if (after === undefined || comparePlaces(place, after) > 0) due.push({ place, order });
    }
    due.sort((a, b) => comparePlaces(a.place, b.place));
    return due.slice(0, countMax).map(({ place, order }) => ({ space: place.space, order }));
  }

  async orderDone(space: SpaceTag, number: number): Promise<void> {
    this.#assertOpen();
    const kept = this.#spaces.get(space);
    if (kept?.order?.number === number) kept.isOrderDone = true;
  }

  async putInvite(space: SpaceTag, invite: Invite, nowMs: number): Promise<PutInvite> {
    this.#assertOpen();
    for (const [key, { space: owner, expiresMs }] of this.#invites) {
      if (owner === space && expiresMs + inviteMemoryMs <= nowMs) this.#invites.delete(key);
    }
    const key = toHex(invite.codeHash);
    const held = this.#invites.get(key);
    if (held !== undefined && held.space !== space) return "taken";
    if (held?.revoked === true) return "revoked";
    if (held === undefined && this.#countInvites(space) >= invitesPerSpaceMax) return "full";
    this.#invites.set(key, {
      codeHash: invite.codeHash.slice(),
      expiresMs: invite.expiresMs,
      uses: invite.uses,
      preview: invite.preview.slice(),
      keys: invite.keys.slice(),
      space,
      used: held?.used ?? 0,
      revoked: false,
    });
    return "kept";
  }

  async revokeInvite(space: SpaceTag, codeHash: Uint8Array): Promise<boolean> {
    this.#assertOpen();
    const key = toHex(codeHash);
    const held = this.#invites.get(key);
    if (held === undefined || held.space !== space) return false;
    const nothing = new Uint8Array();
    this.#invites.set(key, { ...held, preview: nothing, keys: nothing, revoked: true });
    return true;
  }

  async peekInvite(codeHash: Uint8Array, nowMs: number): Promise<FoundInvite> {
    this.#assertOpen();
    const held = this.#invites.get(toHex(codeHash));
    return openInvite(held, nowMs, (invite) => invite.preview);
  }

  async useInvite(codeHash: Uint8Array, nowMs: number): Promise<FoundInvite> {
    this.#assertOpen();
    const key = toHex(codeHash);
    const held = this.#invites.get(key);
    const found = openInvite(held, nowMs, (invite) => invite.keys);
    if (held !== undefined && found.kind === "open") {
      this.#invites.set(key, { ...held, used: held.used + 1 });
    }
    return found;
  }

  async ping(): Promise<void> {
    this.#assertOpen();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    await this.#logs.close();
  }

  async #inOrder<T>(write: () => Promise<T>): Promise<T> {
    this.#assertOpen();
    const done = this.#writing.then(write);
    this.#writing = done.catch(() => {});
    return done;
  }

  /** What all entries of a space count for. */
  async #cost(space: SpaceTag): Promise<{ readonly entries: number; readonly bytes: number }> {
    const cost = { entries: 0, bytes: 0 };
    for (const { replica, publicKey, to: seq, hash } of await this.#logs.heads(space)) {
      const held = await this.#heldUpTo(space, { replica, publicKey, seq, hash });
      cost.entries += held.entries;
      cost.bytes += entryCost(held.entries, held.bytes);
    }
    return cost;
  }

  /** What would go if the log began after `base`. */
  async #heldUpTo(space: SpaceTag, { replica, seq }: LogBase) {
    const heads = await this.#logs.heads(space);
    const head = heads.find((each) => each.replica === replica);
    const last = Math.min(seq, head?.to ?? 0);
    const held = { entries: 0, bytes: 0 };
    for (let next = head?.from ?? 1; next <= last;) {
      const run = await this.#logs.read(space, replica, next, Number.POSITIVE_INFINITY);
      if (run === undefined) throw new Error(`${replica}:${next} is held and cannot be read`);
      const entries = run.entries.slice(0, last - next + 1);
      held.entries += entries.length;
      held.bytes += bodyBytes({ entries });
      next += entries.length;
    }
    return held;
  }

  #countInvites(space: SpaceTag): number {
    let count = 0;
    for (const { space: owner } of this.#invites.values()) if (owner === space) count++;
    return count;
  }

  #space(tag: SpaceTag): Space {
    const found = this.#spaces.get(tag);
    if (found !== undefined) return found;
    const made: Space = {
      certificate: undefined,
      bytes: 0,
      entries: 0,
      registerBytes: 0,
      to: new Map(),
      registers: new Map(),
      blobs: new Map(),
      order: undefined,
      isOrderDone: false,
    };
    this.#spaces.set(tag, made);
    return made;
  }

  #assertOpen(): void {
    if (this.#closed) throw new StoreUnavailable("closed", "the store is closed");
  }
}

function supersedes(certificate: StoredCertificate, held: StoredCertificate): boolean {
  if (certificate.n !== held.n) return certificate.n > held.n;
  return compareBytes(certificate.hash, held.hash) < 0;
}

/** By time, then by tag. */
function comparePlaces(one: OrderPlace, other: OrderPlace): number {
  if (one.dueMs !== other.dueMs) return one.dueMs - other.dueMs;
  return Number(one.space > other.space) - Number(one.space < other.space);
}

/** Whether it is there; its lease then ends at `untilMs` at the earliest. */
function renewed(blob: KeptBlob | undefined, untilMs: number): boolean {
  if (blob === undefined) return false;
  blob.untilMs = Math.max(blob.untilMs, untilMs);
  return true;
}

function openInvite(
  held: KeptInvite | undefined,
  nowMs: number,
  part: (invite: KeptInvite) => Uint8Array,
): FoundInvite {
  if (held === undefined || held.revoked) return { kind: "unknown" };
  const usedUp = held.uses > 0 && held.used >= held.uses;
  if (held.expiresMs <= nowMs || usedUp) return { kind: "spent" };
  return { kind: "open", sealed: part(held) };
}
