/**
 * Flow control by bytes: what a run counts for in a window, what is under way in one direction, and
 * the receiver's half: what came and is not committed yet, and when to say that it is.
 */
import type { ReplicaId } from "../id/id.ts";
import { bodyBytes, type Run, runEntriesMax } from "../log/entry.ts";
import { limits } from "../protocol/limits.ts";

/** Entries without bodies are not free. */
export const flowBytes = (run: Run): number => bodyBytes(run) + 64 * run.entries.length;
export const runFlowBytesMax = limits.runBytesMax + 64 * runEntriesMax;

/** A window, and another where a comparison crossed it and all of it was sent again; and a run. */
const receivedBytesMax = 3 * limits.windowBytes;
/** How long a device may keep a relay waiting for `stored` while the window is wide open. */
const confirmRelayAfterMs = 1_000;

/** Runs that have left one side and are not confirmed by the other. */
export class Underway {
  #runs: { readonly replica: ReplicaId; readonly seq: number; readonly bytes: number }[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#runs.length === 0;
  }

  get logs(): Iterable<ReplicaId> {
    return this.#runs.map(({ replica }) => replica);
  }

  begin(replica: ReplicaId, seq: number, bytes: number): void {
    this.#runs.push({ replica, seq, bytes });
    this.#bytes += bytes;
  }

  /** Of the log nothing up to `seq` is under way any more; how many bytes that frees. */
  end(replica: ReplicaId, seq: number): number {
    let freed = 0;
    this.#runs = this.#runs.filter((each) => {
      if (each.replica !== replica || each.seq > seq) return true;
      freed += each.bytes;
      return false;
    });
    this.#bytes -= freed;
    return freed;
  }

  clear(): void {
    this.#runs = [];
    this.#bytes = 0;
  }
}

/** Received and not yet confirmed, and the confirmations that are due. */
export class Received {
  readonly #underway = new Underway();
  /** Confirmed to ourselves since the last `stored` we sent. */
  #freedBytes = 0;
  readonly #toConfirm = new Map<ReplicaId, number>();
  #confirmAtMs = Number.POSITIVE_INFINITY;

  get bytes(): number {
    return this.#underway.bytes;
  }

  get isEmpty(): boolean {
    return this.#underway.isEmpty;
  }

  get logs(): Iterable<ReplicaId> {
    return this.#underway.logs;
  }

  /** When `take` has something that should not wait longer. */
  get dueAtMs(): number {
    return this.#confirmAtMs;
  }

  /** False if they have more under way than the window allows. */
  begin(replica: ReplicaId, seq: number, bytes: number): boolean {
    if (this.#underway.bytes + bytes > receivedBytesMax) return false;
    this.#underway.begin(replica, seq, bytes);
    return true;
  }

  /** Dropped or kept: it fills the window no more. */
  release(replica: ReplicaId, seq: number): void {
    this.#freedBytes += this.#underway.end(replica, seq);
  }

  /** @param lazily they need our word only to open the window. */
  confirmSoon(replica: ReplicaId, seq: number, nowMs: number, lazily: boolean): void {
    this.#toConfirm.set(replica, Math.max(this.#toConfirm.get(replica) ?? 0, seq));
    const canWait = lazily && this.#freedBytes < limits.windowBytes / 4;
    this.#confirmAtMs = Math.min(this.#confirmAtMs, nowMs + (canWait ? confirmRelayAfterMs : 0));
  }

  /** Up to where each log is to be confirmed now. */
  take(): readonly (readonly [ReplicaId, number])[] {
    const due = [...this.#toConfirm];
    this.#toConfirm.clear();
    this.#freedBytes = 0;
    this.#confirmAtMs = Number.POSITIVE_INFINITY;
    return due;
  }

  /** What came and is not committed is as good as never received. */
  forget(): void {
    this.#underway.clear();
  }

  clear(): void {
    this.#underway.clear();
    this.take();
  }
}
