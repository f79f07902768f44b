/**
 * Which tab of a device leads: owns the network and applies entries to the shared read models. A Web
 * Lock picks one tab and passes on within moments of its end; an epoch in the database fences whoever
 * believes to lead still. A tab can also freeze with the lock in hand (its process stopped): visible
 * tabs ask the leader for a sign of life and take the lock away when none comes. The frozen one
 * wakes up robbed, and nothing it does has an effect.
 *
 *   following ──lock granted──▶ claiming ──epoch taken──▶ leading
 *       ▲                          │ robbed                 │ robbed, fenced
 *       └──────────────────────────┴────────────────────────┘         any ── close ──▶ closed
 *
 * Invariants:
 *  1. `onLead` and `onFollow` alternate, beginning with `onLead`; each `onFollow` lets go of everything.
 *  2. A leader has an epoch greater than all before it.
 *  3. Only unanswered questions lead to a theft, never a clock: a laptop that slept robs nobody.
 */
import type { DeviceStore } from "@skein/shared/device/store.ts";
import type { Observable } from "./api.ts";
import type { TabChannel } from "./tabs.ts";

export interface LeadershipOptions {
  readonly locks: LockManager;
  readonly lockName: string;
  readonly store: Pick<DeviceStore, "takeLeadership">;
  readonly tabs: TabChannel;
  readonly visible: Observable<boolean>;
  readonly onLead: (epoch: number) => void;
  /** Must let go at once: another tab leads, or is about to. */
  readonly onFollow: () => void;
  /** The database refused to make this tab the leader; tried again. Undefined when it did. */
  readonly onTrouble: (error: unknown) => void;
}

/** A question each second, three without an answer: a leader is gone for about that long. */
const askEveryMs = 1_000;
const unansweredMax = 3;
/** After a claim that the database refused (it may be full). */
const claimAgainMs = 5_000;

type State =
  /** `pending` takes back the request that waits for the lock. */
  | { readonly kind: "following"; readonly pending: AbortController }
  | { readonly kind: "claiming"; readonly release: () => void }
  | { readonly kind: "leading"; readonly release: () => void; readonly epoch: number }
  | { readonly kind: "closed" };

export class Leadership {
  readonly #options: LeadershipOptions;
  readonly #undo: (() => void)[] = [];
  #state: State = { kind: "closed" };
  #unanswered = 0;
  #asking: ReturnType<typeof setInterval> | undefined;

  constructor(options: LeadershipOptions) {
    this.#options = options;
    const { tabs, visible } = options;
    this.#undo.push(
      tabs.on("ping", () => {
        if (this.#state.kind === "claiming" || this.#state.kind === "leading") {
          tabs.post({ kind: "pong" });
        }
      }),
      tabs.on("pong", () => {
        this.#unanswered = 0;
      }),
      visible.subscribe(() => this.#watch()),
    );
    this.#follow();
    this.#watch();
  }

  get isLeading(): boolean {
    return this.#state.kind === "leading";
  }

  /** A transaction found a newer epoch: another tab leads. */
  fenced(): void {
    if (this.#state.kind === "leading") this.#letGo(this.#state.release);
  }

  close(): void {
    const state = this.#state;
    if (state.kind === "closed") return;
    this.#state = { kind: "closed" };
    clearInterval(this.#asking);
    for (const undo of this.#undo) undo();
    if (state.kind === "following") state.pending.abort();
    else state.release();
    if (state.kind === "leading") this.#options.onFollow();
  }

  #follow(): void {
    const pending = new AbortController();
    this.#state = { kind: "following", pending };
    this.#request({ signal: pending.signal });
  }

  #steal(): void {
    if (this.#state.kind !== "following") return;
    this.#unanswered = 0;
    this.#state.pending.abort();
    this.#state = { kind: "following", pending: new AbortController() };
    this.#request({ steal: true });
  }

  #request(how: { readonly signal: AbortSignal } | { readonly steal: true }): void {
    const { locks, lockName } = this.#options;
    const { promise, resolve: release } = Promise.withResolvers<void>();
    const held = () => {
      if (this.#state.kind === "closed") return;
      this.#state = { kind: "claiming", release };
      this.#watch();
      this.#claim(release);
      return promise;
    };
    void locks
      .request(lockName, how, held)
      .catch(() => {
        // Taken back by ourselves before it was granted, or robbed: the lock is gone either way.
      })
      .then(() => this.#letGo(release));
  }

  #claim(release: () => void): void {
    const isMine = () => this.#state.kind === "claiming" && this.#state.release === release;
    this.#options.store.takeLeadership().then(
      (epoch) => {
        if (!isMine()) return;
        this.#options.onTrouble(undefined);
        this.#state = { kind: "leading", release, epoch };
        this.#options.onLead(epoch);
      },
      (error: unknown) => {
        if (!isMine()) return;
        this.#options.onTrouble(error);
        setTimeout(() => {
          if (isMine()) this.#claim(release);
        }, claimAgainMs);
      },
    );
  }

  /** @param release of the lock in question: another may have been granted since. */
  #letGo(release: () => void): void {
    const state = this.#state;
    if ((state.kind !== "claiming" && state.kind !== "leading") || state.release !== release)
      return;
    this.#follow();
    if (state.kind === "leading") this.#options.onFollow();
    release();
    this.#watch();
  }

  /** Asks only while somebody looks at this tab and another leads. */
  #watch(): void {
    const watches = this.#state.kind === "following" && this.#options.visible.get();
    if (watches === (this.#asking !== undefined)) return;
    clearInterval(this.#asking);
    this.#asking = undefined;
    this.#unanswered = 0;
    if (watches) this.#asking = setInterval(() => this.#ask(), askEveryMs);
  }

  #ask(): void {
    if (this.#unanswered >= unansweredMax) return this.#steal();
    this.#unanswered++;
    this.#options.tabs.post({ kind: "ping" });
  }
}
