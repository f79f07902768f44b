/**
 * A space on this relay: the sessions about it, what the store holds of it, and the relay's own
 * three rules. Everything verified goes to everybody else at once; whispers go where they are
 * addressed and nowhere else; invites are kept for whoever may write. A room keeps nothing that
 * the store does not have, and is forgotten when the last session has left.
 */
import type { Env } from "@skein/shared/env.ts";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import type { ReplicaId, SpaceTag } from "@skein/shared/id/id.ts";
import { blobIdOf } from "@skein/shared/log/blob.ts";
import { signerOf } from "@skein/shared/log/branch.ts";
import { isRefusal } from "@skein/shared/log/refusal.ts";
import { lastSeq } from "@skein/shared/log/entry.ts";
import type { LogHead, StoredRegister, VerifiedRun } from "@skein/shared/log/store.ts";
import type { VerifyingSuite } from "@skein/shared/log/suite.ts";
import { encodeFrame } from "@skein/shared/protocol/codec.ts";
import { type Code, codeOfFault, codes } from "@skein/shared/protocol/codes.ts";
import { limits } from "@skein/shared/protocol/limits.ts";
import type { Frame, Hello, Mode } from "@skein/shared/protocol/messages.ts";
import { parseWhisper } from "@skein/shared/protocol/whisper.ts";
import type { Connection, LogNumbers } from "@skein/shared/sync/connection.ts";
import type { Effects } from "@skein/shared/sync/effects.ts";
import { Exchange, type ExchangeHost, type LogsSplit } from "@skein/shared/sync/exchange.ts";
import type { BlobShelf } from "@skein/shared/sync/blob-line.ts";
import { Session } from "@skein/shared/sync/session.ts";
import type { Bus } from "./bus/bus.ts";
import { decodePublication, encodePublication, type Publication } from "./bus/publication.ts";
import { CatchingUp, type Turns } from "./catching-up.ts";
import { relayLimits } from "./limits.ts";
import { type PutInvite, QuotaExceeded, type RelayStore } from "./store/store.ts";
import { begin, takeOrder } from "./truncation.ts";

/** Present replicas named to a newcomer, to gossip with. */
const presentMax = 20;

export interface RoomOptions {
  readonly tag: SpaceTag;
  /** This relay's number for the space, the same on all its connections. */
  readonly number: number;
  readonly logNumbers: LogNumbers;
  readonly env: Env;
  readonly suite: VerifyingSuite;
  readonly store: RelayStore;
  readonly bus: Bus;
  readonly effects: Effects;
  readonly heads: readonly LogHead[];
  readonly registers: readonly StoredRegister[];
  /** What other relays have published since before heads and registers were read. */
  readonly meanwhile: readonly Uint8Array[];
  /** Some of that was lost. */
  readonly missed: boolean;
  /** In which rooms look at the store. */
  readonly turns: Turns;
  /** Why the store refused, as a code and words for the party that was writing. */
  readonly explain: (error: unknown) => {
    readonly code: Code;
    readonly retryAfterMs: number;
    readonly detail: string;
  };
  /** Whether whispers may go to so many sessions now; beyond what a space may, they are lost. */
  readonly mayWhisper: (space: SpaceTag, copies: number) => boolean;
  /** How long what an owner lets go of stays all the same. */
  readonly retentionMs: number;
  /** How long a blob stays that nobody speaks of. */
  readonly leaseMs: number;
  readonly onEmpty: (room: Room) => void;
}

export interface Entrant {
  readonly connection: Connection;
  readonly hello: Hello;
  readonly mode: Mode;
  readonly replicas: readonly ReplicaId[];
  readonly certificate: number;
}

export class Room implements ExchangeHost {
  readonly #options: RoomOptions;
  readonly #exchange: Exchange;
  readonly #catchingUp: CatchingUp;
  readonly #unsubscribe: () => void;
  /** When the store was read, or is to be. */
  #lookedAtMs: number;
  /** Since then: what was to be read anew may not have been. */
  #storeFailed = false;

  constructor(options: RoomOptions) {
    const { tag, env, suite, store, effects, heads, registers, bus } = options;
    this.#options = options;
    this.#exchange = new Exchange({
      env,
      suite,
      tag,
      effects,
      heads,
      registers,
      host: this,
      forwards: "verified",
      shelf: shelfOf(options),
      store: {
        append: (runs) => store.append(tag, runs),
        read: (replica, first, bytesMax) => store.read(tag, replica, first, bytesMax),
        split: (split) => store.split(tag, split),
        heads: () => store.heads(tag),
        hashes: (replica, first, last) => store.hashes(tag, replica, first, last),
        putRegisters: (each) => store.putRegisters(tag, each),
      },
    });
    this.#catchingUp = new CatchingUp({
      ...{ tag, store, exchange: this.#exchange, turns: options.turns },
      // Whoever explains it tells the operator, too.
      onFailed: (error) => void options.explain(error),
    });
    this.#lookedAtMs = env.clock.now();
    this.#unsubscribe = bus.subscribe(
      tag,
      (message) => this.#onPublication(message),
      () => this.#lost(),
    );
    for (const message of options.meanwhile) this.#onPublication(message);
    if (options.missed) this.#lost();
  }

  get sessionCount(): number {
    return this.#exchange.sessions.size;
  }

  /** Nobody is here and nothing is on its way to the disk. */
  get isEmpty(): boolean {
    return this.#exchange.sessions.size === 0 && this.#exchange.idle;
  }

  enter({ connection, hello, mode, replicas, certificate }: Entrant): void {
    const present = this.#somePresent();
    const session = new Session({
      connection,
      owner: this.#exchange,
      tag: this.#options.tag,
      mySpace: this.#options.number,
      mode,
      proven: new Set(replicas),
      pushes: "all",
      mayAppend: mode === "write",
      logNumbers: this.#options.logNumbers,
    });
    this.#exchange.join(session);
    connection.accept(hello, session, certificate, present);
  }

  /** Looks at the store if that was long ago, or did not go well; whether it does. */
  lookIfDue(nowMs: number): boolean {
    const { lookEveryMs, lookRetryMs } = relayLimits;
    const isBehind = this.#catchingUp.isBehind || this.#storeFailed;
    const afterMs = isBehind ? lookRetryMs : lookEveryMs;
    if (nowMs - this.#lookedAtMs < afterMs) return false;
    this.#lost();
    return true;
  }

  close(): void {
    this.#unsubscribe();
    this.#catchingUp.close();
  }

  // ExchangeHost

  onVerified(_run: VerifiedRun): void {}

  onHeld(run: VerifiedRun): void {
    this.#publish({ kind: "run", run });
  }

  onRegister(register: StoredRegister): void {
    this.#publish({ kind: "register", register });
  }

  onWhisper(session: Session, publicKey: Uint8Array, whisper: Uint8Array): void {
    const parts = parseWhisper(whisper);
    if (isMalformed(parts)) {
      return session.connection.end(codeOfFault(parts.fault), parts.message);
    }
    // The proof of the replica key in hello stands for the signature, which receivers check.
    if (parts.space !== this.#options.tag || !session.proven.has(parts.from)) {
      return session.connection.end(codes.forbidden, "whisper in another's name");
    }
    const to = parts.to ?? "all";
    if (!this.#options.mayWhisper(this.#options.tag, this.#copies(to))) return;
    this.#deliverWhisper(session, to, publicKey, whisper);
    this.#publish({ kind: "whisper", to, publicKey, whisper });
  }

  onStored(): void {}
  onCompared(): void {}
  onListed(): void {}
  onFork(): void {}

  onSplit(_replica: ReplicaId, { branch }: LogsSplit): void {
    this.#publish({ kind: "split", signer: signerOf(branch) });
  }

  onFound(): void {}
  onHole(): void {}
  onMended(): void {}

  onTruncate(session: Session, frame: Extract<Frame, { type: "truncate" }>): void {
    const { store, suite, effects, tag, env, retentionMs, explain } = this.#options;
    const answer = (code: Code | 0, detail: string): void => {
      session.connection.send({ type: "done", request: frame.request, code, detail });
    };
    if (session.mode !== "write") return answer(codes.forbidden, "readers let go of nothing");
    const dueMs = env.clock.now() + retentionMs;
    const taken = takeOrder({ store, suite }, tag, frame.order.slice(), dueMs).then(
      async (bases) => {
        if (isRefusal(bases)) return bases;
        // Where nothing is held nothing is lost: such a log could never begin at 1 again.
        const unheld = bases.filter(({ replica }) => !this.#exchange.isKnown(replica));
        return begin(store, tag, unheld);
      },
    );
    effects.start(
      taken,
      (begun) => {
        if (isRefusal(begun)) return answer(codeOfFault(begun.fault), begun.words);
        this.began(begun);
        if (begun.length > 0) this.#publish({ kind: "began", heads: begun });
        answer(0, "");
      },
      (error) => {
        const { code, detail } = explain(error);
        answer(code, detail);
      },
    );
  }

  /** Logs begin elsewhere now, as the store has it. */
  began(heads: readonly LogHead[]): void {
    if (heads.length === 0) return;
    for (const head of heads) this.#exchange.began(head);
    // Who is behind where a log begins now has to hear it.
    this.#exchange.compare();
  }

  onInvite(session: Session, frame: Extract<Frame, { type: "invite" | "uninvite" }>): void {
    const { store, effects, tag, env, explain } = this.#options;
    const answer = (code: Code | 0, detail: string): void => {
      session.connection.send({ type: "done", request: frame.request, code, detail });
    };
    const failed = (error: unknown): void => {
      const { code, detail } = explain(error);
      answer(code, detail);
    };
    if (session.mode !== "write") return answer(codes.forbidden, "readers invite nobody");
    if (frame.type === "uninvite") {
      effects.start(store.revokeInvite(tag, frame.codeHash.slice()), () => answer(0, ""), failed);
      return;
    }
    const { codeHash, expiresMs, uses, preview, keys } = frame;
    const invite = {
      codeHash: codeHash.slice(),
      expiresMs: Math.min(expiresMs, env.clock.now() + limits.inviteLifeMsMax),
      uses,
      preview: preview.slice(),
      keys: keys.slice(),
    };
    effects.start(
      store.putInvite(tag, invite, env.clock.now()),
      (outcome) => {
        const refusal = inviteRefusals[outcome];
        if (refusal === undefined) answer(0, "");
        else answer(refusal.code, refusal.detail);
      },
      failed,
    );
  }

  onSessionClosed(): void {
    this.#emptyPerhaps();
  }

  onIdle(): void {
    this.#emptyPerhaps();
  }

  onStoreFailed(error: unknown): void {
    this.#storeFailed = true;
    const { code, retryAfterMs, detail } = this.#options.explain(error);
    // Those whose entries did not reach the disk come back with them; readers stay.
    for (const session of [...this.#exchange.sessions]) {
      if (session.receiving) session.leave(code, retryAfterMs, detail);
    }
  }

  #copies(to: ReplicaId | "all"): number {
    return to === "all" ? this.#exchange.sessions.size : 1;
  }

  #deliverWhisper(
    source: Session | undefined,
    to: ReplicaId | "all",
    publicKey: Uint8Array,
    whisper: Uint8Array,
  ): void {
    // The space has one number on all connections: framed once for all.
    const space = this.#options.number;
    const frame = encodeFrame({ type: "whisper", space, publicKey, whisper });
    for (const session of this.#exchange.sessions) {
      if (session !== source && (to === "all" || session.proven.has(to))) {
        session.connection.sendEncoded(frame);
      }
    }
  }

  #publish(publication: Publication): void {
    this.#options.bus.publish(this.#options.tag, encodePublication(publication));
  }

  /** From another relay on the same store: durable already, and checked there. */
  #onPublication(message: Uint8Array): void {
    const publication = decodePublication(this.#options.tag, message);
    // The bus is a hint: what cannot be read is found again by comparing with the store.
    if (isMalformed(publication)) return;
    switch (publication.kind) {
      case "run": {
        const { run } = publication;
        this.#exchange.heldElsewhere(run);
        // What came before it was lost, or it continues something else than what is held here.
        if (this.#exchange.holdings.to(run.replica) < lastSeq(run)) this.#lost();
        return;
      }
      case "register":
        return this.#exchange.ownRegister(publication.register);
      case "began":
        return this.began(publication.heads);
      case "split":
        return this.#exchange.splitElsewhere(publication.signer);
      case "whisper":
        return this.#deliverWhisper(
          undefined,
          publication.to,
          publication.publicKey,
          publication.whisper,
        );
    }
  }

  /** The store may know more than the bus has told. */
  #lost(): void {
    this.#lookedAtMs = this.#options.env.clock.now();
    this.#storeFailed = false;
    this.#catchingUp.look();
  }

  #somePresent(): ReplicaId[] {
    const present = new Set<ReplicaId>();
    for (const session of this.#exchange.sessions) {
      for (const replica of session.proven) present.add(replica);
    }
    const all = [...present];
    // A random choice, so that newcomers do not all gossip with the same few.
    for (let index = 0; index < Math.min(presentMax, all.length); index++) {
      const other = index + Math.floor(this.#options.env.random.fraction() * (all.length - index));
      const chosen = all[other];
      const moved = all[index];
      if (chosen === undefined || moved === undefined) continue;
      all[index] = chosen;
      all[other] = moved;
    }
    return all.slice(0, presentMax);
  }

  #emptyPerhaps(): void {
    if (this.isEmpty) this.#options.onEmpty(this);
  }
}

/** Blobs as the store keeps them; what is asked for stays for another lease. */
function shelfOf({ store, suite, tag, env, leaseMs }: RoomOptions): BlobShelf {
  const untilMs = () => env.clock.now() + leaseMs;
  return {
    keep: (blobs) => store.keepBlobs(tag, blobs, untilMs()),
    get: (blob) => store.blob(tag, blob),
    async put(bytes) {
      try {
        await store.putBlob(tag, blobIdOf(suite, bytes), bytes, untilMs());
        return 0;
      } catch (error) {
        // Entries may still fit: the session goes on.
        if (error instanceof QuotaExceeded) return codes.quota;
        throw error;
      }
    },
  };
}

const inviteRefusals: Readonly<
  Record<PutInvite, { readonly code: Code; readonly detail: string } | undefined>
> = {
  kept: undefined,
  taken: { code: codes.forbidden, detail: "the invite's code is in use" },
  revoked: { code: codes.forbidden, detail: "the invite was revoked" },
  full: { code: codes.quota, detail: "the space has as many invites as it may" },
};
