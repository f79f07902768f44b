import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DocumentId, MemberId, ReplicaId } from "../id/id.ts";
import { type LedgerOwner, type LedgerState, ReceiptLedger } from "./ledger.ts";
import { type Inquiry, type Level, levels, type Roster } from "./receipt.ts";
import { checkpointsMax, extendTrail, knownByMs, reachedBy, type Trail } from "./trail.ts";

const member = (letter: string) => letter.repeat(32) as MemberId;
const replica = (name: string) => name.padEnd(32, "0") as ReplicaId;
const [me, ben, cleo] = [member("a"), member("b"), member("c")];
const [self, myPhone] = [replica("a1"), replica("a2")];
/** Where this device's own entries go on after its log has forked. */
const branch = replica("a3");
const [bens, bensPhone, cleos] = [replica("b1"), replica("b2"), replica("c1")];
const general = "11".repeat(8) as DocumentId;
const random = "22".repeat(8) as DocumentId;

const devices = new Map<MemberId, readonly ReplicaId[]>([
  [me, [self, myPhone]],
  [ben, [bens, bensPhone]],
  [cleo, [cleos]],
]);
const signerOf = (log: ReplicaId): ReplicaId => (log === branch ? self : log);
const roster: Roster = { me, self, signerOf, replicasOf: (whom) => devices.get(whom) ?? [] };
const owner: LedgerOwner = {
  log: () => self,
  head: () => 100,
  signerOf,
  isMine: (whose) => whose === self || whose === branch || whose === myPhone,
};
const ledgerOf = (state?: LedgerState) => new ReceiptLedger(owner, state);
const message = (seq: number, more: Partial<Inquiry> = {}): Inquiry => ({
  document: general,
  author: self,
  seq,
  durable: true,
  audience: [me, ben, cleo],
  ...more,
});
const upTo = (seq: number, whose = self) => new Map([[whose, seq]]);

describe("a receipt", () => {
  it("is saving until the entry is committed, then waiting", () => {
    const ledger = ledgerOf();
    expect(ledger.receipt(roster, message(1, { durable: false })).level).toBe("saving");
    expect(ledger.receipt(roster, message(1))).toEqual({
      level: "waiting",
      delivered: 0,
      read: 0,
      of: 2,
      otherDevices: 0,
    });
  });

  it("is sent when a relay has stored the entry, and what came before it", () => {
    const ledger = ledgerOf();
    ledger.noteStored(self, 5, 1_000);
    expect(ledger.receipt(roster, message(5)).level).toBe("sent");
    expect(ledger.receipt(roster, message(4)).level).toBe("sent");
    expect(ledger.receipt(roster, message(6)).level).toBe("waiting");
  });

  it("counts members, by the best of their devices", () => {
    const ledger = ledgerOf();
    ledger.noteClock(bensPhone, upTo(3), 1_000);
    expect(ledger.receipt(roster, message(3))).toMatchObject({
      level: "sent",
      delivered: 1,
      of: 2,
    });
    ledger.noteMark(general, bens, upTo(3), 2_000);
    const receipt = ledger.receipt(roster, message(3));
    expect(receipt).toMatchObject({ level: "sent", delivered: 1, read: 1, otherDevices: 2 });
  });

  it("is delivered, then read, when that is true of everyone", () => {
    const ledger = ledgerOf();
    ledger.noteClock(bens, upTo(3), 1_000);
    ledger.noteMark(general, cleos, upTo(3), 2_000);
    expect(ledger.receipt(roster, message(3))).toMatchObject({ level: "delivered", read: 1 });
    ledger.noteMark(general, bensPhone, upTo(4), 3_000);
    expect(ledger.receipt(roster, message(3))).toMatchObject({ level: "read", read: 2 });
  });

  it("takes no read mark of another document for this one", () => {
    const ledger = ledgerOf();
    ledger.noteMark(random, bens, upTo(3), 1_000);
    expect(ledger.receipt(roster, message(3))).toMatchObject({ read: 0, delivered: 0 });
  });

  it("is sent, and nobody's receipt, when another device of mine has it", () => {
    const ledger = ledgerOf();
    ledger.noteClock(myPhone, upTo(3), 1_000);
    const receipt = ledger.receipt(roster, message(3));
    expect(receipt).toEqual({ level: "sent", delivered: 0, read: 0, of: 2, otherDevices: 1 });
  });

  it("never takes this device for another party", () => {
    const ledger = ledgerOf();
    ledger.noteClock(self, upTo(3), 1_000);
    ledger.noteMark(general, self, upTo(3), 1_000);
    expect(ledger.receipt(roster, message(3)).level).toBe("waiting");
  });

  it("is sent from the start where another device of mine wrote it", () => {
    const written = message(2, { author: myPhone });
    expect(ledgerOf().receipt(roster, written).level).toBe("sent");
    expect(ledgerOf().receipt(roster, { ...written, durable: false }).level).toBe("saving");
  });

  it("is not delivered to everyone where there is nobody else", () => {
    const ledger = ledgerOf();
    ledger.noteStored(self, 1, 1_000);
    expect(ledger.receipt(roster, message(1, { audience: [me] }))).toMatchObject({
      level: "sent",
      of: 0,
    });
  });

  it("leaves out who left, whatever they had", () => {
    const ledger = ledgerOf();
    ledger.noteClock(bens, upTo(1), 1_000);
    expect(ledger.receipt(roster, message(1, { audience: [me, ben] })).level).toBe("delivered");
    expect(ledger.receipt(roster, message(1, { audience: [me, cleo] }))).toMatchObject({
      delivered: 0,
      of: 1,
    });
  });

  it("does not believe a device that claims what is not written yet", () => {
    const head = { seq: 3 };
    const ledger = new ReceiptLedger({ ...owner, head: () => head.seq });
    ledger.noteClock(bens, upTo(1_000), 1_000);
    ledger.noteMark(general, bens, upTo(1_000), 1_000);
    ledger.noteStored(self, 1_000, 1_000);
    head.seq = 4;
    expect(ledger.receipt(roster, message(3)).level).toBe("sent");
    expect(ledger.receipt(roster, message(4))).toMatchObject({ level: "waiting", delivered: 0 });
  });

  it("keeps nothing about the logs of others", () => {
    const ledger = ledgerOf();
    const before = ledger.state;
    ledger.noteStored(bens, 3, 1_000);
    ledger.noteClock(cleos, upTo(3, bens), 1_000);
    expect(ledger.revision).toBe(0);
    expect(ledger.state).toEqual(before);
  });
});

describe("a tick", () => {
  it("does not go back when a relay lost its store or a device its clock", () => {
    const ledger = ledgerOf();
    ledger.noteStored(self, 5, 1_000);
    ledger.noteClock(bens, upTo(5), 1_000);
    ledger.noteClock(cleos, upTo(5), 1_000);
    expect(ledger.receipt(roster, message(5)).level).toBe("delivered");
    ledger.noteStored(self, 0, 2_000);
    ledger.noteClock(bens, upTo(2), 2_000);
    ledger.noteClock(cleos, new Map(), 2_000);
    expect(ledger.receipt(roster, message(5)).level).toBe("delivered");
  });

  it("does not go back when one more member turns out to have been there", () => {
    const ledger = ledgerOf();
    ledger.noteClock(bens, upTo(5), 1_000);
    const smaller = message(5, { audience: [me, ben] });
    expect(ledger.receipt(roster, smaller).level).toBe("delivered");
    expect(ledger.receipt(roster, message(5))).toMatchObject({
      level: "delivered",
      delivered: 1,
      of: 2,
    });
    // What was written later was never shown as delivered to everyone.
    expect(ledger.receipt(roster, message(6)).level).toBe("waiting");
  });

  it("outlives a restart", () => {
    const before = ledgerOf();
    before.noteStored(self, 7, 1_000);
    before.noteClock(bens, upTo(5), 1_000);
    before.noteMark(general, bens, upTo(5), 1_000);
    before.receipt(roster, message(5, { audience: [me, ben] }));
    const taken = before.state;
    const saved = structuredClone(taken);
    before.noteClock(bens, upTo(9), 2_000);
    before.noteMark(general, bens, upTo(9), 2_000);
    expect(taken).toEqual(saved);
    const after = ledgerOf(saved);
    expect(after.state).toEqual(saved);
    expect(after.receipt(roster, message(7)).level).toBe("sent");
    expect(after.receipt(roster, message(5)).level).toBe("read");
    expect(after.receipt(roster, message(6)).level).toBe("sent");
  });

  it("says when there is something to save", () => {
    const ledger = ledgerOf();
    ledger.noteClock(bens, upTo(5), 1_000);
    const { revision } = ledger;
    ledger.noteClock(bens, upTo(5), 2_000);
    expect(ledger.revision).toBe(revision);
    ledger.receipt(roster, message(5, { audience: [ben] }));
    expect(ledger.revision).toBeGreaterThan(revision);
  });
});

describe("message info", () => {
  it("tells per member and device how far it came, and by when that was known", () => {
    const ledger = ledgerOf();
    ledger.noteClock(myPhone, upTo(3), 500);
    ledger.noteStored(self, 9, 1_000);
    ledger.noteClock(bens, upTo(2), 2_000);
    ledger.noteClock(bens, upTo(4), 3_000);
    ledger.noteClock(bensPhone, upTo(4), 2_500);
    ledger.noteMark(general, bensPhone, upTo(3), 4_000);
    expect(ledger.info(roster, message(3))).toEqual({
      members: [
        {
          member: ben,
          reach: "read",
          byMs: 4_000,
          devices: [
            { replica: bens, reach: "delivered" },
            { replica: bensPhone, reach: "read" },
          ],
        },
        {
          member: cleo,
          reach: "waiting",
          byMs: undefined,
          devices: [{ replica: cleos, reach: "waiting" }],
        },
      ],
      myOtherDevices: [{ replica: myPhone, reach: "delivered" }],
      sentByMs: 500,
    });
    expect(ledger.info(roster, message(4)).members[0]).toMatchObject({
      reach: "delivered",
      byMs: 2_500,
    });
  });
});

describe("a trail", () => {
  const step = fc.record({ seq: fc.nat(300), atMs: fc.nat(10_000) });

  it("stays small, never goes back, and never names an earlier time than was true", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let trail: Trail = [];
        const learned = new Map<number, number>();
        let reached = 0;
        let now = 0;
        for (const { seq, atMs } of steps) {
          now += atMs;
          trail = extendTrail(trail, seq, now);
          for (let each = reached + 1; each <= seq; each++) learned.set(each, now);
          reached = Math.max(reached, seq);
          expect(reachedBy(trail)).toBe(reached);
          expect(trail.length).toBeLessThanOrEqual(checkpointsMax);
        }
        const tooEarly = [...learned].filter(([seq, at]) => (knownByMs(trail, seq) ?? -1) < at);
        expect(tooEarly).toEqual([]);
        expect(knownByMs(trail, reached + 1)).toBeUndefined();
      }),
    );
  });

  it("keeps the newest checkpoints exact", () => {
    let trail: Trail = [];
    for (let seq = 1; seq <= 100; seq++) trail = extendTrail(trail, seq, seq * 10);
    for (let seq = 95; seq <= 100; seq++) expect(knownByMs(trail, seq)).toBe(seq * 10);
    expect(knownByMs(trail, 1)).toBeGreaterThanOrEqual(10);
  });
});

// Random evidence

type Event =
  | { kind: "stored"; seq: number }
  | { kind: "clock"; by: ReplicaId; seq: number; author: ReplicaId }
  | { kind: "mark"; by: ReplicaId; seq: number; author: ReplicaId }
  | { kind: "late"; who: MemberId }
  | { kind: "left"; who: MemberId }
  | { kind: "restart" };

const seq = fc.nat(12);
const anybody = fc.constantFrom(...[...devices.values()].flat());
const author = fc.constantFrom(self, self, myPhone);
const other = fc.constantFrom(ben, cleo);
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("stored" as const), seq }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("clock" as const), by: anybody, seq, author }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("mark" as const), by: anybody, seq, author }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("late" as const), who: other }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("left" as const), who: other }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
);

const rank = (level: Level) => levels.indexOf(level);

describe("under any evidence, in any order, lost, repeated and taken back", () => {
  it("ticks never go back, and read ≤ delivered ≤ of", () => {
    let highest = 0;
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        let ledger = ledgerOf();
        let audience = [me, ben];
        const shown = new Map<string, number>();
        let now = 0;
        for (const each of events) {
          now += 1_000;
          if (each.kind === "stored") ledger.noteStored(self, each.seq, now);
          if (each.kind === "clock") ledger.noteClock(each.by, upTo(each.seq, each.author), now);
          if (each.kind === "mark") {
            ledger.noteMark(general, each.by, upTo(each.seq, each.author), now);
          }
          if (each.kind === "late") audience = [...audience, each.who];
          if (each.kind === "left") audience = audience.filter((who) => who !== each.who);
          if (each.kind === "restart") ledger = ledgerOf(structuredClone(ledger.state));
          for (const of of [self, myPhone]) {
            for (let at = 1; at <= 12; at += 3) {
              const inquiry = message(at, { author: of, audience });
              const receipt = ledger.receipt(roster, inquiry);
              const key = `${of} ${at}`;
              const level = rank(receipt.level);
              highest = Math.max(highest, level);
              if (level < (shown.get(key) ?? 0)) throw new Error(`${key} went back to ${level}`);
              shown.set(key, level);
              const { read, delivered, of: known } = receipt;
              if (read > delivered || delivered > known) throw new Error(`${read} ${delivered}`);
              const info = ledger.info(roster, inquiry);
              const reached = info.members.filter(({ reach }) => reach !== "waiting");
              expect([reached.length, known]).toEqual([delivered, info.members.length]);
              expect(reached.every(({ byMs }) => byMs !== undefined)).toBe(true);
            }
          }
        }
      }),
      { numRuns: 100 },
    );
    expect(highest).toBe(rank("read"));
  });

  it("claims nothing that no device said, as long as the audience only grows at its end", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const ledger = ledgerOf();
        const said = new Map<string, number>();
        for (const each of events) {
          if (each.kind !== "clock" && each.kind !== "mark") continue;
          if (each.kind === "clock") ledger.noteClock(each.by, upTo(each.seq, each.author), 1);
          else ledger.noteMark(general, each.by, upTo(each.seq, each.author), 1);
          const key = `${each.by} ${each.author}`;
          said.set(key, Math.max(said.get(key) ?? 0, each.seq));
          for (let at = 1; at <= 12; at++) {
            // Cleo came in with message 6.
            const audience = at < 6 ? [me, ben] : [me, ben, cleo];
            const { level } = ledger.receipt(roster, message(at, { audience }));
            const has = (who: MemberId) =>
              roster.replicasOf(who).some((device) => (said.get(`${device} ${self}`) ?? 0) >= at);
            const everyone = audience.every((who) => who === me || has(who));
            expect([at, rank(level) >= rank("delivered")]).toEqual([at, everyone]);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});
