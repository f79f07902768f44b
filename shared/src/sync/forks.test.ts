import { describe, expect, it } from "vitest";
import type { ReplicaId } from "../id/id.ts";
import { branchIdOf, staysInLog } from "../log/branch.ts";
import { MemoryLogStore } from "../log/memory-store.ts";
import type { VerifiedRun } from "../log/store.ts";
import { decodeFrame, encodeFrame } from "../protocol/codec.ts";
import { compareBytes } from "../bytes/bytes.ts";
import { isMalformed } from "../bytes/malformed.ts";
import { limits } from "../protocol/limits.ts";
import { Forks, type Suspect } from "./forks.ts";
import { Holdings } from "./holdings.ts";
import { Author, newEnv, ownAppend, settle, suite, tag, TestParty } from "./parties.contract.ts";

/** Two copies of one device, with what both have in common. */
async function copies(common: readonly number[] = [2]) {
  const pair = await suite.newSigningPair();
  const [one, two] = [new Author(pair), new Author(pair)];
  const runs: VerifiedRun[] = [];
  for (const count of common) runs.push(await one.write(count));
  [two.seq, two.hash] = [one.seq, one.hash];
  return { one, two, runs, replica: one.replica };
}

async function holdAll(party: TestParty, runs: readonly VerifiedRun[]): Promise<void> {
  for (const run of runs) await ownAppend(party, run);
}

/** What a party holds of each log, as text. */
const held = (party: TestParty) =>
  [...party.exchange.holdings.logs.values()]
    .map(({ replica, to, hash }) => `${replica}:${to}:${Buffer.from(hash).toString("hex")}`)
    .sort();

/** The log and the branch that two runs lead to, which begin with the entries that differ. */
function expected(replica: ReplicaId, one: VerifiedRun, two: VerifiedRun) {
  const [a, b] = [one.hashes[0], two.hashes[0]];
  if (a === undefined || b === undefined) throw new Error("a run is never empty");
  const [stays, goes] = staysInLog(a, b) ? [one, two] : [two, one];
  const [hash] = goes.hashes;
  if (hash === undefined) throw new Error("a run is never empty");
  return { stays, goes, branch: branchIdOf(suite, { signer: replica, hash }) };
}

/** As a version greets that knows of no branches. */
const oldGreeting = () =>
  encodeFrame({
    type: "greet",
    versionMin: 1,
    versionMax: 1,
    party: "device",
    durable: true,
    nonce: new Uint8Array(16).fill(1),
    capabilities: 0,
  });

/** All compare again and again, a while apart. */
const until = async (parties: readonly TestParty[]): Promise<void> => {
  for (let round = 0; round < 8; round++) {
    await settle();
    for (const party of parties) {
      for (const session of [...party.exchange.sessions]) {
        session.compare();
        session.connection.tick();
      }
    }
    for (const env of new Set(parties.map((party) => party.env as ReturnType<typeof newEnv>))) {
      env.advance(11_000);
    }
  }
  await settle();
};

const firstHash = ({ hashes: [hash] }: VerifiedRun): Uint8Array => {
  if (hash === undefined) throw new Error("a run is never empty");
  return hash;
};

/** Runs of both, of so many entries; that of the first one stays in the log. */
async function smaller(
  one: Author,
  two: Author,
  count: number,
): Promise<[VerifiedRun, VerifiedRun]> {
  const [a, b] = [await one.write(count), await two.write(count)];
  return staysInLog(firstHash(a), firstHash(b)) ? [a, b] : [b, a];
}

/** A run of so many entries that would take the place of `other` in the log. */
async function smallerThan(
  author: Author,
  other: VerifiedRun,
  count: number,
  bodyBytes?: number,
): Promise<VerifiedRun> {
  const { seq, hash } = author;
  for (;;) {
    [author.seq, author.hash] = [seq, hash];
    const run = await author.write(count, bodyBytes);
    if (staysInLog(firstHash(run), firstHash(other))) return run;
  }
}

/** The same entries as one run. */
function joined(...runs: readonly VerifiedRun[]): VerifiedRun {
  const [first, last] = [runs[0], runs.at(-1)];
  if (first === undefined || last === undefined) throw new Error("nothing to join");
  return {
    ...first,
    signature: last.signature,
    entries: runs.flatMap(({ entries }) => entries),
    hashes: runs.flatMap(({ hashes }) => hashes),
  };
}

/** Holds `run` as one of the branch that begins with `first`; its id. */
async function holdBranch(
  party: TestParty,
  run: VerifiedRun,
  signer: ReplicaId,
  first = run,
): Promise<ReplicaId> {
  const branch = { signer, seq: first.first, hash: firstHash(first) };
  const replica = branchIdOf(suite, branch);
  await ownAppend(party, { ...run, replica, branch });
  return replica;
}

/** Of a log nothing is held up to the end of `run`. */
async function beginAt(
  party: TestParty,
  { pair: { publicKey }, replica }: Author,
  run: VerifiedRun,
): Promise<void> {
  const hash = run.hashes.at(-1) ?? run.previous;
  const seq = run.first + run.entries.length - 1;
  const [begun] = await party.store.begin(tag, [{ replica, publicKey, seq, hash }]);
  if (begun?.kind !== "begun") throw new Error("another log is held");
  party.exchange.began(begun.head);
}

/** A disk takes a while. */
class SlowStore extends MemoryLogStore {
  override async append(...of: Parameters<MemoryLogStore["append"]>) {
    for (let turn = 0; turn < 6; turn++) await new Promise((done) => setImmediate(done));
    return super.append(...of);
  }
}

/** Time passes, less than after which who hears nothing compares. */
const halfAMinute = async (
  env: ReturnType<typeof newEnv>,
  parties: readonly TestParty[],
): Promise<void> => {
  for (let second = 0; second < 30; second++) {
    await settle();
    for (const party of parties) {
      for (const session of [...party.exchange.sessions]) session.connection.tick();
    }
    env.advance(1_000);
  }
  await settle();
};

describe("forks heal:", () => {
  it.each([
    [3, 3],
    [3, 4],
    [4, 3],
  ])("nobody waits for a silence to find one: %i entries against %i", async (atRelay, ofOther) => {
    for (const isLonger of [false, true]) {
      for (let round = 0; round < 4; round++) {
        const env = newEnv();
        const { one, two, runs, replica } = await copies([2]);
        const relay = new TestParty("relay", env);
        const a = new TestParty("device", env, [replica]);
        const b = new TestParty("device", env, [replica]);
        for (const party of [a, b]) await holdAll(party, runs);
        await ownAppend(a, await one.write(atRelay));
        await ownAppend(b, await two.write(ofOther));
        a.connect(relay);
        await settle();
        b.connect(relay);
        // Written when the lists have been compared, or not quite.
        if (isLonger) await ownAppend(b, await two.write(1));
        await halfAMinute(env, [a, b, relay]);
        for (const party of [a, b]) expect(held(party)).toEqual(held(relay));
        expect(held(relay).length).toBe(2);
        expect([...a.endings, ...b.endings, ...relay.endings]).toEqual([]);
      }
    }
  });

  it("two copies of a device and their relay end with both branches as logs", async () => {
    for (let round = 0; round < 4; round++) {
      const env = newEnv();
      const { one, two, runs, replica } = await copies([2, 3]);
      const relay = new TestParty("relay", env);
      const a = new TestParty("device", env, [replica]);
      const b = new TestParty("device", env, [replica]);
      for (const party of [a, b]) await holdAll(party, runs);
      const [ours, theirs] = [await one.write(3), await two.write(4)];
      await ownAppend(a, ours);
      await ownAppend(b, theirs);
      a.connect(relay);
      await settle();
      b.connect(relay);
      await until([a, b, relay]);
      const { stays, goes, branch } = expected(replica, ours, theirs);
      for (const party of [relay, a, b]) {
        const { holdings } = party.exchange;
        expect(holdings.head(replica)?.hash).toEqual(stays.hashes.at(-1));
        expect(holdings.head(branch)?.hash).toEqual(goes.hashes.at(-1));
        expect(holdings.head(branch)?.branch).toMatchObject({ signer: replica, seq: 6 });
      }
      expect([...a.endings, ...b.endings, ...relay.endings]).toEqual([]);
      for (const party of [a, b, relay]) {
        expect(party.session?.equal).toBe(true);
        const [run] = [await party.store.read(tag, branch, 6, 10_000)];
        expect(run?.entries).toHaveLength(goes.entries.length);
      }
    }
  });

  it("whoever holds one branch takes its log apart, and passes both on", async () => {
    const env = newEnv();
    const { one, two, runs, replica } = await copies([4]);
    const [left, right] = [new TestParty("relay", env), new TestParty("relay", env)];
    const device = new TestParty("device", env);
    const [ours, theirs] = [await one.write(2), await two.write(2)];
    await holdAll(left, [...runs, ours]);
    await holdAll(right, [...runs, theirs]);
    device.connect(left);
    await settle();
    device.connect(right);
    await until([device, left, right]);
    const { branch } = expected(replica, ours, theirs);
    expect(held(left)).toEqual(held(device));
    expect(held(right)).toEqual(held(device));
    expect(device.exchange.holdings.to(branch)).toBe(6);
    const late = new TestParty("device", env);
    late.connect(right);
    await until([late, right]);
    expect(held(late)).toEqual(held(device));
  });

  it("a branch goes on growing, and so does the log", async () => {
    const env = newEnv();
    const { one, two, runs, replica } = await copies([2]);
    const relay = new TestParty("relay", env);
    const device = new TestParty("device", env);
    const [ours, theirs] = [await one.write(1), await two.write(1)];
    const [more, moreTheirs] = [await one.write(70), await two.write(80)];
    await holdAll(relay, [...runs, ours, more]);
    device.connect(relay);
    await settle();
    const late = new TestParty("relay", env);
    await holdAll(late, [...runs, theirs, moreTheirs]);
    device.connect(late);
    await until([device, relay, late]);
    expect(held(relay)).toEqual(held(device));
    expect(held(late)).toEqual(held(device));
    const { stays, branch } = expected(replica, ours, theirs);
    expect(device.exchange.holdings.to(branch)).toBe(stays === ours ? 83 : 73);
    // Who writes on a branch still, writes on it for everybody.
    const [writer, copy] = stays === ours ? [two, late] : [one, relay];
    const run = await writer.write(2);
    const signed = copy.exchange.holdings.head(branch)?.branch;
    if (signed === undefined) throw new Error("no branch is held");
    await ownAppend(copy, { ...run, replica: branch, branch: signed });
    await until([device, relay, late]);
    expect(held(relay)).toEqual(held(device));
    expect(device.exchange.holdings.to(branch)).toBe(stays === ours ? 85 : 75);
  });

  it("three copies end with two branches, in whatever order they meet", async () => {
    for (let round = 0; round < 6; round++) {
      const env = newEnv();
      const { one, two, runs, replica } = await copies([3]);
      const three = new Author(one.pair);
      [three.seq, three.hash] = [one.seq, one.hash];
      const authors = [one, two, three];
      const relays: TestParty[] = [];
      for (const [index, author] of authors.entries()) {
        const relay = new TestParty("relay", env);
        // One of them left a little later.
        const common = index === round % 3 ? runs : [...runs, await author.write(1)];
        await holdAll(relay, [...common, await author.write(2 + index)]);
        relays.push(relay);
      }
      const device = new TestParty("device", env);
      for (const relay of relays) {
        device.connect(relay);
        await until([device, ...relays]);
      }
      await until([device, ...relays]);
      for (const relay of relays) expect(held(relay)).toEqual(held(device));
      expect(held(device)).toHaveLength(3);
      const { logs } = device.exchange.holdings;
      expect([...logs.values()].filter(({ branch }) => branch?.signer === replica)).toHaveLength(2);
      expect([device, ...relays].flatMap(({ endings }) => endings)).toEqual([]);
    }
  });

  it("far back, past what two have in common", async () => {
    const env = newEnv();
    const { one, two, runs, replica } = await copies([50, 1, 1, 200]);
    const [relay, device] = [new TestParty("relay", env), new TestParty("device", env)];
    const [ours, theirs] = [await one.write(1), await two.write(1)];
    await holdAll(relay, [...runs, ours, await one.write(700), await one.write(300)]);
    await holdAll(device, [...runs, theirs, await two.write(900)]);
    device.connect(relay);
    await until([device, relay]);
    expect(held(relay)).toEqual(held(device));
    const { branch } = expected(replica, ours, theirs);
    expect(relay.exchange.holdings.head(branch)?.branch?.seq).toBe(253);
    expect([...device.endings, ...relay.endings]).toEqual([]);
  });

  it("nothing is taken apart on another's word alone", async () => {
    const env = newEnv();
    const { one, runs, replica } = await copies([3]);
    const [relay, liar] = [new TestParty("relay", env), new TestParty("device", env, [replica])];
    await holdAll(relay, [...runs, await one.write(2)]);
    await holdAll(liar, runs);
    const { theirs } = liar.connect(relay);
    await settle();
    const hash = new Uint8Array(32);
    for (const session of liar.exchange.sessions) {
      for (let seq = 1; seq < 5; seq++) {
        liar.session?.connection.send({
          type: "fork",
          space: session.mySpace,
          replica,
          seq,
          hash,
        });
      }
    }
    await until([relay, liar]);
    expect(relay.splits).toEqual([]);
    expect(theirs.ended).toBe(false);
    expect(relay.exchange.holdings.to(replica)).toBe(5);
    expect(held(liar)).toEqual(held(relay));
  });

  it("a branch that nobody has left is not taken for one", async () => {
    const env = newEnv();
    const { one, runs, replica } = await copies([3]);
    const run = await one.write(2);
    const [relay, liar] = [new TestParty("relay", env), new TestParty("device", env)];
    await holdAll(relay, [...runs, run]);
    const [hash] = run.hashes;
    if (hash === undefined) throw new Error("a run is never empty");
    const branch = { signer: replica, seq: 4, hash };
    const into = branchIdOf(suite, branch);
    const before = held(relay);
    const [whole] = runs;
    if (whole === undefined) throw new Error("no run is in common");
    await liar.store.append(tag, [whole, { ...run, replica: into, branch }]);
    for (const head of await liar.store.heads(tag)) liar.exchange.ownHeld(head);
    liar.connect(relay);
    await until([relay, liar]);
    expect(held(relay)).toEqual(before);
    expect(relay.endings).toEqual([]);
  });

  it("whoever cannot take logs apart is told of no branch, and gets on with the rest", async () => {
    const env = newEnv();
    const { one, two, runs, replica } = await copies([2]);
    const relay = new TestParty("relay", env);
    const old = new TestParty("device", env, [replica], new MemoryLogStore(), { heals: false });
    const other = await Author.make();
    await holdAll(relay, [...runs, await one.write(2), await other.write(3)]);
    await holdAll(old, [...runs, await two.write(2)]);
    old.connect(relay);
    await until([relay, old]);
    expect(old.exchange.holdings.to(other.replica)).toBe(3);
    expect([...old.endings, ...relay.endings]).toEqual([]);
    expect(old.splits).toEqual([]);
  });

  it("says a branch only to those who understand it", async () => {
    const env = newEnv();
    const { one, two, runs, replica } = await copies([2]);
    const relay = new TestParty("relay", env);
    const old = new TestParty("device", env);
    const [ours, theirs] = [await one.write(2), await two.write(2)];
    const { goes, stays, branch } = expected(replica, ours, theirs);
    await holdAll(relay, [...runs, goes]);
    const [hash] = goes.hashes;
    if (hash === undefined) throw new Error("a run is never empty");
    const split = await relay.store.split(tag, {
      replica,
      branch: { signer: replica, seq: 3, hash },
      into: branch,
    });
    if (split.kind !== "split") throw new Error("it was not taken apart");
    relay.exchange.tookApart(replica, split);
    await ownAppend(relay, stays);
    const kinds: string[] = [];
    relay.tap = (bytes) => {
      const frame = decodeFrame(bytes);
      if (!isMalformed(frame)) kinds.push(frame.type);
      return true;
    };
    old.tap = (bytes) => {
      const frame = decodeFrame(bytes);
      if (isMalformed(frame) || frame.type !== "greet") return true;
      return false;
    };
    const { theirs: atRelay } = old.connect(relay);
    atRelay.receive(oldGreeting());
    await until([relay, old]);
    expect(kinds).toContain("heads");
    expect(kinds).not.toContain("branch");
    expect(old.exchange.holdings.to(replica)).toBe(4);
    expect(old.exchange.holdings.to(branch)).toBe(0);
  });

  it("one branch that is taken in under two ids at once becomes one log", async () => {
    for (const lag of [0, 1, 2]) {
      const env = newEnv();
      const { one, two, runs, replica } = await copies([5]);
      const [stays, goes] = await smaller(one, two, 3);
      const healed = new TestParty("relay", env);
      await holdAll(healed, [...runs, stays]);
      const branch = await holdBranch(healed, goes, replica);
      const other = new TestParty("relay", env);
      await holdAll(other, [...runs, goes]);
      const late = new TestParty("device", env, [], new SlowStore());
      late.connect(healed, lag);
      late.connect(other);
      await until([late, healed, other]);
      await until([late, healed, other]);
      for (const party of [late, healed, other]) {
        expect(party.exchange.holdings.head(replica)?.hash).toEqual(stays.hashes.at(-1));
        expect(party.exchange.holdings.head(branch)?.hash).toEqual(goes.hashes.at(-1));
      }
    }
  });

  it("a relay that missed the word of another on its store takes what the store says", async () => {
    const env = newEnv();
    const { one, two, runs, replica } = await copies([5]);
    const [stays, goes] = await smaller(one, two, 4);
    const store = new MemoryLogStore();
    const [first, deaf] = [
      new TestParty("relay", env, [], store),
      new TestParty("relay", env, [], store),
    ];
    await store.append(tag, [...runs, goes]);
    for (const head of await store.heads(tag)) {
      first.exchange.ownHeld(head);
      deaf.exchange.ownHeld(head);
    }
    const device = new TestParty("device", env, [replica]);
    await holdAll(device, [...runs, stays]);
    const { cut } = device.connect(first);
    await until([device, first]);
    cut();
    device.connect(deaf);
    const author = stays.hashes.at(-1) === one.hash ? one : two;
    const more = await author.write(1);
    await ownAppend(device, more);
    await until([device, deaf]);
    await until([device, deaf]);
    const [newest] = more.hashes;
    expect(deaf.exchange.holdings.head(replica)?.hash).toEqual(newest);
    expect((await store.heads(tag)).find((head) => head.replica === replica)?.to).toBe(10);
    expect([...device.endings.slice(1), ...deaf.endings]).toEqual([]);
  });

  it("where the other party's log begins above", async () => {
    const env = newEnv();
    const { one, two, runs, replica } = await copies([50, 50, 50, 50]);
    const [stays, goes] = await smaller(one, two, 150);
    const relay = new TestParty("relay", env);
    const device = new TestParty("device", env, [replica]);
    await holdAll(relay, [...runs, stays]);
    await holdAll(device, [...runs, goes]);
    const { publicKey } = one.pair;
    const hash = runs[2]?.hashes.at(-1) ?? new Uint8Array(32);
    const [begun] = await relay.store.begin(tag, [{ replica, publicKey, seq: 150, hash }]);
    if (begun?.kind !== "begun") throw new Error("the relay holds another log");
    relay.exchange.began(begun.head);
    device.connect(relay);
    await until([device, relay]);
    await until([device, relay]);
    expect(held(relay)).toEqual(held(device));
    expect(held(device)).toHaveLength(2);
  });

  it("what shows a branch can be sent, however large what both have in common is", async () => {
    const env = newEnv();
    const { one, two } = await copies([]);
    const common = await one.write(5, 35_000);
    [two.seq, two.hash] = [one.seq, one.hash];
    const ours = await one.write(1);
    const theirs = await smallerThan(two, ours, 6, 30_000);
    const left = new TestParty("relay", env);
    const right = new TestParty("device", env, [one.replica]);
    await holdAll(left, [joined(common, ours)]);
    await holdAll(right, [common, theirs]);
    right.connect(left);
    await until([left, right]);
    const newcomer = new TestParty("device", env);
    newcomer.connect(left);
    await until([left, right, newcomer]);
    expect(held(newcomer)).toHaveLength(2);
    expect(held(newcomer)).toEqual(held(left));
    expect(held(left)).toEqual(held(right));
  });

  it("a second word of it sets nothing aside that is as it was", async () => {
    const env = newEnv();
    const author = await Author.make();
    const [relay, device] = [
      new TestParty("relay", env),
      new TestParty("device", env, [author.replica]),
    ];
    await ownAppend(device, await author.write(3));
    device.connect(relay);
    await settle();
    relay.exchange.splitElsewhere(author.replica);
    await settle();
    await ownAppend(device, await author.write(1));
    await settle();
    expect(relay.exchange.holdings.to(author.replica)).toBe(4);
  });

  it("a search ends though the log it is about becomes another one meanwhile", async () => {
    const { one, two, runs, replica } = await copies(Array.from({ length: 14 }, () => 1));
    const [theirs, ours] = [[...runs], [...runs]];
    for (let count = 14; count < 200; count++) theirs.push(await one.write(1));
    for (let count = 14; count < 20; count++) ours.push(await two.write(1));
    const { publicKey } = one.pair;
    const holdings = new Holdings([], []);
    let hashes: Uint8Array[] = [];
    const hold = (held: readonly VerifiedRun[]): void => {
      hashes = held.map(firstHash);
      const hash = hashes.at(-1) ?? new Uint8Array(32);
      holdings.setHead({ replica, publicKey, from: 1, to: hashes.length, hash });
    };
    hold(ours);
    const asked: number[] = [];
    const outcomes: string[] = [];
    const suspect: Suspect = {
      holdsFrom: () => 1,
      holdsTo: () => 200,
      mayLend: () => true,
      isLending: () => false,
      lend: (_, first) => void asked.push(first),
    };
    const forks = new Forks({
      ...{ suite, space: tag, holdings },
      hashes: async (_, first, last) => hashes.slice(first - 1, last),
      stale: () => outcomes.push("stale"),
      common: () => outcomes.push("common"),
      split: () => outcomes.push("split"),
    });
    forks.suspect(suspect, replica);
    for (let turn = 0; turn < 60 && asked.length > turn; turn++) {
      const first = asked[turn] ?? 0;
      // Taken apart meanwhile, by another relay on the same store.
      if (turn === 1) hold(theirs.slice(0, 180));
      const run = joined(...theirs.slice(first - 1, first - 1 + 22));
      await forks.look(suspect, publicKey, run);
    }
    expect(outcomes).toEqual(["common"]);
  });

  it("a branch that has left the log beneath where that begins here", async () => {
    const env = newEnv();
    const { one, two, runs, replica } = await copies([3]);
    const [stays, goes] = await smaller(one, two, 900);
    const writer = stays.hashes.at(-1) === one.hash ? one : two;
    const [beneath, more] = [await writer.write(900), await writer.write(2)];
    const [relay, device] = [new TestParty("relay", env), new TestParty("device", env)];
    await holdAll(relay, [...runs, stays, beneath, more]);
    const branch = await holdBranch(relay, goes, replica);
    await beginAt(device, writer, beneath);
    await holdAll(device, [more]);
    device.connect(relay);
    await until([device, relay]);
    expect(held(device)).toEqual(held(relay));
    expect(device.exchange.holdings.head(branch)).toMatchObject({ from: 4, to: 903 });
    expect([...device.endings, ...relay.endings]).toEqual([]);
  });

  it.each(["entries of the log itself", "shown by another log"])(
    "nothing beneath where a log begins is taken for a branch that is not shown: %s",
    async (what) => {
      const env = newEnv();
      const { one, two, runs, replica } = await copies([3]);
      const three = new Author(one.pair);
      [three.seq, three.hash] = [one.seq, one.hash];
      const own = await three.write(4);
      const [stays, goes] = await smaller(one, two, 4);
      const [log, listed] = what === "shown by another log" ? [stays, goes] : [own, own];
      const [liar, device] = [new TestParty("device", env), new TestParty("relay", env)];
      await holdAll(liar, [...runs, log]);
      await holdBranch(liar, listed, replica);
      await beginAt(device, three, own);
      const before = held(device);
      liar.connect(device);
      await until([device, liar]);
      expect(held(device)).toEqual(before);
      expect(device.endings).toEqual([]);
    },
  );

  it("a branch that has forked above is not left without an entry of its own", async () => {
    const env = newEnv();
    const { one, two, runs, replica } = await copies([3, 2]);
    const [stays, goes] = await smaller(one, two, 2);
    const writer = goes.hashes.at(-1) === one.hash ? one : two;
    const copy = new Author(writer.pair);
    [copy.seq, copy.hash] = [writer.seq, writer.hash];
    const [keeps, leaves] = await smaller(copy, writer, 17);
    const [left, right] = [new TestParty("relay", env), new TestParty("relay", env)];
    await holdAll(left, [...runs, stays]);
    // As one run: the branch could be cut only below its own first entry.
    const [, common] = runs;
    if (common === undefined) throw new Error("nothing is in common");
    await holdBranch(left, joined(common, goes, leaves), replica, goes);
    await holdAll(right, [...runs, stays]);
    await holdBranch(right, goes, replica);
    await holdBranch(right, keeps, replica, goes);
    const device = new TestParty("device", env);
    device.connect(left);
    await until([device, left]);
    device.connect(right);
    await until([device, left, right]);
    await until([device, left, right]);
    expect(held(left)).toEqual(held(device));
    expect(held(right)).toEqual(held(device));
    expect(held(device)).toHaveLength(3);
    expect([device, left, right].flatMap(({ endings }) => endings)).toEqual([]);
  });

  it("what is signed for a branch's id and is none of it costs nobody else their session", async () => {
    const env = newEnv();
    const { one, two, runs, replica } = await copies([3]);
    const evil = new Author(one.pair);
    [evil.seq, evil.hash] = [one.seq, one.hash];
    const common = await one.write(2);
    [two.seq, two.hash] = [one.seq, one.hash];
    const [stays, goes] = await smaller(one, two, 3);
    const bad = await smallerThan(evil, common, 5);
    const relay = new TestParty("relay", env);
    await holdAll(relay, [...runs, common, stays]);
    const branch = await holdBranch(relay, joined(common, goes), replica, goes);
    const before = held(relay);
    const member = new TestParty("device", env, [branch]);
    await holdAll(member, [...runs, common, stays]);
    await holdBranch(member, bad, replica, goes);
    member.connect(relay);
    await until([member, relay]);
    expect(held(relay)).toEqual(before);
    const newcomer = new TestParty("device", env);
    const other = await Author.make();
    await ownAppend(relay, await other.write(2));
    newcomer.connect(relay);
    await until([newcomer, relay]);
    expect(held(newcomer)).toEqual(held(relay));
    expect(newcomer.endings).toEqual([]);
  });

  it("of one key at most so many branches are taken", async () => {
    const env = newEnv();
    const { one, runs, replica } = await copies([2]);
    const relay = new TestParty("relay", env);
    const member = new TestParty("device", env);
    const all: VerifiedRun[] = [];
    for (let count = 0; count < 26; count++) {
      const author = new Author(one.pair);
      [author.seq, author.hash] = [one.seq, one.hash];
      all.push(await author.write(1));
    }
    all.sort((a, b) => compareBytes(firstHash(a), firstHash(b)));
    const [stays, ...branches] = all;
    if (stays === undefined) throw new Error("26 branches");
    await holdAll(relay, [...runs, stays]);
    await holdAll(member, [...runs, stays]);
    for (const run of branches) await holdBranch(member, run, replica);
    member.connect(relay);
    await until([member, relay]);
    expect(held(relay)).toHaveLength(1 + limits.branchesMax);
    expect([...relay.endings, ...member.endings]).toEqual([]);
  });
});
