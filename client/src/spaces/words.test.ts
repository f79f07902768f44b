import { describe, expect, it } from "vitest";
import type { ReplicaId, SpaceTag } from "@skein/shared/id/id.ts";
import type { InviteRefusal, Trouble } from "../runtime/api.ts";
import { refusalWords } from "./refusal-words.ts";
import { storageCaution, troubleWords } from "./trouble-words.ts";

const space = "00" as SpaceTag;
const replica = "00" as ReplicaId;
const hole = { kind: "damaged", atMs: 0, space, replica } as const;
const troubles: Trouble[] = [
  { kind: "storage full", atMs: 0 },
  { kind: "storage failed", atMs: 0, detail: "UnknownError" },
  { kind: "storage evicted", atMs: 0 },
  { kind: "update needed", atMs: 0 },
  { kind: "update ready", atMs: 0, reload: () => {} },
  { kind: "access ended", atMs: 0, space, code: 4403, detail: "" },
  { kind: "fork", atMs: 0, space, replica, author: undefined, healed: false },
  { kind: "fork", atMs: 0, space, replica, author: "Ben", healed: true },
  { kind: "note damaged", atMs: 0, detail: "the check value differs" },
  { ...hole, changes: 12, author: "Ben", shown: true, sent: true },
];

describe("trouble", () => {
  it("of every kind has words of its own that say what to do", () => {
    const titles = troubles.map((trouble) => {
      const { title, advice } = troubleWords(trouble, "Garden");
      expect(advice).toMatch(/\.$/);
      return title;
    });
    expect(new Set(titles).size).toBe(troubles.length);
  });

  it("names the space it is about", () => {
    expect(troubleWords(troubles[5]!, "Garden").title).toBe("You can no longer sync “Garden”");
    expect(troubleWords(troubles[5]!, undefined).title).toBe("You can no longer sync a space");
  });
});

describe("a fork", () => {
  it("that has healed asks for nothing, one that has not for a copy", () => {
    const words = (author: string | undefined, healed: boolean) =>
      troubleWords({ kind: "fork", atMs: 0, space, replica, author, healed }, "Garden");
    expect(words(undefined, true)).toMatchObject({ weight: "calm" });
    expect(words(undefined, true).advice).toMatch(/kept and reaches everybody/);
    expect(words(undefined, false)).toMatchObject({ weight: "serious" });
    expect(words(undefined, false).advice).toMatch(/copy over/);
    expect(words("Ben", true).advice).toMatch(/You see what both wrote/);
    expect(words("Ben", false).advice).toMatch(/You see what one of the two wrote/);
  });
});

describe("damaged entries", () => {
  it("are told by whose and how many, and whether they are lost", () => {
    const words = (trouble: Partial<Extract<Trouble, { kind: "damaged" }>>) =>
      troubleWords(
        { ...hole, changes: 1, author: undefined, shown: true, sent: true, ...trouble },
        "Garden",
      );
    expect(words({}).advice).toMatch(/^1 change made here can no longer be read .*put back/);
    expect(words({}).weight).toBe("calm");
    const bens = words({ author: "Ben", changes: 12, shown: false });
    expect(bens.advice).toMatch(/^12 changes by Ben .*not shown/);
    expect(bens.weight).toBe("serious");
    expect(words({ sent: false }).advice).toMatch(/nobody else can give them back/);
    expect(words({ sent: false }).weight).toBe("serious");
  });
});

describe("a refused link", () => {
  it("explains itself for every reason", () => {
    const reasons: InviteRefusal["reason"][] = [
      "not a link",
      "damaged",
      "unknown or revoked",
      "expired or used up",
      "relay unreachable",
      "other host unreachable",
      "too fast",
      "role not supported yet",
      "newer version",
    ];
    const titles = reasons.map(
      (reason) => refusalWords({ kind: "refusal", reason, detail: "" }).title,
    );
    expect(new Set(titles).size).toBe(reasons.length);
  });

  it("names the other host that it leads to", () => {
    const reason = "other host unreachable";
    const { title } = refusalWords({ kind: "refusal", reason, detail: "skein.example" });
    expect(title).toBe("This link leads to skein.example, which this page cannot reach");
  });
});

describe("storage", () => {
  it("that can vanish is said to, a private window before all", () => {
    expect(storageCaution({ isPrivate: true, persistent: false })).toMatch(/^Private window/);
    expect(storageCaution({ isPrivate: false, persistent: false })).toMatch(/may erase/);
    expect(storageCaution({ isPrivate: false, persistent: true })).toBeUndefined();
  });
});
