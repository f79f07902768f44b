/**
 * What really happened in a world, written down from outside, and what everybody says about it. Each
 * check stands where the claim is made, at that moment; docs/simulation.md lists them. Nothing in here
 * asks the code under test what is true: disks are watched by their transactions, writes by the
 * hand that made them.
 */
import { equalBytes, toHex } from "@skein/shared/bytes/bytes.ts";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { decode } from "@skein/shared/bytes/reader.ts";
import { draftPost, understandChannel } from "@skein/shared/chat/post.ts";
import { dominates, seqOf, type VersionVector } from "@skein/shared/clock/version-vector.ts";
import type { RawOperation } from "@skein/shared/crdt/crdt.ts";
import { readPeer } from "@skein/shared/crdt/engine/peer.ts";
import { modelOf, type ModelOf } from "@skein/shared/device/entry-effects.ts";
import type { AppliedState, Operation, ReadyEntry } from "@skein/shared/device/store.ts";
import type { SnapshotNotice } from "@skein/shared/device/snapshot/notice.ts";
import { beginningWith } from "@skein/shared/device/key.ts";
import { stores } from "@skein/shared/device/stores.ts";
import type { TailUpdate } from "@skein/shared/device/tail-rows.ts";
import type { WriterPosition } from "@skein/shared/device/writer.ts";
import { documentId, type DocumentId, type ReplicaId } from "@skein/shared/id/id.ts";
import { runEntriesMax } from "@skein/shared/log/entry.ts";
import { decodeNoteUpdate, encodeNoteUpdate } from "@skein/shared/note/note-operation.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import { limits } from "@skein/shared/protocol/limits.ts";
import type { Connection, Ending } from "@skein/shared/sync/connection.ts";
import type { Session } from "@skein/shared/sync/session.ts";
import type { Ground } from "./ground.ts";
import { cleared, type Commit } from "./sim-disk.ts";
import type { SimDevice } from "./sim-device.ts";
import type { SimRelay } from "./sim-relay.ts";
import type { SimTab } from "./sim-tab.ts";

export const channel: DocumentId = documentId(new Uint8Array(8).fill(0xc4));
export const note: DocumentId = documentId(new Uint8Array(8).fill(0xd0));
export const catalog: DocumentId = documentId(new Uint8Array(8).fill(0xca));

/** What an older version of the app knows: nothing of notes. */
export const olderModelOf: ModelOf = (kind) => (kind === updateKind ? "parked" : modelOf(kind));

const changeKind = 0x20;
const postKind = 0x30;
const updateKind = 0x40;

/** Something a person wrote, as a message, into the note or into the catalog. */
export interface Write {
  readonly name: string;
  readonly device: SimDevice;
  readonly document: DocumentId;
  /** How many rows its entry adds to the read model of its document. */
  readonly rows: number;
  /** What the device had applied when it was written, and the greatest Lamport time of that. */
  readonly past: VersionVector;
  readonly pastLamport: number;
  /** Seq of the entry that carries it, as its author's device committed it or somebody applied it. */
  entry: number | undefined;
}

/** Rows that read models show: messages of the channel, updates of the note, changes of the catalog. */
interface Rows {
  messages: number;
  updates: number;
  changes: number;
}

/** An entry as somebody applied it, with how many rows its log adds up to it. */
interface Known extends Readonly<Rows> {
  readonly hash: Uint8Array;
  readonly lamport: number;
  readonly write: Write;
}

/** What a device has shown to its person or kept in its read models. */
interface Shown extends Rows {
  /** Entries that views were told of, by log: a frozen leader may tell late what it applied in time. */
  readonly told: Map<ReplicaId, Set<number>>;
  /** The applied vector as committed; the most it ever was. */
  applied: VersionVector;
  readonly appliedEver: Map<ReplicaId, number>;
  /** Parts of a snapshot that are still to come, and what was applied before it. */
  readonly pending: Set<string>;
  beforeSnapshot: VersionVector;
  /** Operations that wait for a version which knows them, by their keys. */
  readonly parked: Set<string>;
  /** All is applied anew: a frozen leader may still tell what it had applied before. */
  tellsAgain: boolean;
  /** Its updates are no longer numbered from the first. */
  isInstalled: boolean;
  readonly clocks: Map<ReplicaId, VersionVector>;
  readonly marks: Map<ReplicaId, VersionVector>;
}

interface Attempts {
  readonly atMs: number[];
}

/** Of one device at one relay. By its backoff it comes to a dozen; tabs that come and go add theirs. */
const attemptsAMinuteMax = 60;
/** Of one tab. What wants to be called every 10 ms for a second does not wait: it spins. */
const alarmsASecondMax = 100;
/** Entries of one log read ahead of delivery: a full run beyond the mark at which reading stops. */
const aheadMax = 2 * limits.runEntriesMax;

export class Books {
  /** Shown as waiting: committed on the device that wrote it. */
  readonly waiting: Write[] = [];
  readonly endings = new Map<number, number>();
  readonly #ground: Ground;
  readonly #writesByName = new Map<string, Write>();
  /** By what engines made of them (`nameOfPart`). */
  readonly #writesByPart = new Map<string, Write>();
  readonly #entries = new Map<ReplicaId, Known[]>();
  readonly #devices = new Map<ReplicaId, SimDevice>();
  /** Own entries as their devices committed them: hashes by seq. */
  readonly #own = new Map<SimDevice, Map<number, string>>();
  readonly #shown = new Map<SimDevice, Shown>();
  readonly #relays = new WeakMap<
    Connection,
    { readonly relay: SimRelay; readonly times: number }
  >();
  readonly #attempts = new Map<string, Attempts>();
  readonly #whispers = new Set<string>();
  #hasForked = false;
  /** Who equivocates. Of its logs nothing is known here but that all agree on them in the end. */
  #mistrusted: ReplicaId | undefined;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /**
   * Some log has two entries at one seq. From then on nobody here knows which of them stands under which
   * id before everybody has taken the log apart, so what counts logs by their ids is not asked any more;
   * what was written is, and that all agree in the end.
   */
  get hasForked(): boolean {
    return this.#hasForked;
  }

  /** Two devices write one log from now on. */
  twoAreOne(): void {
    this.#hasForked = true;
  }

  mistrust(replica: ReplicaId): void {
    this.#mistrusted = replica;
  }

  /** Whether a device of the world writes that log. */
  isHonest(replica: ReplicaId): boolean {
    return this.#mistrusted === undefined || this.#devices.has(replica);
  }

  #honest(vector: VersionVector): VersionVector {
    if (this.#mistrusted === undefined) return vector;
    return new Map([...vector].filter(([replica]) => this.isHonest(replica)));
  }

  get writeCount(): number {
    return this.#writesByName.size;
  }

  know(device: SimDevice): void {
    this.#devices.set(device.replica, device);
    this.#shown.set(device, {
      told: new Map(),
      applied: new Map(),
      appliedEver: new Map(),
      pending: new Set(),
      beforeSnapshot: new Map(),
      parked: new Set(),
      tellsAgain: false,
      isInstalled: false,
      messages: 0,
      updates: 0,
      changes: 0,
      clocks: new Map(),
      marks: new Map(),
    });
  }

  // Writing

  /** Somebody is about to write something: it depends on all that is applied on the device now. */
  write(
    { device, isOlder }: SimTab,
    nowMs: number,
  ): { readonly write: Write; readonly build: Build } {
    const { dice, options } = this.#ground;
    const most = options.textBytesMax;
    const padding = most > 1_000 ? dice.between(Math.floor(most / 2), most) : 0;
    const isPost = options.documents || dice.chance(0.6) || isOlder;
    const write = this.#begin(device, isPost ? channel : note, 1);
    const text = `${write.name} ${"x".repeat(padding)}`;
    return {
      write,
      build: (position) => [isPost ? post(text, nowMs) : update(text, position)],
    };
  }

  /** The same, of what an engine made of it: its updates or changes, by their names. */
  writeParts(device: SimDevice, document: DocumentId, parts: readonly string[]): Write {
    const write = this.#begin(device, document, parts.length);
    for (const part of parts) this.#writesByPart.set(part, write);
    return write;
  }

  #begin(device: SimDevice, document: DocumentId, rows: number): Write {
    const name = `m${this.writeCount}`;
    const applied = device.leader?.tab.replica?.applied;
    const write: Write = {
      name,
      device,
      document,
      rows,
      past: this.#honest(applied?.vector ?? new Map()),
      pastLamport: applied?.lamport ?? 0,
      entry: undefined,
    };
    this.#writesByName.set(name, write);
    return write;
  }

  wrote(write: Write, seq: number): void {
    const { device, name } = write;
    this.waiting.push(write);
    this.#ground.say(`device ${device.index} wrote ${name} as ${seq}`);
    if (this.#hasForked) return;
    write.entry ??= seq;
    if (seqOf(device.disk.durable, device.replica) < seq) {
      this.#ground.violated(`device ${device.index} shows ${name} as waiting before its commit`);
    }
  }

  // Applying

  /** A leader is about to project these entries: what they say, and that it is the same everywhere. */
  learn(entries: readonly ReadyEntry[]): void {
    if (this.#hasForked) return;
    for (const entry of entries) {
      const { replica, seq, hash, lamport } = entry;
      if (!this.isHonest(replica)) continue;
      const known = this.#entriesOf(replica);
      const before = known[seq - 1];
      if (before !== undefined) {
        if (!equalBytes(before.hash, hash)) {
          this.#ground.violated(`two entries stand at ${short(replica)}:${seq}`);
        }
        continue;
      }
      const write = this.#writtenAs(entry);
      if (write === undefined || write.device.replica !== replica) {
        this.#ground.violated(`nobody wrote ${short(replica)}:${seq}`);
        continue;
      }
      if (write.entry !== undefined && write.entry !== seq) {
        this.#ground.violated(`${write.name} was written once and stands twice in its log`);
      }
      write.entry = seq;
      const last = known[seq - 2];
      if (last !== undefined && lamport <= last.lamport && !this.#mayBeEarly(write.device)) {
        this.#ground.violated(`${short(replica)}:${seq} does not come after the entry before it`);
      }
      const rowsIn = (document: DocumentId): number =>
        write.document === document ? write.rows : 0;
      known[seq - 1] = {
        hash: hash.slice(),
        lamport,
        write,
        messages: (last?.messages ?? 0) + rowsIn(channel),
        updates: (last?.updates ?? 0) + rowsIn(note),
        changes: (last?.changes ?? 0) + rowsIn(catalog),
      };
    }
  }

  /** Views were told of these entries, on top of `before`: in causal order, none twice, none left out. */
  applied(tab: SimTab, entries: readonly ReadyEntry[], before: VersionVector): void {
    if (this.#hasForked) return;
    const { device } = tab;
    const who = `device ${device.index}`;
    const { told, tellsAgain } = this.#shownBy(device);
    const seen = new Map(before);
    for (const { replica, seq, deps, lamport } of entries) {
      const what = `${short(replica)}:${seq}`;
      this.#ground.say(`${who} applied ${what}`);
      if (!this.isHonest(replica)) continue;
      if (seq !== seqOf(seen, replica) + 1) {
        this.#ground.violated(`${who} applied ${what} after ${seqOf(seen, replica)}`);
      }
      const toldOf = told.get(replica) ?? new Set();
      told.set(replica, toldOf);
      if (toldOf.has(seq) && !tellsAgain)
        this.#ground.violated(`${who} told its views of ${what} twice`);
      toldOf.add(seq);
      for (const dep of deps) {
        if (!this.isHonest(dep.replica) || seqOf(seen, dep.replica) >= dep.seq) continue;
        this.#ground.violated(`${who} applied ${what} before what it names`);
      }
      const write = this.#entriesOf(replica)[seq - 1]?.write;
      if (write !== undefined && !dominates(seen, write.past)) {
        this.#ground.violated(`${who} applied ${what} before what its author had seen`);
      }
      if (write !== undefined && lamport <= write.pastLamport) {
        this.#ground.violated(`${what} does not come after what its author had seen`);
      }
      seen.set(replica, seq);
    }
  }

  /** A transaction of a device is through: its read models hold exactly what is applied, once. */
  committed(device: SimDevice, commit: Commit): void {
    const shown = this.#shownBy(device);
    const who = `device ${device.index}`;
    let touched = false;
    for (const { store, key, value } of commit) {
      const document = (key as readonly string[])[1];
      if (store === stores.applied) {
        const { vector } = value as AppliedState;
        const isInstalled = commit.some(({ value: row }) => row === cleared);
        if (this.#hasForked) shown.appliedEver.clear();
        else if (isInstalled) this.#installed(device, shown, vector);
        else if (!dominates(vector, this.#honest(shown.applied))) {
          this.#ground.violated(`${who}'s applied vector went back`);
        }
        shown.applied = vector;
        for (const [replica, seq] of vector) raise(shown.appliedEver, replica, seq);
      } else if (store === stores.heads && (key as readonly string[])[1] === device.replica) {
        this.#ownHead(device, value as { to: number; hash: Uint8Array });
        continue;
      } else if (store === stores.channels && document === channel) {
        shown.messages = (value as { count: number }).count;
      } else if (store === stores.documents && document === note) {
        shown.updates = (value as { last: number }).last;
      } else if (store === stores.documents && document === catalog) {
        shown.changes = (value as { last: number }).last;
      } else if (store === stores.parked) {
        const name = (key as readonly string[]).join(" ");
        if (value === undefined) {
          shown.parked.delete(name);
          this.#ground.fire("parked operation replayed");
        } else {
          shown.parked.add(name);
          this.#ground.fire("operation parked");
        }
      } else if (store === stores.pending) {
        const name = (key as readonly string[]).slice(1).join(" ");
        if (value === cleared) {
          shown.pending.clear();
          // The channel's row is gone with all others, and comes again if there is anything in it.
          shown.messages = 0;
        } else if (value === undefined) {
          shown.pending.delete(name);
          this.#ground.fire("part came later");
        } else shown.pending.add(name);
        continue;
      } else continue;
      touched = true;
    }
    if (touched) this.#compareModels(device, shown);
  }

  /** A snapshot took the place of what was applied: what it covers came with it, the rest comes again. */
  #installed(device: SimDevice, shown: Shown, vector: VersionVector): void {
    const isNew = [...shown.appliedEver.keys()].every((replica) => replica === device.replica);
    this.#ground.struck(isNew ? "snapshot taken in" : "snapshot taken in over entries");
    shown.isInstalled = true;
    shown.tellsAgain = this.#mistrusted !== undefined;
    shown.beforeSnapshot = new Map(shown.appliedEver);
    for (const [replica, toldOf] of shown.told) {
      for (const seq of toldOf) if (seq > seqOf(vector, replica)) toldOf.delete(seq);
    }
    this.#ground.say(`device ${device.index} takes in a snapshot`);
  }

  /** An own entry is committed where another one stood: after the profile was put back. */
  #ownHead(device: SimDevice, { to, hash }: { to: number; hash: Uint8Array }): void {
    const { faults, forks } = this.#ground.options;
    if (faults["profile restored"] === 0) return;
    const own = this.#own.get(device) ?? new Map<number, string>();
    this.#own.set(device, own);
    const before = own.get(to);
    own.set(to, toHex(hash));
    if (before === undefined || before === own.get(to) || this.#hasForked) return;
    if (!forks) this.#ground.violated(`device ${device.index} forked its log at ${to}`);
    this.#hasForked = true;
    this.#ground.struck("log forked");
  }

  /** The power is back: relaxed rows may be gone, whole transactions of them; nothing strict is. */
  async powerCut(device: SimDevice): Promise<void> {
    const { tag } = this.#ground.space;
    if (this.#hasForked) return;
    await device.disk.inspect().read([stores.heads], async (tx) => {
      for (const [replica, seq] of this.#honest(device.disk.durable)) {
        const row = (await tx.get(stores.heads, [tag, replica])) as { to: number } | undefined;
        if ((row?.to ?? 0) >= seq) continue;
        this.#ground.violated(
          `device ${device.index} lost ${short(replica)}:${seq} with its power`,
        );
      }
    });
    await this.#readBack(device);
  }

  /** All that the device has stored is as it was a while ago: it shows what it showed then. */
  async restored(device: SimDevice): Promise<void> {
    const shown = this.#shownBy(device);
    shown.clocks.clear();
    shown.marks.clear();
    await this.#readBack(device);
  }

  async #readBack(device: SimDevice): Promise<void> {
    const shown = this.#shownBy(device);
    const { tag } = this.#ground.space;
    const scope = [stores.applied, stores.channels, stores.documents, stores.parked];
    await device.disk.inspect().read(scope, async (tx) => {
      const state = (await tx.get(stores.applied, tag)) as AppliedState | undefined;
      const counts = (await tx.get(stores.channels, [tag, channel])) as
        | { count: number }
        | undefined;
      const lastOf = async (document: DocumentId): Promise<number> => {
        const row = (await tx.get(stores.documents, [tag, document])) as
          | { last: number }
          | undefined;
        return row?.last ?? 0;
      };
      shown.applied = state?.vector ?? new Map();
      shown.messages = counts?.count ?? 0;
      shown.updates = await lastOf(note);
      shown.changes = await lastOf(catalog);
      shown.parked.clear();
      for (const { key } of await tx.range(stores.parked, beginningWith(tag))) {
        shown.parked.add((key as readonly string[]).join(" "));
      }
    });
    for (const [replica, toldOf] of shown.told) {
      for (const seq of toldOf) if (seq > seqOf(shown.applied, replica)) toldOf.delete(seq);
    }
    this.#compareModels(device, shown);
  }

  /** A device says that it has published a snapshot: a relay has the manifest, or has lost it since. */
  published({ index, relays }: SimDevice, { published }: SnapshotNotice): void {
    for (const id of published?.root.chunks ?? []) {
      if (relays.some(({ store }) => store.blobsEver.has(id))) continue;
      this.#ground.violated(`device ${index} has published what no relay keeps`);
    }
  }

  // Receipts

  connected(connection: Connection, relay: SimRelay): void {
    this.#relays.set(connection, { relay, times: relay.store.restored.times });
  }

  /** A device is told that a relay holds its log up to `seq`: the relay's disk has it. */
  stored(tab: SimTab, session: Session, seq: number): void {
    const { device } = tab;
    const connected = this.#relays.get(session.connection);
    if (connected === undefined) throw new Error("a session over no connection");
    const { relay, times } = connected;
    const { durable, restored } = relay.store;
    // Of a store that was put back since, this connection hears nothing: it is cut, and does not know it yet.
    const isStale = restored.times > times;
    const held = seqOf(isStale ? restored.before : durable, device.replica);
    this.#ground.say(`device ${device.index} is told that ${relay.name} holds ${seq}`);
    if (held >= seq || this.#hasForked) return;
    this.#ground.violated(
      `device ${device.index} was told that ${relay.name} holds ${seq}, it holds ${held}`,
    );
  }

  /** A device confirms that it holds a log up to `seq`: its disk would after a power cut. */
  confirmed({ index, disk }: SimDevice, replica: ReplicaId, seq: number): void {
    if (seqOf(disk.durable, replica) >= seq || this.#hasForked || !this.isHonest(replica)) return;
    this.#ground.violated(`device ${index} confirms ${short(replica)}:${seq}, which it could lose`);
  }

  /** What a tab shows of another device's clock and marks: true, and never less than before. */
  receipts(tab: SimTab, replica: ReplicaId): void {
    if (this.#hasForked) return;
    const subject = this.#devices.get(replica);
    if (subject === undefined) return this.#ground.violated("a register of nobody");
    const shown = this.#shownBy(tab.device);
    const { board } = tab.tab;
    const about = `device ${tab.device.index} shows device ${subject.index}`;
    const { appliedEver, pending, beforeSnapshot } = this.#shownBy(subject);

    const clock = this.#honest(board.clock(replica));
    const clockBefore = tab.clocksShown.get(replica);
    if (clock !== clockBefore || this.#mistrusted !== undefined) {
      for (const [author, seq] of clock) {
        if (seqOf(subject.disk.durableEver, author) < seq) {
          this.#ground.violated(`${about} to have ${short(author)}:${seq}, which it could lose`);
        }
        if (seqOf(appliedEver, author) < seq) {
          this.#ground.violated(`${about} to have ${short(author)}:${seq}, which it never applied`);
        }
        // Who begins with a snapshot where a log is taken apart has had all of it before, and so may a
        // profile that was put back.
        const isTold = pending.size > 0 && !this.#ground.options.forks;
        if (isTold && seqOf(beforeSnapshot, author) < seq) {
          this.#ground.violated(`${about} to have ${short(author)}:${seq}, which is still to come`);
        }
      }
      if (clockBefore !== undefined && !dominates(clock, this.#honest(clockBefore))) {
        this.#ground.violated(`${about} to have less than it showed before`);
      }
      tab.clocksShown.set(replica, clock);
      raiseAll(shown.clocks, replica, clock);
    }

    const mark = board.readMark(channel, replica);
    const markBefore = tab.marksShown.get(replica);
    if (mark !== markBefore) {
      if (!dominates(subject.readTo, mark)) {
        this.#ground.violated(`${about} to have read what nobody there read`);
      }
      if (markBefore !== undefined && !dominates(mark, markBefore)) {
        this.#ground.violated(`${about} to have read less than it showed before`);
      }
      tab.marksShown.set(replica, mark);
      raiseAll(shown.marks, replica, mark);
    }
  }

  /** What a device showed until now, to be compared with what its next leader shows. */
  shownBy(device: SimDevice): { readonly clocks: Vectors; readonly marks: Vectors } {
    const { clocks, marks } = this.#shownBy(device);
    return { clocks: new Map(clocks), marks: new Map(marks) };
  }

  /** A tab leads and has read what its device knows: it shows no less than the tab before. */
  leads(tab: SimTab, before: { readonly clocks: Vectors; readonly marks: Vectors }): void {
    if (this.#hasForked) return;
    const { board } = tab.tab;
    for (const [replica, clock] of before.clocks) {
      if (this.#mayForget(replica) || dominates(board.clock(replica), this.#honest(clock))) {
        continue;
      }
      this.#ground.violated(`device ${tab.device.index} forgot what others have`);
    }
    for (const [replica, mark] of before.marks) {
      if (this.#mayForget(replica) || dominates(board.readMark(channel, replica), mark)) continue;
      this.#ground.violated(`device ${tab.device.index} forgot what others have read`);
    }
    for (const replica of this.#devices.keys()) this.receipts(tab, replica);
  }

  /** A restored device that cannot read its newest entry does not know its time. */
  #mayBeEarly({ isRestored }: SimDevice): boolean {
    return isRestored && this.#ground.fired.has("flipped bits");
  }

  /**
   * A restored device may number a register as one of its own that it has forgotten. Stores keep one of
   * the two, and what the other one said is back a second later, when both are published as one.
   */
  #mayForget(replica: ReplicaId): boolean {
    return this.#devices.get(replica)?.isRestored === true;
  }

  whisper(from: ReplicaId, text: string): void {
    this.#whispers.add(`${from} ${text}`);
  }

  heard(tab: SimTab, from: ReplicaId, text: string): void {
    const name = `${from} ${text}`;
    if (!this.#whispers.has(name)) this.#ground.violated(`nobody whispered ${text}`);
    // Two devices of one replica may say the same.
    if (tab.heard.has(name) && !this.#hasForked) {
      this.#ground.violated(`device ${tab.device.index} heard ${text} twice`);
    }
    tab.heard.add(name);
    this.#ground.fire("whisper heard");
  }

  // Others

  /** A store is asked to keep something of that replica. */
  stores(who: string, replica: ReplicaId): void {
    if (this.#devices.has(replica) || replica === this.#mistrusted) return;
    this.#ground.violated(`${who} stores something of a party that only ever sent rubbish`);
  }

  /** An honest connection is over. */
  ended(end: Ending): void {
    this.endings.set(end.code, (this.endings.get(end.code) ?? 0) + 1);
    this.#ground.say(`a connection ended with ${end.code} by ${end.by}: ${end.detail}`);
    if (honestEndings.has(end.code)) return;
    this.#ground.violated(`an honest connection ended with ${end.code}: ${end.detail}`);
  }

  attempt(device: SimDevice, relay: SimRelay): void {
    const { nowMs } = this.#ground;
    const name = `${device.index} ${relay.name}`;
    const attempts = this.#attempts.get(name) ?? { atMs: [] };
    this.#attempts.set(name, attempts);
    attempts.atMs.push(nowMs);
    while ((attempts.atMs[0] ?? nowMs) < nowMs - 60_000) attempts.atMs.shift();
    if (attempts.atMs.length <= attemptsAMinuteMax) return;
    this.#ground.violated(
      `device ${device.index} tried to reach ${relay.name} ${attempts.atMs.length} times in a minute`,
    );
  }

  alarm(tab: SimTab): void {
    const { nowMs } = this.#ground;
    const second = Math.floor(nowMs / 1_000);
    if (tab.alarms.second !== second) tab.alarms = { second, count: 0 };
    tab.alarms.count++;
    if (tab.alarms.count === alarmsASecondMax) {
      this.#ground.violated(`device ${tab.device.index} spins: ${tab.wakes()}`);
    }
  }

  /** What waits in memory stays within its limits. */
  backlog(sessions: Iterable<Session>): void {
    for (const session of sessions) {
      const { sentBytes, receivedBytes, wants, logs } = session.backlog;
      const isBounded =
        sentBytes <= sentBytesMax &&
        // A comparison may cross a window that is under way, and have all of it sent again.
        receivedBytes <= 2 * sentBytesMax &&
        wants <= limits.wantsMax &&
        logs <= 3 * limits.logsMax;
      if (sentBytes >= limits.windowBytes) this.#ground.fire("window full");
      if (isBounded) continue;
      this.#ground.violated(
        `a session holds ${sentBytes} bytes sent, ${receivedBytes} received, ${wants} questions, ${logs} logs`,
      );
    }
  }

  ahead(device: SimDevice, entries: number): void {
    if (entries <= aheadMax) return;
    this.#ground.violated(`device ${device.index} has read ${entries} entries of a log ahead`);
  }

  /** Read models hold the effect of each applied entry once. */
  #compareModels(device: SimDevice, shown: Shown): void {
    if (this.#hasForked) return;
    const should: Rows = { messages: 0, updates: 0, changes: 0 };
    for (const [replica, seq] of shown.applied) {
      const known = this.#entriesOf(replica)[seq - 1];
      should.messages += known?.messages ?? 0;
      should.updates += known?.updates ?? 0;
      should.changes += known?.changes ?? 0;
    }
    const isExact =
      shown.messages === should.messages &&
      (shown.isInstalled ||
        (shown.updates + shown.parked.size === should.updates && shown.changes === should.changes));
    if (isExact) return;
    this.#ground.violated(
      `device ${device.index} shows ${inWords(shown)}, applied are ${inWords(should)}`,
    );
  }

  /** How many updates of the note and changes of the catalog a device's database holds. */
  rowsOf(device: SimDevice): Readonly<Rows> {
    return this.#shownBy(device);
  }

  /** The entry that stands there, as whoever applied it first saw it. */
  hashOf(replica: ReplicaId, seq: number): Uint8Array | undefined {
    return this.#entriesOf(replica)[seq - 1]?.hash;
  }

  writeNamed(name: string): Write | undefined {
    return this.#writesByName.get(name);
  }

  /** What was written, as it stands in the read model of a document. */
  nameOf(update: Operation & Partial<Pick<TailUpdate, "nonce">>): string | undefined {
    return this.#writeOf(update, () => update.nonce)?.name;
  }

  #writtenAs({ operations, nonces, seq }: ReadyEntry): Write | undefined {
    for (const operation of operations) {
      const write = this.#writeOf(operation, (distance) => nonces.get(seq - distance));
      if (write !== undefined) return write;
    }
    return undefined;
  }

  #writeOf({ kind, payload }: Operation, nonceAt: NonceAt): Write | undefined {
    const text = kind === postKind ? textOfPost(payload) : textOfUpdate(kind, payload);
    const named = this.#writesByName.get(text?.split(" ", 1)[0] ?? "");
    return named ?? this.#writesByPart.get(partOf(kind, payload, nonceAt) ?? "");
  }

  #entriesOf(replica: ReplicaId): Known[] {
    let known = this.#entries.get(replica);
    if (known === undefined) this.#entries.set(replica, (known = []));
    return known;
  }

  #shownBy(device: SimDevice): Shown {
    const shown = this.#shown.get(device);
    if (shown === undefined) throw new Error("a device the books do not know");
    return shown;
  }
}

type Build = (position: WriterPosition) => readonly RawOperation[];
type Vectors = ReadonlyMap<ReplicaId, VersionVector>;

/** How connections of honest parties may end: by faults of the network, of stores, or on purpose. */
const honestEndings: ReadonlySet<number> = new Set([
  codes.closed,
  codes.goingAway,
  codes.restart,
  codes.deadline,
]);

const inWords = ({ messages, updates, changes }: Rows): string =>
  `${messages} messages, ${updates} updates and ${changes} changes`;

const short = (replica: ReplicaId): string => replica.slice(0, 4);

function raise(vector: Map<ReplicaId, number>, replica: ReplicaId, seq: number): void {
  if (seqOf(vector, replica) < seq) vector.set(replica, seq);
}

/** Several tabs may have shown something; what counts is all of it. */
function raiseAll(
  vectors: Map<ReplicaId, VersionVector>,
  replica: ReplicaId,
  more: VersionVector,
): void {
  const all = new Map(vectors.get(replica));
  for (const [author, seq] of more) raise(all, author, seq);
  vectors.set(replica, all);
}

function post(text: string, nowMs: number): RawOperation {
  const draft = draftPost(text, nowMs);
  if (draft.kind !== "ready") throw new Error(`a text that is ${draft.reason}`);
  return draft.operation;
}

/** Of an engine that nobody here has: what counts is that it comes through once and in order. */
function update(text: string, { seq, openedAt }: WriterPosition): RawOperation {
  const peer = { distance: seq - openedAt, counter: 0 };
  const payload = encodeNoteUpdate({ peer, update: new TextEncoder().encode(text) });
  return { kind: updateKind, payload };
}

function textOfPost(payload: Uint8Array): string | undefined {
  const understood = understandChannel({ kind: postKind, payload });
  return understood.kind === "known" ? understood.op.text : undefined;
}

function textOfUpdate(kind: number, payload: Uint8Array): string | undefined {
  if (kind !== updateKind) return undefined;
  const decoded = decodeNoteUpdate(payload);
  return isMalformed(decoded) ? undefined : new TextDecoder().decode(decoded.update);
}

/** Nonce of the writer session that was opened so many entries ago. */
type NonceAt = (distance: number) => Uint8Array | undefined;

/** An engine's update or change does not say whose it is, and two people may do the same. */
export const nameOfPart = (nonce: Uint8Array, counter: number, part: Uint8Array): string =>
  `${toHex(nonce)}/${counter}/${toHex(part)}`;

function partOf(kind: number, payload: Uint8Array, nonceAt: NonceAt): string | undefined {
  if (kind !== updateKind && kind !== changeKind) return undefined;
  const read = decode(payload, (reader) => ({ peer: readPeer(reader), part: reader.rest() }));
  if (isMalformed(read)) return undefined;
  const nonce = nonceAt(read.peer.distance);
  return nonce && nameOfPart(nonce, read.peer.counter, read.part);
}

/** A run is begun while the window is open, however little: its bodies and 64 bytes an entry. */
const sentBytesMax = limits.windowBytes + limits.runBytesMax + 64 * runEntriesMax;
