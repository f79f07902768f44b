import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Rumour, RumourContent } from "../gossip/rumour.ts";
import { rumourCountMax } from "../gossip/rumour.ts";
import type { DocumentId, MemberId, ReplicaId } from "../id/id.ts";
import { memberPresence, presenceByMember, typingIn } from "./member-presence.ts";
import { type OwnPresence, Presence, presenceTimes } from "./presence.ts";

const replica = (name: string) => name.padEnd(32, "0") as ReplicaId;
const [anas, bens, cleos] = [replica("a"), replica("b"), replica("c")];
const general = "11".repeat(8) as DocumentId;
const { expiryMs, renewMs, renewTypingMs, typingMs, gapMs, refuteEveryMs, vouchMs } = presenceTimes;

const here: OwnPresence = { status: "online", where: undefined, typing: false };
/** Signed as far as these tests care: no two devices sign alike. */
const sign = (content: RumourContent): Rumour => ({
  ...content,
  signature: new Uint8Array(64).fill(content.replica.charCodeAt(0)),
});
const rumour = (of: ReplicaId, more: Partial<RumourContent> = {}): Rumour =>
  sign({ replica: of, incarnation: 1, version: 1, ...here, ...more });
const presenceOf = (self: ReplicaId, incarnation = 1) =>
  new Presence({ self, incarnation, replicasMax: 1_000 });

/** What a device says at a time, signed and remembered; undefined if nothing is due. */
function speak(presence: Presence, nowMs: number): Rumour | undefined {
  const content = presence.due(nowMs);
  if (content === undefined) return undefined;
  const said = sign(content);
  presence.said(said);
  return said;
}
const seen = (presence: Presence, whom: ReplicaId, nowMs: number) =>
  presence.devices(nowMs).find((device) => device.replica === whom);

describe("this device's own presence", () => {
  it("is said at once, then with every change, and otherwise every 15 s", () => {
    const presence = presenceOf(anas, 7);
    expect(speak(presence, 0)).toMatchObject({ incarnation: 7, version: 1, status: "online" });
    expect(speak(presence, renewMs - 1)).toBeUndefined();
    expect(speak(presence, renewMs)).toMatchObject({ incarnation: 7, version: 2 });
    presence.set({ ...here, status: "away" });
    expect(speak(presence, renewMs + gapMs)).toMatchObject({ version: 3, status: "away" });
    presence.set({ ...here, status: "away" });
    expect(speak(presence, renewMs + 2 * gapMs)).toBeUndefined();
  });

  it("says changes that follow each other closely as one", () => {
    const presence = presenceOf(anas);
    speak(presence, 0);
    presence.set({ ...here, where: general });
    expect(speak(presence, gapMs - 1)).toBeUndefined();
    expect(presence.wakeAtMs(gapMs - 1)).toBe(gapMs);
    presence.set({ ...here, where: general, typing: true });
    expect(speak(presence, gapMs)).toMatchObject({ version: 2, where: general, typing: true });
  });

  it("is renewed more often while somebody types", () => {
    const presence = presenceOf(anas);
    presence.set({ status: "online", where: general, typing: true });
    speak(presence, 0);
    expect(presence.wakeAtMs(0)).toBe(renewTypingMs);
    expect(speak(presence, renewTypingMs)).toBeDefined();
  });

  it("ends with leaving, and says nothing after that", () => {
    const presence = presenceOf(anas);
    speak(presence, 0);
    presence.set({ ...here, where: general });
    expect(presence.leave(1)).toMatchObject({ version: 2, status: "left", where: undefined });
    presence.hear([rumour(anas, { incarnation: 99 })], bens, 2);
    expect(speak(presence, 100_000)).toBeUndefined();
    expect(presence.wakeAtMs(2)).toBe(Number.POSITIVE_INFINITY);
    expect(seen(presence, anas, 3)?.presence).toBe("offline");
  });
});

describe("others", () => {
  it("are here as their newest rumour says, until it is not renewed", () => {
    const presence = presenceOf(anas);
    presence.hear([rumour(bens, { status: "away", where: general })], bens, 1_000);
    expect(seen(presence, bens, 1_001)).toEqual({
      replica: bens,
      presence: "away",
      where: general,
      typing: false,
      heardAtMs: 1_000,
      via: undefined,
    });
    speak(presence, expiryMs);
    expect(presence.wakeAtMs(expiryMs)).toBe(1_000 + expiryMs);
    expect(seen(presence, bens, 1_000 + expiryMs - 1)?.presence).toBe("away");
    expect(presence.expire(1_000 + expiryMs - 1)).toEqual([]);
    // Also if nobody asked what has expired.
    expect(seen(presence, bens, 1_000 + expiryMs)).toMatchObject({
      presence: "offline",
      where: undefined,
      heardAtMs: 1_000,
    });
    expect(presence.expire(1_000 + expiryMs)).toEqual([bens]);
    expect(presence.expire(1_000 + expiryMs)).toEqual([]);
  });

  it("are gone at once when they say so", () => {
    const presence = presenceOf(anas);
    presence.hear([rumour(bens)], bens, 0);
    const left = rumour(bens, { version: 2, status: "left" });
    expect(presence.hear([left], bens, 1).fresh).toEqual([left]);
    expect(seen(presence, bens, 2)).toMatchObject({ presence: "offline", heardAtMs: 1 });
  });

  it("are handed on when they are news, and only then", () => {
    const presence = presenceOf(anas);
    const first = rumour(bens);
    expect(presence.isNews(first)).toBe(true);
    expect(presence.hear([first], cleos, 0)).toEqual({
      fresh: [first],
      appeared: [bens],
      correction: undefined,
    });
    expect(presence.isNews(first)).toBe(false);
    expect(presence.hear([first], cleos, 1)).toEqual({
      fresh: [],
      appeared: [],
      correction: undefined,
    });
    expect(seen(presence, bens, 1)?.via).toBe(cleos);
    const renewed = rumour(bens, { version: 2 });
    expect(presence.hear([renewed], bens, 2)).toMatchObject({ fresh: [renewed], appeared: [] });
    expect(seen(presence, bens, 2)?.via).toBeUndefined();
  });

  it("do not come back by old rumours, not even after they are gone", () => {
    const presence = presenceOf(anas);
    presence.hear([rumour(bens, { version: 5 })], bens, 0);
    presence.expire(expiryMs);
    presence.hear([rumour(bens, { version: 5 }), rumour(bens, { version: 4 })], cleos, expiryMs);
    expect(seen(presence, bens, expiryMs)?.presence).toBe("offline");
    expect(presence.hear([rumour(bens, { version: 6 })], bens, expiryMs).appeared).toEqual([bens]);
  });

  it("type for no longer than that was renewed", () => {
    const presence = presenceOf(anas);
    presence.hear([rumour(bens, { where: general, typing: true })], bens, 0);
    expect(seen(presence, bens, typingMs - 1)?.typing).toBe(true);
    expect(presence.wakeAtMs(gapMs)).toBeLessThanOrEqual(typingMs);
    expect(seen(presence, bens, typingMs)).toMatchObject({ typing: false, presence: "online" });
  });

  it("are forgotten, those longest gone first, when they are too many", () => {
    const presence = new Presence({ self: anas, incarnation: 1, replicasMax: 2 });
    presence.hear([rumour(bens)], bens, 0);
    presence.hear([rumour(cleos, { status: "left" })], cleos, 1);
    presence.hear([rumour(replica("d"))], replica("d"), 2);
    expect(presence.devices(3).map(({ replica: id }) => id)).toEqual([anas, bens, replica("d")]);
  });
});

describe("far-fetched numbers", () => {
  it("cannot silence a device: it goes beyond what is told of it", () => {
    const presence = presenceOf(anas, 5);
    speak(presence, 0);
    const foreign = rumour(anas, { incarnation: 900, version: 44, status: "left" });
    expect(presence.isNews(foreign)).toBe(true);
    presence.hear([foreign], bens, 1);
    expect(speak(presence, refuteEveryMs)).toMatchObject({ incarnation: 901, version: 1 });
    expect(presence.isNews(foreign)).toBe(false);
  });

  it("are answered even at the end of all numbers", () => {
    const presence = presenceOf(anas);
    const last = rumour(anas, { incarnation: rumourCountMax, version: 44 });
    presence.hear([last], bens, 0);
    const answer = speak(presence, 0);
    expect(answer).toMatchObject({ incarnation: rumourCountMax, version: 45 });
    const end = rumour(anas, { incarnation: rumourCountMax, version: rumourCountMax });
    presence.hear([end], bens, 1);
    expect(speak(presence, refuteEveryMs)?.version).toBe(rumourCountMax);
    expect(speak(presence, refuteEveryMs + renewMs)?.version).toBe(rumourCountMax);
  });

  it("are not taken from a device's own echo", () => {
    const presence = presenceOf(anas);
    const said = speak(presence, 0);
    if (said === undefined) throw new Error("nothing said");
    expect(presence.isNews(said)).toBe(false);
    presence.hear([said], bens, 1);
    expect(speak(presence, refuteEveryMs)).toBeUndefined();
  });

  it("do not make two copies of a profile answer each other faster than once a second", () => {
    const [one, other] = [presenceOf(anas), presenceOf(anas)];
    other.set({ ...here, status: "away" });
    let words = 0;
    for (let now = 0; now < 60_000; now += 10) {
      const [said, answered] = [speak(one, now), speak(other, now)];
      if (said !== undefined) other.hear([said], anas, now);
      if (answered !== undefined) one.hear([answered], anas, now);
      words += Number(said !== undefined) + Number(answered !== undefined);
    }
    expect(words).toBeGreaterThan(60);
    expect(words).toBeLessThan(2 * 60 + 10);
  });

  it("are told to who comes back from long ago", () => {
    const presence = presenceOf(anas);
    const known = rumour(bens, { incarnation: 9 });
    presence.hear([known], bens, 0);
    const back = presenceOf(bens, 3);
    const stale = speak(back, 0);
    if (stale === undefined) throw new Error("nothing said");
    expect(presence.hear([stale], cleos, 1).correction).toBeUndefined();
    const { correction } = presence.hear([stale], bens, 1);
    expect(correction).toEqual(known);
    back.hear(correction === undefined ? [] : [correction], anas, 2);
    const refuted = speak(back, refuteEveryMs);
    expect(refuted).toMatchObject({ incarnation: 10 });
    expect(presence.isNews(refuted ?? stale)).toBe(true);
  });
});

describe("a newcomer", () => {
  it("is told of this device and of those it just heard themselves", () => {
    const presence = presenceOf(anas);
    const own = speak(presence, 0);
    const [ben, cleo, dan] = [rumour(bens), rumour(cleos), rumour(replica("d"))];
    presence.hear([ben, dan], bens, 0);
    presence.hear([cleo], cleos, 10);
    expect(presence.vouch(20, 9)).toEqual([own, cleo, ben]);
    expect(presence.vouch(20, 2)).toEqual([own, cleo]);
    expect(presence.vouch(vouchMs, 9)).toEqual([own, cleo]);
  });
});

describe("rumours in any order, repeated", () => {
  const rumours = fc.array(
    fc.record({
      of: fc.constantFrom(bens, cleos),
      incarnation: fc.nat(2),
      version: fc.nat(2),
      status: fc.constantFrom("online" as const, "away" as const, "left" as const),
      typing: fc.boolean(),
    }),
    { maxLength: 12 },
  );

  it("end in the same presence", () => {
    const pair = rumours.chain((all) => {
      const said = all.map(({ of, ...more }) => rumour(of, more));
      return fc.tuple(
        fc.constant(said),
        fc.shuffledSubarray([...said, ...said], { minLength: 2 * said.length }),
      );
    });
    fc.assert(
      fc.property(pair, ([said, again]) => {
        const [one, other] = [presenceOf(anas), presenceOf(anas)];
        one.hear(said, bens, 0);
        for (const each of again) other.hear([each], bens, 0);
        const byReplica = (presence: Presence) =>
          new Map(presence.devices(1).map((device) => [device.replica, device]));
        expect(byReplica(other)).toEqual(byReplica(one));
      }),
      { numRuns: 300 },
    );
  });
});

describe("members", () => {
  const device = (of: ReplicaId, more: Partial<ReturnType<Presence["devices"]>[number]> = {}) => ({
    replica: of,
    presence: "offline" as const,
    where: undefined,
    typing: false,
    heardAtMs: 0,
    via: undefined,
    ...more,
  });
  const [ana, ben] = ["a".repeat(32) as MemberId, "b".repeat(32) as MemberId];

  it("are what the best of their devices is, and were last seen by the latest", () => {
    expect(memberPresence([])).toMatchObject({ presence: "offline", heardAtMs: undefined });
    const [phone, desk] = [
      device(bens, { presence: "away", heardAtMs: 20, via: cleos }),
      device(cleos, { presence: "online", where: general, heardAtMs: 10 }),
    ];
    expect(memberPresence([phone, desk])).toMatchObject({
      presence: "online",
      where: general,
      heardAtMs: 20,
      via: cleos,
    });
    const newer = device(anas, { presence: "online", heardAtMs: 30 });
    expect(memberPresence([phone, desk, newer]).where).toBeUndefined();
  });

  it("type where any of their devices does", () => {
    const types = { presence: "online" as const, where: general, typing: true };
    const all = [device(anas), device(bens, types), device(cleos, types)];
    const owners = new Map([
      [anas, ana],
      [bens, ben],
    ]);
    const presences = presenceByMember(all, (of) => owners.get(of));
    expect([...presences.keys()]).toEqual([ana, ben]);
    expect(typingIn(presences, general)).toEqual([ben]);
    expect(presences.get(ben)?.typingIn).toBe(general);
    expect(typingIn(presences, "22".repeat(8) as DocumentId)).toEqual([]);
  });
});
