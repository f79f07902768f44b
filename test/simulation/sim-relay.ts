/**
 * A relay: the shipped one over a store, its own or one that it shares, with a disk's delays and
 * refusals. A crash loses everything but the store.
 */
import { signerOf } from "@skein/shared/log/branch.ts";
import type { ReplicaId } from "@skein/shared/id/id.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import type { Connection, Ending, Wire } from "@skein/shared/sync/connection.ts";
import { Relay } from "../../server/src/relay.ts";
import { type RelayStore, StoreUnavailable } from "../../server/src/store/store.ts";
import { Actor } from "./actor.ts";
import type { Books } from "./books.ts";
import type { Ground } from "./ground.ts";
import { leaseMs, retentionMs } from "./sim-snapshots.ts";
import type { SimStore } from "./sim-store.ts";
import type { SimWire } from "./wire.ts";

/** The shipped relay looks at its clock a few times a second; nothing here depends on which. */
const tickMs = 1_000;

export class SimRelay {
  readonly name: string;
  readonly store: SimStore;
  readonly wires = new Set<SimWire>();
  process: Actor;
  relay: Relay | undefined;
  diskFails = false;
  /** It crashes as soon as something is committed, before anybody is told. */
  diesUntold = false;
  /** The newest proof of access that came by, for those who try it again. */
  lastHello: Uint8Array | undefined;
  /** Connections of hostile parties, each with who wants to know how it ended. */
  readonly hostile = new Map<Connection, (end: Ending) => void>();
  readonly #ground: Ground;
  readonly #books: Books;

  constructor(ground: Ground, books: Books, name: string, store: SimStore) {
    this.#ground = ground;
    this.#books = books;
    this.name = name;
    this.store = store;
    this.process = new Actor(ground.schedule);
    this.start();
  }

  /** What a power cut now would leave: greatest seq by log. */
  get durable(): ReadonlyMap<ReplicaId, number> {
    return this.store.durable;
  }

  start(): void {
    const ground = this.#ground;
    const process = new Actor(ground.schedule);
    this.process = process;
    const store = this.#store(process);
    const bus = this.store.bus.connect(process);
    const suite = ground.suiteFor(process);
    this.relay = new Relay({
      env: ground.env(0),
      suite: ground.mutant?.relaySuite?.(suite) ?? suite,
      store: ground.mutant?.relayStore?.(store) ?? store,
      bus: ground.mutant?.relayBus?.(bus) ?? bus,
      mayWhisper: () => true,
      retentionMs: retentionMs(ground.options),
      leaseMs,
      explain: (error) => {
        if (!(error instanceof StoreUnavailable)) ground.bug(error);
        return { code: codes.unavailable, retryAfterMs: 0, detail: "the store is out of reach" };
      },
      onEnded: (connection, end) => {
        const hostile = this.hostile.get(connection);
        if (hostile === undefined) this.#books.ended(end);
        else hostile(end);
      },
      onBug: (error) => ground.bug(error),
    });
    const tick = (): void => {
      for (const wire of this.wires) {
        wire.connection?.tick();
        if (wire.connection !== undefined) this.#books.backlog(wire.connection.sessions);
      }
      for (const connection of this.hostile.keys()) connection.tick();
      if (ground.options.snapshots) this.#sweep();
      if (this.store.isShared && (this.relay?.lookAround(1) ?? 0) > 0) {
        ground.fire("relay looked around");
      }
      process.after(tickMs, tick);
    };
    process.after(tickMs, tick);
  }

  /** What has come to its end, as the shipped relay does it each hour. */
  #sweep(): void {
    const { relay } = this;
    if (relay === undefined || this.diskFails) return;
    const failed = (error: unknown): void => {
      if (!(error instanceof StoreUnavailable)) this.#ground.bug(error);
    };
    relay.carryOutOrders(1).then((count) => {
      for (; count > 0; count--) this.#ground.struck("order carried out");
    }, failed);
  }

  connect(wire: Wire): Connection | undefined {
    return this.relay?.connect(wire, this.name);
  }

  crash(): void {
    this.process.dead = true;
    this.relay = undefined;
    this.hostile.clear();
    for (const wire of [...this.wires]) wire.cut();
  }

  #dieUntold(): void {
    const ground = this.#ground;
    this.diesUntold = false;
    ground.struck("died before it told");
    this.crash();
    ground.schedule.after(ground.dice.between(200, 5_000), () => {
      if (this.relay === undefined) this.start();
    });
  }

  /** What resolved is on the disk. */
  #store(process: Actor): RelayStore {
    const ground = this.#ground;
    const { disk, durable, isShared } = this.store;
    const slow = async <T>(verb: () => Promise<T>, isTold = false): Promise<T> => {
      await ground.pause(process, ground.options.diskMsMax);
      if (this.diskFails && ground.dice.chance(0.5)) {
        throw new StoreUnavailable("failed", "the disk refuses");
      }
      const value = await verb();
      // Who dies between a commit and its publication leaves the other relays without it.
      const mayLeaveUntold = !isTold || !isShared || ground.options.busForgets;
      if (!mayLeaveUntold) return value;
      const dies = isTold && isShared && this.diesUntold;
      if (dies) this.#dieUntold();
      await ground.pause(process, ground.options.diskMsMax);
      // What is on the disk by then nobody hears of: nothing of a dead process goes on.
      return dies ? new Promise<never>(() => {}) : value;
    };
    return {
      heads: (space) => slow(() => disk.heads(space)),
      append: (space, runs) =>
        slow(async () => {
          for (const run of runs) this.#books.stores(this.name, signerOf(run));
          const outcomes = await disk.append(space, runs);
          this.store.gave((store) => store.append(space, runs));
          outcomes.forEach((outcome, index) => {
            const replica = runs[index]?.replica;
            if (outcome.kind !== "held" || replica === undefined) return;
            durable.set(replica, outcome.head.to);
          });
          return outcomes;
        }, true),
      begin: (space, bases) =>
        slow(async () => {
          this.store.gave((store) => store.begin(space, bases));
          const begun = await disk.begin(space, bases);
          for (const { head } of begun) {
            durable.set(head.replica, Math.max(head.to, durable.get(head.replica) ?? 0));
          }
          return begun;
        }, true),
      split: (space, split) =>
        slow(async () => {
          this.store.gave((store) => store.split(space, split));
          const outcome = await disk.split(space, split);
          if (outcome.kind === "split") {
            ground.fire("log taken apart at a relay");
            durable.set(split.into, outcome.branch.to);
            const left = outcome.proven ?? outcome.rest;
            if (left === undefined) durable.delete(split.replica);
            else durable.set(split.replica, left.to);
          }
          return outcome;
        }, true),
      read: (space, replica, first, bytesMax) =>
        slow(() => disk.read(space, replica, first, bytesMax)),
      hashes: (space, replica, first, last) => slow(() => disk.hashes(space, replica, first, last)),
      registers: (space) => slow(() => disk.registers(space)),
      putRegisters: (space, registers) =>
        slow(async () => {
          for (const { replica } of registers) this.#books.stores(this.name, replica);
          this.store.gave((store) => store.putRegisters(space, registers));
          return disk.putRegisters(space, registers);
        }, true),
      certificate: (space) => slow(() => disk.certificate(space)),
      putCertificate: (space, certificate) =>
        slow(async () => {
          this.store.gave((store) => store.putCertificate(space, certificate));
          return disk.putCertificate(space, certificate);
        }),
      usage: (space) => slow(() => disk.usage(space)),
      keepBlobs: (space, ids, untilMs) =>
        slow(async () => {
          this.store.gave((store) => store.keepBlobs(space, ids, untilMs));
          return disk.keepBlobs(space, ids, untilMs);
        }),
      putBlob: (space, id, bytes, untilMs) =>
        slow(async () => {
          this.store.gave((store) => store.putBlob(space, id, bytes, untilMs));
          const outcome = await disk.putBlob(space, id, bytes, untilMs);
          this.store.blobsEver.add(id);
          return outcome;
        }),
      blob: (space, id) => slow(() => disk.blob(space, id)),
      sweepBlobs: (nowMs, countMax) => slow(() => disk.sweepBlobs(nowMs, countMax)),
      putOrder: (space, order) =>
        slow(async () => {
          this.store.gave((store) => store.putOrder(space, order));
          return disk.putOrder(space, order);
        }),
      order: (space) => slow(() => disk.order(space)),
      dueOrders: (nowMs, countMax, after) => slow(() => disk.dueOrders(nowMs, countMax, after)),
      orderDone: (space, number) =>
        slow(async () => {
          this.store.gave((store) => store.orderDone(space, number));
          return disk.orderDone(space, number);
        }),
      putInvite: (space, invite, nowMs) => slow(() => disk.putInvite(space, invite, nowMs)),
      revokeInvite: (space, codeHash) => slow(() => disk.revokeInvite(space, codeHash)),
      peekInvite: (codeHash, nowMs) => slow(() => disk.peekInvite(codeHash, nowMs)),
      useInvite: (codeHash, nowMs) => slow(() => disk.useInvite(codeHash, nowMs)),
      ping: () => slow(() => disk.ping()),
      close: async () => {},
    };
  }
}
