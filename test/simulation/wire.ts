/**
 * An ordered wire between a tab and a relay that may be slow, broken, or dead without telling. Frames
 * travel as bytes; each kind that passed is counted, to show which parts of the protocol had a turn.
 */
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import type { RelayLink } from "@skein/shared/device/link.ts";
import type { ReplicaId } from "@skein/shared/id/id.ts";
import { decodeFrame } from "@skein/shared/protocol/codec.ts";
import type { Connection } from "@skein/shared/sync/connection.ts";
import type { Books } from "./books.ts";
import type { Ground } from "./ground.ts";
import type { SimRelay } from "./sim-relay.ts";
import type { SimTab } from "./sim-tab.ts";

const weightyBytes = 8_192;
/** First bytes of frames (docs/protocol.md section 8). */
const helloNumber = 0x02;
const aliasNumber = 0x12;
const storedNumber = 0x16;
/** Pieces of snapshots, asked for, brought and kept: as many as there are, which idle devices make. */
const pieceNumbers: ReadonlySet<number> = new Set([0x25, 0x26, 0x27]);

export class SimWire {
  open = true;
  halfOpen = false;
  /** Who reads slowly holds back what comes after. */
  bytesPerMs = Number.POSITIVE_INFINITY;
  /** Frames sent either way, but for pieces of snapshots. */
  frames = 0;
  readonly tab: SimTab;
  readonly relay: SimRelay;
  link: RelayLink | undefined;
  connection: Connection | undefined;
  readonly #ground: Ground;
  readonly #books: Books;
  /** The relay's numbers of logs. */
  readonly #logs = new Map<number, ReplicaId>();
  #upAtMs = 0;
  #downAtMs = 0;

  constructor(ground: Ground, books: Books, tab: SimTab, relay: SimRelay) {
    this.#ground = ground;
    this.#books = books;
    this.tab = tab;
    this.relay = relay;
    tab.wires.add(this);
    relay.wires.add(this);
  }

  up(frame: Uint8Array): void {
    this.#count(frame);
    if (frame[0] === storedNumber) this.#confirms(frame);
    if (this.halfOpen || !this.open) return;
    if (frame[0] === helloNumber) this.relay.lastHello = frame;
    this.#upAtMs = this.#arrival(this.#upAtMs, frame);
    this.relay.process.after(this.#upAtMs - this.#ground.nowMs, () => {
      if (!this.open || this.halfOpen) return;
      this.connection?.receive(frame);
      this.#weigh(frame, this.connection);
    });
  }

  down(frame: Uint8Array): void {
    this.#count(frame);
    if (frame[0] === aliasNumber) this.#announces(frame);
    if (this.halfOpen || !this.open) return;
    this.#downAtMs = this.#arrival(this.#downAtMs, frame);
    this.tab.actor.after(this.#downAtMs - this.#ground.nowMs, () => {
      if (!this.open || this.halfOpen) return;
      this.link?.connection.receive(frame);
      this.#weigh(frame, this.connection);
      this.tab.look();
    });
  }

  /** What is under way is lost; each end notices in its own time. */
  cut(): void {
    if (!this.open) return;
    this.open = false;
    this.relay.wires.delete(this);
    this.tab.wires.delete(this);
    const notice = (): number => this.#ground.dice.between(0, 50);
    this.relay.process.after(notice(), () => this.connection?.wireClosed(1006, "cut"));
    this.tab.actor.after(notice(), () => this.link?.connection.wireClosed(1006, "cut"));
  }

  /** Nothing arrives for so long; then all of it at once, in its order. */
  clog(forMs: number): void {
    const untilMs = this.#ground.nowMs + forMs;
    this.#upAtMs = Math.max(this.#upAtMs, untilMs);
    this.#downAtMs = Math.max(this.#downAtMs, untilMs);
  }

  /** One end closed in order: what it had sent still arrives. */
  close(): void {
    const { schedule, nowMs } = this.#ground;
    schedule.after(Math.max(this.#upAtMs, this.#downAtMs) - nowMs + 1, () => this.cut());
  }

  #arrival(afterMs: number, frame: Uint8Array): number {
    const { nowMs } = this.#ground;
    return Math.max(afterMs, nowMs + this.#ground.latency()) + frame.length / this.bytesPerMs;
  }

  /** What fills windows is looked at more often than once in a while. */
  #weigh(frame: Uint8Array, connection: Connection | undefined): void {
    if (frame.length > weightyBytes && connection !== undefined) {
      this.#books.backlog(connection.sessions);
    }
  }

  #announces(frame: Uint8Array): void {
    const alias = decodeFrame(frame);
    if (!isMalformed(alias) && alias.type === "alias") this.#logs.set(alias.log, alias.replica);
  }

  /** The device says that it has committed what the relay sent. */
  #confirms(frame: Uint8Array): void {
    const stored = decodeFrame(frame);
    if (isMalformed(stored) || stored.type !== "stored") return;
    for (const { yourLog, seq } of stored.logs) {
      const replica = this.#logs.get(yourLog);
      if (replica !== undefined) this.#books.confirmed(this.tab.device, replica, seq);
    }
  }

  #count(frame: Uint8Array): void {
    const type = frame[0] ?? 0;
    if (!pieceNumbers.has(type)) this.frames++;
    const { frames } = this.#ground;
    frames.set(type, (frames.get(type) ?? 0) + 1);
  }
}
