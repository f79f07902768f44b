/** Random stories for properties: entries of authors who see of one another what they see. */
import fc from "fast-check";
import { covers } from "../clock/version-vector.ts";
import type { DocumentId, ReplicaId } from "../id/id.ts";
import {
  catalogChange,
  clock,
  documents,
  filled,
  membership,
  noteUpdate,
  post,
  TestSpace,
  utf8,
} from "./ready-entries.contract.ts";
import type { Operation, ReadyEntry } from "./store.ts";

type Doing =
  | "post"
  | "post twice"
  | "clock"
  | "note"
  | "foreign session"
  | "catalog"
  | "member"
  | "unknown"
  | "broken"
  | "hollow";

const doing: fc.Arbitrary<Doing> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<Doing>("post", "note") },
  {
    weight: 3,
    arbitrary: fc.constantFrom<Doing>(
      "post twice",
      "clock",
      "foreign session",
      "catalog",
      "member",
      "unknown",
      "broken",
      "hollow",
    ),
  },
);

export const storyOf = (
  authors: readonly ReplicaId[],
  options: fc.ArrayConstraints = {},
): fc.Arbitrary<readonly ReadyEntry[]> =>
  fc
    .array(
      fc.record({
        author: fc.constantFrom(...authors),
        seen: fc.subarray([...authors]),
        doing,
        aside: fc.boolean(),
      }),
      { minLength: 1, maxLength: 60, ...options },
    )
    .map((commands) => {
      const told = new TestSpace();
      commands.forEach(({ author, seen, doing: what, aside }, at) => {
        const text = `entry ${at}`;
        const distance = told.distance(author);
        const write = (document: DocumentId, ...operations: Operation[]) =>
          told.write(author, document, operations, seen);
        const channel = aside ? documents.otherChannel : documents.channel;
        switch (what) {
          case "post":
            return write(channel, post(text, at));
          case "post twice":
            return write(channel, post(text, at), clock(at), post(`${text}, again`, at));
          case "clock":
            return write(documents.note, clock(at), noteUpdate(text, distance));
          case "note":
            return write(documents.note, noteUpdate(text, distance));
          case "foreign session":
            return write(
              documents.note,
              noteUpdate(text, distance + 1),
              noteUpdate(text, distance),
            );
          case "catalog":
            return write(documents.catalog, catalogChange(text, distance));
          case "member":
            return write(documents.membership, membership(0x11, text), clock(at));
          case "unknown":
            return write(channel, { kind: 0x77, payload: utf8(text) }, post(text, at));
          case "broken":
            return write(channel, { kind: 0x30, payload: filled(4, 0xff) });
          case "hollow":
            return told.write(author, undefined, []);
        }
      });
      return told.entries;
    });

export const dice = fc.infiniteStream(
  fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
);
export const roller = (stream: fc.Stream<number>) => (below: number) =>
  Math.floor((stream.next().value ?? 0) * below);

/** Dice that fall evenly, where those of fast-check like to fall low. After xorshift (Marsaglia, 2003). */
export function fairRoller(seed: number): (below: number) => number {
  let state = (seed ^ 0x9e3779b9) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** The same entries, which follow on `after`, in another order in which nothing comes before its past. */
export function shuffled(
  entries: readonly ReadyEntry[],
  roll: (below: number) => number,
  after: ReadonlyMap<ReplicaId, number> = new Map(),
): ReadyEntry[] {
  const left = [...entries];
  const order: ReadyEntry[] = [];
  const vector = new Map(after);
  while (left.length > 0) {
    const ready = left.filter(
      ({ replica, seq, deps }) =>
        covers(vector, replica, seq - 1) &&
        deps.every((dep) => covers(vector, dep.replica, dep.seq)),
    );
    const next = ready[roll(ready.length)];
    if (next === undefined) throw new Error("a story has an order");
    left.splice(left.indexOf(next), 1);
    vector.set(next.replica, next.seq);
    order.push(next);
  }
  return order;
}
