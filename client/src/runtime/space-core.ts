/**
 * One space in one tab, below the views: its keys, its log as this tab appends to it, who its members are
 * and what their registers say. Every tab has one for every space; in the leading tab a `LeaderSpace`
 * stands beside it and feeds it, in the others what the leader tells does.
 *
 * Invariants:
 *  1. Nothing is appended before the entry that says who we are (*introduce*) is committed.
 *  2. What views read here only grows: heads, applied versions, sent marks.
 */
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { dominates, type VersionVector } from "@skein/shared/clock/version-vector.ts";
import type { RawOperation } from "@skein/shared/crdt/crdt.ts";
import { introductionPayload } from "@skein/shared/crypto/identity.ts";
import { Keyring } from "@skein/shared/crypto/keyring.ts";
import type { EntrySealer } from "@skein/shared/crypto/seal.ts";
import type { SigningPair } from "@skein/shared/crypto/suite.ts";
import type { Gate } from "@skein/shared/device/gate.ts";
import {
  RegisterBoard,
  type RegisterTopic,
  topicName,
} from "@skein/shared/device/register-board.ts";
import type { AppliedState, ReadyEntry } from "@skein/shared/device/store.ts";
import { Writer, type WriterPosition, type WrittenEntry } from "@skein/shared/device/writer.ts";
import type {
  DocumentId,
  MemberId,
  RegisterName,
  ReplicaId,
  SpaceTag,
} from "@skein/shared/id/id.ts";
import { knownDocument } from "@skein/shared/log/known-document.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import type { LogHead, StoredRegister } from "@skein/shared/log/store.ts";
import { parseAccessCertificate } from "@skein/shared/protocol/access.ts";
import { type LedgerOwner, ReceiptLedger } from "@skein/shared/receipt/ledger.ts";
import type { Roster } from "@skein/shared/receipt/receipt.ts";
import { signAdmission } from "@skein/shared/space/admission.ts";
import { displayName } from "@skein/shared/space/member.ts";
import { MembershipGate } from "@skein/shared/space/membership-gate.ts";
import {
  encodeMembershipOperation,
  type MembershipOperation,
} from "@skein/shared/space/membership-operation.ts";
import type { Membership } from "@skein/shared/space/membership.ts";
import { sealWhisper } from "@skein/shared/sync/sealed-whisper.ts";
import type { Device } from "./device.ts";
import type { OwnIdentity } from "./identity.ts";
import { logLock } from "./log-lock.ts";
import { Cell, Events } from "./observable.ts";
import { type ReceiptRow, readReceiptRow } from "./receipt-rows.ts";
import { type SpaceRecord, SpaceRecords } from "./space-records.ts";
import type { SentMarks } from "./status.ts";

/** Who waits for a part of a snapshot asks for it again. */
const wantAgainMs = 5_000;
/** After the database failed: nothing is lost meanwhile, it waits in memory. */
const tryAgainMs = 3_000;

export interface KnownDocuments {
  readonly membership: DocumentId;
  readonly catalog: DocumentId;
  readonly general: DocumentId;
  readonly settings: DocumentId;
}

export class SpaceCore {
  readonly device: Device;
  readonly tag: SpaceTag;
  readonly identity: () => OwnIdentity;
  readonly documents: KnownDocuments;
  readonly keyring: Keyring;
  readonly sealer: EntrySealer;
  /** The same for every tab: what the replica asks before it lets an entry through. */
  readonly gate: Gate;
  readonly board: RegisterBoard;

  readonly record: Cell<SpaceRecord>;
  readonly membership: Cell<Membership>;
  /** Own entries that are committed, by whichever tab. */
  readonly head = new Cell(0);
  readonly vector = new Cell<VersionVector>(new Map());
  readonly sent = new Cell<SentMarks>({ sentTo: 0, storedTo: 0 });
  /** The most that was ever known of where own entries have come. */
  ledger: ReceiptLedger;
  /** Changes with what the board and the ledger say. */
  readonly registersVersion = new Cell(0);

  /** This tab has committed an entry. */
  readonly onWritten = new Events<WrittenEntry>();
  /** Entries are in the read models. */
  readonly onApplied = new Events<readonly ReadyEntry[]>();
  /** Less counts as applied than before: a log was taken apart, and what it held is applied anew. */
  readonly onAnew = new Events<void>();
  /** More was applied than this tab was told of: what it keeps of the read models is read anew. */
  readonly onMissed = new Events<void>();
  /** A part of a snapshot has come, of this document. */
  readonly onFilled = new Events<DocumentId>();
  /** Own entries wait for a database that refuses them; undefined once it takes them again. */
  readonly onTrouble = new Events<unknown>();

  /** Resolves once the database was read, and a founder is in. */
  readonly ready: Promise<void>;

  readonly #members: MembershipGate;
  readonly #records: SpaceRecords;
  readonly #topics = new Map<RegisterName, RegisterTopic>();
  readonly #writer: Writer;
  #appliedVersion = 0;
  #log: ReplicaId;
  /** Which it was before. */
  readonly #leftLogs = new Set<ReplicaId>();
  /** Of each branch. */
  readonly #signers = new Map<ReplicaId, ReplicaId>();
  #whispers = 0;
  #retry: ReturnType<typeof setInterval> | undefined;
  #introduction: Promise<void> | undefined;
  #closed = false;

  static async open(
    device: Device,
    tag: SpaceTag,
    record: SpaceRecord,
    identity: () => OwnIdentity,
  ): Promise<SpaceCore> {
    const secret = await device.suite.restoreSigningKey(record.replica.secret);
    const { publicKey } = record.replica;
    return new SpaceCore(device, tag, record, identity, { publicKey, secret });
  }

  private constructor(
    device: Device,
    tag: SpaceTag,
    record: SpaceRecord,
    identity: () => OwnIdentity,
    pair: SigningPair,
  ) {
    const { suite, env } = device;
    this.device = device;
    this.tag = tag;
    this.identity = identity;
    this.record = new Cell(record);
    this.#records = new SpaceRecords(device.kv);
    this.documents = {
      membership: knownDocument(suite, tag, "membership"),
      catalog: knownDocument(suite, tag, "catalog"),
      general: knownDocument(suite, tag, "general"),
      settings: knownDocument(suite, tag, "settings"),
    };
    this.keyring = keyringOf(device, tag, record);
    this.sealer = {
      keyring: this.keyring,
      space: tag,
      replica: replicaIdOf(suite, pair.publicKey),
      publicKey: pair.publicKey,
      secret: pair.secret,
    };
    this.#log = this.sealer.replica;
    this.#members = new MembershipGate({ suite, space: tag, adminKey: firstAdminKey(record) });
    this.membership = new Cell(this.#members.membership);
    this.gate = {
      know: (branch, signer) => this.#knowBranch(branch, signer),
      admitted: (replica) => this.#members.admitted(replica),
      examine: async (entries) => {
        await this.#members.examine(entries);
        this.membership.set(this.#members.membership);
      },
      restore: async (operations) => {
        await this.#members.restore(operations);
        this.membership.set(this.#members.membership);
      },
    };
    this.board = new RegisterBoard(this.keyring);
    this.ledger = new ReceiptLedger(this.#ledgerOwner);
    this.#writer = new Writer({
      env,
      sealer: this.sealer,
      store: device.store,
      lock: logLock(device.platform.locks, `${device.name}/log/${tag}`),
      onAppended: (written) => this.#written(written),
      onTrouble: (error) => this.#trouble(error),
    });
    this.ready = this.#untilDone(() => this.#load());
  }

  get replica(): ReplicaId {
    return this.sealer.replica;
  }

  /**
   * Where this device's own entries go on: the log of its replica, or where that has forked the branch
   * that this device wrote.
   */
  get log(): ReplicaId {
    return this.#log;
  }

  /** Who this device's person is here. */
  get me(): MemberId {
    return this.identity().memberId;
  }

  /** Own operations that are not on the disk yet. */
  get pending(): number {
    return this.#writer.pending;
  }

  /** The nonce of this tab's writer session: what its peer ids derive from. */
  get nonce(): Uint8Array<ArrayBuffer> {
    return this.#writer.nonce;
  }

  /**
   * Replicas that belong to this device's person, this one among them: their entries are nobody's
   * unread ones.
   */
  ownReplicas(): ReadonlySet<ReplicaId> {
    const own = new Set<ReplicaId>([this.replica]);
    for (const { replica } of this.membership.get().members.get(this.me)?.replicas ?? []) {
      own.add(replica);
    }
    for (const [branch, signer] of this.#signers) if (own.has(signer)) own.add(branch);
    return own;
  }

  /** Whose log that is, or is a branch of. */
  signerOf(log: ReplicaId): ReplicaId {
    return this.#signers.get(log) ?? log;
  }

  memberOf(replica: ReplicaId): MemberId | undefined {
    if (replica === this.replica) return this.me;
    return this.membership.get().memberByReplica.get(replica);
  }

  /** Resolves once the operations are committed, in the order of calls, however long that takes. */
  async append(
    document: DocumentId,
    build: (position: WriterPosition) => readonly RawOperation[],
  ): Promise<WrittenEntry> {
    await this.introduce();
    return this.#writer.append(document, build);
  }

  /** The log's first entry says who we are. Until it is there, nobody else counts us as a member. */
  get isIntroduced(): boolean {
    return this.head.get() > 0;
  }

  /**
   * Says who we are, if nothing of ours is in the log yet. What others wrote was for those who were in
   * by then (`membersAt`), so somebody who joins comes in when they know what there is, or when they
   * write themselves: a first entry that knew of nothing would stand before all that was ever said.
   */
  async introduce(): Promise<void> {
    await this.ready;
    if (this.isIntroduced) return;
    this.#introduction ??= this.#untilDone(() => this.#introduce());
    await this.#introduction;
  }

  appendMembership(operation: MembershipOperation): Promise<WrittenEntry> {
    const encoded = encodeMembershipOperation(operation);
    return this.append(this.documents.membership, () => [encoded]);
  }

  /** To `to`, or to everybody present. The nonce is that of this tab's writer session. */
  sealWhisper(plain: Uint8Array, to: ReplicaId | undefined): Promise<Uint8Array<ArrayBuffer>> {
    const counter = ++this.#whispers;
    return sealWhisper(this.sealer, { to, nonce: this.nonce, counter, plain });
  }

  /** Strict. The other tabs read it again. */
  async changeRecord(change: (record: SpaceRecord) => SpaceRecord): Promise<void> {
    const kept = await this.#records.change(this.tag, change);
    if (kept === undefined) return;
    this.record.set(kept);
    this.device.tabs.post({ kind: "records" });
  }

  /** Makes registers of these topics readable: their names alone tell nobody what they are about. */
  async know(topics: readonly RegisterTopic[]): Promise<void> {
    let news = false;
    for (const topic of topics) {
      const name = await this.keyring.registerName(topicName(topic));
      if (this.#topics.has(name)) continue;
      this.#topics.set(name, topic);
      news = true;
    }
    if (!news) return;
    await this.board.know(topics);
    for (const topic of topics) this.#noteAll(topic);
    this.#registersChanged();
  }

  /** Who is who, for receipts. */
  get roster(): Roster {
    const { members } = this.membership.get();
    return {
      me: this.me,
      self: this.replica,
      signerOf: (log) => this.signerOf(log),
      replicasOf: (member) => members.get(member)?.replicas.map(({ replica }) => replica) ?? [],
    };
  }

  /** How a member is called now; empty if nobody knows. */
  nameOf(member: MemberId): string {
    if (member === this.me) return this.identity().name;
    const known = this.membership.get().members.get(member);
    return known === undefined ? "" : displayName(known, (replica) => this.board.profile(replica));
  }

  /** Resolves once own entries up to `seq` are in the read models, or after a while: nobody may lead. */
  async untilApplied(seq: number, msMax: number): Promise<void> {
    const isApplied = () => (this.vector.get().get(this.log) ?? 0) >= seq;
    if (isApplied()) return;
    await new Promise<void>((done) => {
      const finish = () => {
        clearTimeout(timer);
        stop();
        done();
      };
      const timer = setTimeout(finish, msMax);
      const stop = this.vector.subscribe(() => {
        if (isApplied()) finish();
      });
    });
  }

  /** The next part of a snapshot that comes for the document, or the next leader, who knows nothing yet. */
  untilFilled(document: DocumentId): { readonly once: Promise<void>; readonly stop: () => void } {
    let stop = (): void => {};
    const once = new Promise<void>((done) => {
      const undo = [
        this.onFilled.on((filled) => {
          if (filled === document) stop();
        }),
        this.onMissed.on(() => stop()),
      ];
      // A leader that took over meanwhile has not heard who waits.
      const again = setInterval(() => stop(), wantAgainMs);
      stop = () => {
        clearInterval(again);
        for (const each of undo) each();
        done();
      };
    });
    return { once, stop };
  }

  // What the leading tab tells

  /**
   * Own entries go on there: seqs are counted on. How far they have come elsewhere is known anew, for what
   * was said of the log before may have been another branch.
   */
  goesOnIn(log: ReplicaId): void {
    if (log === this.#log || this.#leftLogs.has(log)) return;
    this.#leftLogs.add(this.#log);
    this.#log = log;
    this.sent.set({ sentTo: this.ledger.storedTo(log), storedTo: 0 });
  }

  appendedElsewhere(head: LogHead): void {
    this.goesOnIn(head.replica);
    // Told late, of a log that this device has left.
    if (head.replica !== this.#log) return;
    this.head.set(Math.max(this.head.get(), head.to));
  }

  async applied(entries: readonly ReadyEntry[], state: AppliedState): Promise<void> {
    // Versions count applications; one goes untold where a leader dies right after its commit.
    const missed = state.version > this.#appliedVersion + (entries.length > 0 ? 1 : 0);
    const isAnew = !dominates(state.vector, this.vector.get());
    if (state.version > this.#appliedVersion) {
      this.#appliedVersion = state.version;
      this.vector.set(state.vector);
      if (isAnew) this.onAnew.emit();
    }
    this.head.set(Math.max(this.head.get(), state.vector.get(this.log) ?? 0));
    for (const { replica, branch } of entries) {
      if (branch !== undefined) this.#knowBranch(replica, branch.signer);
    }
    const { membership } = this.documents;
    const ofMembers = entries.filter(({ document }) => document === membership);
    await this.#members.restore(
      missed
        ? await this.device.models.operations(this.tag, membership)
        : ofMembers.flatMap(keptOperations),
    );
    this.membership.set(this.#members.membership);
    this.onApplied.emit(entries);
    if (missed) this.onMissed.emit();
  }

  filled(document: DocumentId): void {
    this.onFilled.emit(document);
  }

  async registered(register: StoredRegister): Promise<void> {
    if (!(await this.board.take(register))) return;
    const topic = this.#topics.get(register.name);
    if (topic !== undefined) this.#note(topic, register.replica);
    this.#registersChanged();
  }

  sentUpTo({ sentTo, storedTo }: SentMarks): void {
    const before = this.sent.get();
    if (sentTo > before.sentTo) {
      this.ledger.noteStored(this.log, sentTo, this.device.env.clock.now());
    }
    const after = { sentTo: Math.max(before.sentTo, sentTo), storedTo };
    if (after.sentTo !== before.sentTo || after.storedTo !== before.storedTo) this.sent.set(after);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#retry);
  }

  #knowBranch(branch: ReplicaId, signer: ReplicaId): void {
    this.#signers.set(branch, signer);
    this.#members.know(branch, signer);
    this.membership.set(this.#members.membership);
  }

  /** Goes on for as long as the database fails, and this space is open. */
  async #untilDone(step: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await step();
        this.#trouble(undefined);
        return;
      } catch (error) {
        this.#trouble(error);
        await new Promise((done) => setTimeout(done, tryAgainMs));
        if (this.#closed) return;
      }
    }
  }

  async #load(): Promise<void> {
    const { store, models, kv } = this.device;
    const [heads, log, applied, kept, registers, receipts] = await Promise.all([
      store.heads(this.tag),
      store.ownLog(this.tag, this.replica),
      store.applied(this.tag),
      models.operations(this.tag, this.documents.membership),
      store.registers(this.tag),
      readReceiptRow(kv, this.tag),
    ]);
    for (const { replica, branch } of heads) {
      if (branch !== undefined) this.#knowBranch(replica, branch.signer);
    }
    const head = heads.find(({ replica }) => replica === log);
    if (head !== undefined) this.appendedElsewhere(head);
    if (applied.version > this.#appliedVersion) {
      this.#appliedVersion = applied.version;
      this.vector.set(applied.vector);
    }
    await this.#members.restore(kept);
    this.membership.set(this.#members.membership);
    if (receipts !== undefined) this.#recall(receipts);
    for (const register of registers) await this.board.take(register);
    await this.know([{ kind: "clock" }, { kind: "profile" }, { kind: "snapshot" }]);
    if (head === undefined && this.record.get().admission.kind === "founder") {
      await this.#introduce();
    }
  }

  /** The log's first entry; two tabs that open a new space at once write it once. */
  async #introduce(): Promise<void> {
    const { device, tag, replica } = this;
    const operations = await this.#admission();
    await device.platform.locks.request(`${device.name}/admission/${tag}`, async () => {
      const { head } = await device.store.writerBase(tag, replica);
      if (head === undefined)
        await this.#writer.append(this.documents.membership, () => operations);
      else this.appendedElsewhere(head);
    });
  }

  async #admission(): Promise<readonly RawOperation[]> {
    const { device, tag: space, replica } = this;
    const { suite } = device;
    const { memberId: member, deviceCertificate, name } = this.identity();
    const record = this.record.get();
    const introduce: MembershipOperation = {
      kind: "introduce",
      payload: introductionPayload(deviceCertificate, record.replica.certificate),
    };
    const admission = { space, member, replica };
    const { seeds } = record;
    let comes: MembershipOperation;
    if (record.admission.kind === "joiner") {
      const { publicKey, secret } = await suite.signingPairFromSeed(record.admission.inviteSeed);
      const signature = await signAdmission(suite, secret, "skein/join", admission);
      comes = { kind: "join", publicKey, name, signature };
    } else {
      if (seeds.role !== "owner") throw new Error("a founder who owns no space");
      const { secret } = await suite.signingPairFromSeed(seeds.admin);
      const signature = await signAdmission(suite, secret, "skein/genesis", admission);
      const { kind: spaceKind, name: spaceName } = record;
      comes = { kind: "genesis", spaceKind, spaceName, name, signature };
    }
    return [introduce, comes].map(encodeMembershipOperation);
  }

  #written(written: WrittenEntry): void {
    this.appendedElsewhere(written.head);
    this.device.tabs.post({ kind: "appended", space: this.tag, head: written.head });
    this.onWritten.emit(written);
  }

  #recall({ ledger, storedTo }: ReceiptRow): void {
    this.ledger = new ReceiptLedger(this.#ledgerOwner, ledger);
    const before = this.sent.get();
    this.sentUpTo({
      sentTo: this.ledger.storedTo(this.log),
      storedTo: Math.max(before.storedTo, storedTo),
    });
  }

  get #ledgerOwner(): LedgerOwner {
    return {
      log: () => this.log,
      signerOf: (log) => this.signerOf(log),
      head: () => this.head.get(),
      isMine: (replica) => this.memberOf(replica) === this.me,
    };
  }

  /** What somebody's register says about own entries. */
  #note(topic: RegisterTopic, replica: ReplicaId): void {
    const atMs = this.device.env.clock.now();
    if (topic.kind === "clock") this.ledger.noteClock(replica, this.board.clock(replica), atMs);
    else if (topic.kind === "read") {
      const { document } = topic;
      this.ledger.noteMark(document, replica, this.board.readMark(document, replica), atMs);
    }
  }

  #noteAll(topic: RegisterTopic): void {
    if (topic.kind === "read") {
      for (const replica of this.board.readers(topic.document).keys()) this.#note(topic, replica);
    } else {
      for (const replica of this.membership.get().memberByReplica.keys())
        this.#note(topic, replica);
    }
  }

  #registersChanged(): void {
    this.registersVersion.set(this.registersVersion.get() + 1);
  }

  #trouble(error: unknown): void {
    this.device.troubles.writing(`log ${this.tag}`, error);
    this.onTrouble.emit(error);
    if (error === undefined) {
      clearInterval(this.#retry);
      this.#retry = undefined;
    } else if (this.#retry === undefined && !this.#closed) {
      this.#retry = setInterval(() => this.#writer.retry(), tryAgainMs);
    }
  }
}

function keyringOf(device: Device, tag: SpaceTag, { contentKeys }: SpaceRecord): Keyring {
  const [first, ...later] = contentKeys;
  if (first === undefined) throw new Error(`no content key of space ${tag}`);
  const keyring = new Keyring(device.suite, tag, first);
  for (const key of later) keyring.use(keyring.add(key));
  return keyring;
}

function firstAdminKey({ certificates }: SpaceRecord): Uint8Array {
  const [first] = certificates;
  const certificate = first && parseAccessCertificate(first);
  if (certificate === undefined || isMalformed(certificate)) {
    throw new Error("a space without its first access certificate");
  }
  return certificate.adminKey;
}

const keptOperations = ({ replica, seq, lamport, deps, named, operations }: ReadyEntry) =>
  operations.map(({ kind, payload }, index) => ({
    id: { replica, seq, index },
    lamport,
    kind,
    payload,
    deps: named ?? deps,
  }));
