/**
 * Conversations gone wrong, at both ends of a wire: a device that says anything to the shipped relay,
 * a relay that says anything to the shipped device. A valid conversation is recorded once; its frames
 * are changed, reordered, repeated, left out, and mixed with others that a member with all keys could
 * send. Whatever comes, nothing throws, the connection ends with a documented code or goes on,
 * backlogs stay within limits, and honest parties afterwards find everything as it should be.
 *
 * A piece is how it comes, in one byte, and a frame: bit 0 says that the next one follows at once, bits
 * 1 and 2 how much time passes behind it.
 */
import fc from "fast-check";
import { concatBytes } from "@skein/shared/bytes/bytes.ts";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { epochId, registerName, replicaId, type ReplicaId } from "@skein/shared/id/id.ts";
import { branchIdOf } from "@skein/shared/log/branch.ts";
import { chainHashes, labels, zeroHash } from "@skein/shared/log/chain.ts";
import { type Entry, headMessage, lastSeq, type Run } from "@skein/shared/log/entry.ts";
import {
  encodeRegister,
  registerBodyHash,
  registerHeader,
  registerLabels,
} from "@skein/shared/log/register.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import { decodeFrame, encodeFrame, frameOfRun } from "@skein/shared/protocol/codec.ts";
import type { Frame } from "@skein/shared/protocol/messages.ts";
import { encodeWhisper, whisperBodyHash } from "@skein/shared/protocol/whisper.ts";
import type { Connection, Ending } from "@skein/shared/sync/connection.ts";
import { Prng } from "../simulation/prng.ts";
import { arbitraryFrames } from "../support/arbitrary-frames.ts";
import type { Tab } from "../support/party.ts";
import { boundaries, mutate } from "./mutate.ts";
import {
  channel,
  checkBacklog,
  checkBugs,
  checkEnding,
  type Grounds,
  newGrounds,
  origin,
  World,
} from "./session-world.ts";
import { stepClockUs } from "./step-clock.ts";
import { Broken, type Input, type Outcome, type TargetEntry } from "./target.ts";

/** Dice of the parties, the same when recording and when replaying. */
const seeds = {
  relay: 21,
  ana: 22,
  ben: 23,
  link: 24,
  benLink: 25,
  next: 26,
  nextLink: 27,
} as const;
const waitsMs = [0, 100, 1_000, 6_000];
const pieceBytesMax = 70_000;

export const sessions: readonly TargetEntry[] = [
  {
    name: "session-relay",
    about: "a relay, and a device that says anything; another device is not to notice",
    open: async () => {
      const grounds = await newGrounds();
      const recorded = await record(grounds, "up");
      const run = (input: Input) => atRelay(grounds, input);
      const spice = await sorted(await spiceOf(grounds, recorded), recorded, run);
      return {
        name: "session-relay",
        seeds: [recorded],
        isSequence: true,
        pieceBytesMax,
        run,
        mutate: (input, others, dice) => season(input, others, spice, dice),
      };
    },
  },
  {
    name: "session-device",
    about: "a device, and a relay that says anything; the next relay gets all it wrote",
    open: async () => {
      const grounds = await newGrounds();
      const recorded = await record(grounds, "down");
      const run = (input: Input) => atDevice(grounds, input);
      const spice = await sorted(await spiceOf(grounds, recorded), recorded, run);
      return {
        name: "session-device",
        seeds: [recorded],
        isSequence: true,
        pieceBytesMax,
        run,
        mutate: (input, others, dice) => season(input, others, spice, dice),
      };
    },
  },
];

const text = (words: string) => () => [{ kind: 0x7f, payload: new TextEncoder().encode(words) }];

async function write(tab: Tab, count: number, words = "words"): Promise<void> {
  for (let index = 0; index < count; index++) {
    await tab.writer.append(channel, text(`${words} ${index} ${"x".repeat(index * 20)}`));
  }
}

/** Entries that the honest side has written before the conversation begins. */
const written = 9;

/** Ana's conversation with an honest relay, while Ben is there too: what she says, or hears. */
async function record(grounds: Grounds, way: "up" | "down"): Promise<Input> {
  const world = new World(grounds);
  const station = world.station(seeds.relay);
  const pieces: Uint8Array[] = [];
  const listener = { [way]: (frame: Uint8Array) => pieces.push(step(0, frame)) };
  const ben = await world.device(grounds.ben, seeds.ben);
  const ana = await world.device(grounds.ana, seeds.ana);
  // Who replays it will not write in between, or confirmations would name what never was.
  const [quiet, busy] = way === "up" ? [ben, ana] : [ana, ben];
  await write(quiet, written);
  await write(busy, 2);
  world.connect(ben, station, seeds.benLink);
  await world.settle();
  const { link } = world.connect(ana, station, seeds.link, listener);
  await world.settle();
  for (let turn = 0; turn < 4; turn++) {
    await write(busy, 2);
    const vector = new Map([[ben.replicaId, turn + 1]]);
    ana.desk?.markRead({ kind: "read", document: channel }, vector);
    ana.desk?.setProfile(`Ana ${turn}`);
    ben.desk?.setProfile(`Ben ${turn}`);
    for (const session of ana.replica?.exchange.sessions ?? []) {
      session.sendWhisper(grounds.ana.publicKey, whisper(world, ana.replicaId, turn + 1));
    }
    for (const session of ben.replica?.exchange.sessions ?? []) {
      session.sendWhisper(grounds.ben.publicKey, whisper(world, ben.replicaId, turn + 1));
    }
    if (turn === 2) ana.replica?.exchange.compare();
    const codeHash = new Uint8Array(16).fill(turn);
    const request =
      turn < 3
        ? ({
            type: "invite",
            codeHash,
            expiresMs: 9e12,
            uses: 3,
            preview: codeHash,
            keys: codeHash,
          } as const)
        : ({ type: "uninvite", codeHash: new Uint8Array(16) } as const);
    void link.request(grounds.space.tag, request);
    await world.advance(turn === 1 ? 30_000 : 1_500);
  }
  checkBugs(world);
  return pieces;
}

const step = (control: number, frame: Uint8Array): Uint8Array =>
  concatBytes(Uint8Array.of(control), frame);

/** Sealed under no key that anybody has: neither side looks inside before it has to. */
function whisper(world: World, from: ReplicaId, counter: number, to?: ReplicaId): Uint8Array {
  const body = new Uint8Array(40).fill(counter);
  return encodeWhisper({
    suite: world.suite.id,
    space: world.grounds.space.tag,
    from,
    to,
    epoch: epochId(new Uint8Array(8).fill(5)),
    nonce: new Uint8Array(16).fill(6),
    counter,
    bodyHash: whisperBodyHash(world.suite, body),
    signature: new Uint8Array(64),
    body,
  });
}

// Playing

interface Played {
  readonly slowestUs: number;
  readonly steps: number;
}

/** Hands the pieces over one by one. Stops where the connection ends. */
async function play(world: World, connection: Connection, input: Input): Promise<Played> {
  let slowestUs = 0;
  let steps = 0;
  for (const piece of input) {
    if (connection.ended) break;
    steps++;
    const control = piece[0] ?? 0;
    const startUs = stepClockUs();
    connection.receive(piece.subarray(1));
    if ((control & 1) === 0) await world.settle();
    slowestUs = Math.max(slowestUs, stepClockUs() - startUs);
    checkBacklog(connection);
    const waitMs = waitsMs[(control >> 1) & 3] ?? 0;
    if (waitMs > 0) await world.advance(waitMs);
    if (world.bugs.length > 0) break;
  }
  await world.settle();
  checkBugs(world);
  return { slowestUs, steps };
}

function outcome(end: Ending | undefined, said: ReadonlySet<string>, played: Played): Outcome {
  const value = Object.fromEntries([...said].map((type) => [type, 1]));
  if (end === undefined) return { kind: "accepted", value, ...played };
  checkEnding(end);
  return { kind: "refused", fault: String(end.code), reason: end.detail, value, ...played };
}

/** What the shipped side says must be well-formed, also to somebody hostile. */
function listen(said: Set<string>): (frame: Uint8Array) => void {
  return (bytes) => {
    const frame = decodeFrame(bytes);
    if (isMalformed(frame)) throw new Broken(`says nonsense: ${frame.message}`);
    said.add(frame.type);
  };
}

async function atRelay(grounds: Grounds, input: Input): Promise<Outcome> {
  const world = new World(grounds);
  const station = world.station(seeds.relay);
  const said = new Set<string>();
  const ben = await world.device(grounds.ben, seeds.ben);
  await write(ben, written);
  const honest = world.connect(ben, station, seeds.benLink);
  await world.settle();
  const hostile = station.relay.connect({ send: listen(said), close: () => {} }, origin);
  world.tickWith(hostile);

  const played = await play(world, hostile, input);
  const end = station.endings.get(hostile);
  hostile.wireClosed(1006, "gone");
  await world.settle();

  // Ben goes on as if nothing had been.
  await write(ben, 1, "afterwards");
  await world.advance(1_000);
  checkBugs(world);
  checkBacklog(honest.theirs);
  if (honest.theirs.ended || honest.link.connection.ended) {
    throw new Broken(`honest: sent away with ${station.endings.get(honest.theirs)?.detail ?? "?"}`);
  }
  if (station.relay.connectionCount !== 1) throw new Broken("honest: who left is still counted");
  const heads = await station.store.heads(grounds.space.tag);
  const stored = heads.find(({ replica }) => replica === ben.replicaId)?.to ?? 0;
  if (stored !== written + 1 || ben.sentTo !== stored) {
    throw new Broken(`honest: wrote ${written + 1}, ${stored} are stored, ${ben.sentTo} confirmed`);
  }
  if (ben.troubles.length > 0) throw new Broken(`honest: ${String(ben.troubles[0])}`);
  ben.close();
  station.relay.close();
  return outcome(end, said, played);
}

async function atDevice(grounds: Grounds, input: Input): Promise<Outcome> {
  const world = new World(grounds);
  const said = new Set<string>();
  const ana = await world.device(grounds.ana, seeds.ana);
  await write(ana, written);
  let end: Ending | undefined;
  const hear = listen(said);
  const link = world.link(ana, seeds.link, hear, (ending) => (end ??= ending));
  await world.settle();

  const played = await play(world, link.connection, input);
  const heldEnd = end;
  link.connection.wireClosed(1006, "gone");
  await write(ana, 1, "afterwards");
  if (ana.troubles.length > 0) throw new Broken(`honest: ${String(ana.troubles[0])}`);

  // An honest relay gets everything Ana wrote.
  const station = world.station(seeds.next);
  world.connect(ana, station, seeds.nextLink);
  await world.settle();
  await world.advance(1_000);
  checkBugs(world);
  const heads = await station.store.heads(grounds.space.tag);
  const stored = heads.find(({ replica }) => replica === ana.replicaId)?.to ?? 0;
  if (stored !== written + 1) {
    throw new Broken(`honest: wrote ${written + 1}, ${stored} are stored afterwards`);
  }
  ana.close();
  station.relay.close();
  return outcome(heldEnd, said, played);
}

// Frames that a member with all keys could send

/** Frames to be put anywhere into a conversation. */
interface Spice {
  readonly all: readonly Uint8Array[];
  /** Those that do not end it at once: with them it goes on to where more can break. */
  readonly mild: readonly Uint8Array[];
}

async function sorted(
  all: readonly Uint8Array[],
  recorded: Input,
  run: (input: Input) => Promise<Outcome>,
): Promise<Spice> {
  const mild: Uint8Array[] = [];
  for (const frame of all) {
    try {
      const { kind } = await run([...recorded, step(0, frame)]);
      if (kind === "accepted") mild.push(frame);
    } catch {
      // What it breaks is found, shrunk and told when it is its turn.
      mild.push(frame);
    }
  }
  return { all, mild };
}

/** Frames that change what a session believes of the other side. */
const askedOften: ReadonlySet<string> = new Set<Frame["type"]>([
  "want",
  "fork",
  "branch",
  "hashes",
  "heads",
  "versions",
  "stored",
  "digest",
]);

async function spiceOf(grounds: Grounds, recorded: Input): Promise<readonly Uint8Array[]> {
  const dice = new Prng(31);
  const world = new World(grounds);
  const ana = replicaIdOf(world.suite, grounds.ana.publicKey);
  const ben = replicaIdOf(world.suite, grounds.ben.publicKey);
  const epoch = epochOf(recorded);
  const frames: Uint8Array[] = [];
  const add = (frame: Frame): void => void frames.push(encodeFrame(frame));

  // Valid in themselves, about spaces and logs that there are, or nearly.
  for (const [type, ofType] of Object.entries(arbitraryFrames)) {
    const numRuns = askedOften.has(type) ? 12 : 3;
    for (const frame of fc.sample(ofType as fc.Arbitrary<Frame>, { numRuns, seed: 31 })) {
      add(renumbered(frame, [ana, ben], dice));
    }
  }
  const addBranch = (seq: number, [hash]: readonly Uint8Array[], base: Uint8Array): void => {
    if (hash === undefined) return;
    const { publicKey } = grounds.ana;
    const replica = branchIdOf(world.suite, { signer: ana, hash });
    add({ type: "branch", space: 0, publicKey, seq, hash, from: seq, base });
    add({ type: "alias", log: 1, space: 0, replica, epoch, publicKey });
  };
  // Ana's log, in pieces that are signed: one by one, many at once, hollow, empty, repeated, of two minds.
  for (let branch = 0; branch < 2; branch++) {
    let previous: Uint8Array = zeroHash;
    for (let first = 1; first < 60;) {
      const entries = someEntries(first, dice, epoch);
      const run: Run = { replica: ana, first, entries, signature: new Uint8Array(64) };
      const before = previous;
      const hashes = chainHashes(world.suite, grounds.space.tag, run, previous);
      previous = hashes.at(-1) ?? previous;
      const message = headMessage(grounds.space.tag, ana, lastSeq(run), previous);
      const signature = await world.suite.sign(grounds.ana.secret, labels.head, message);
      frames.push(frameOfRun(branch, epoch, { ...run, signature }));
      // The second one as a branch, which it may or may not be.
      if (branch === 1) addBranch(first, hashes, before);
      first += entries.length;
    }
    add({
      type: "alias",
      log: branch,
      space: 0,
      replica: ana,
      epoch,
      publicKey: grounds.ana.publicKey,
    });
  }
  // Her registers, each signed.
  for (const number of boundaries) {
    const body = dice.bytes(dice.pick([16, 100, 1_000]));
    const fields = {
      suite: world.suite.id,
      space: grounds.space.tag,
      replica: ana,
      name: registerName(new Uint8Array(16).fill(number % 5)),
      number,
      epoch,
      nonce: dice.bytes(12),
    };
    const bodyHash = registerBodyHash(world.suite, body);
    const header = registerHeader(fields, body.length, bodyHash);
    const signature = await world.suite.sign(grounds.ana.secret, registerLabels.signature, header);
    const register = encodeRegister({ ...fields, bodyHash, signature, body });
    add({ type: "register", space: 0, publicKey: grounds.ana.publicKey, register });
  }
  for (const to of [undefined, ana, ben, replicaId(new Uint8Array(16).fill(9))]) {
    const words = whisper(world, ana, dice.between(1, 9), to);
    add({ type: "whisper", space: 0, publicKey: grounds.ana.publicKey, whisper: words });
  }
  return frames;
}

/** The epoch that the recorded conversation is in. */
function epochOf(recorded: Input): ReturnType<typeof epochId> {
  for (const piece of recorded) {
    const frame = decodeFrame(piece.subarray(1));
    if (!isMalformed(frame) && frame.type === "alias") return frame.epoch;
  }
  throw new Error("a conversation in which nobody wrote anything");
}

function someEntries(first: number, dice: Prng, epoch: Entry["epoch"]): Entry[] {
  const count = dice.pick([1, 1, 2, 5, 20]);
  return Array.from({ length: count }, (_, index) => ({
    epoch: dice.chance(0.9) ? epoch : epochId(dice.bytes(8)),
    writer:
      first + index === 1 || dice.chance(0.1)
        ? { kind: "opens", nonce: dice.bytes(16) }
        : { kind: "continues", distance: dice.between(1, first + index - 1) },
    body: dice.chance(0.2)
      ? { kind: "hollow", hash: dice.bytes(32), length: dice.pick([0, 16, 65_536]) }
      : { kind: "sealed", sealed: dice.bytes(dice.pick([0, 1, 16, 50, 4_000])) },
  }));
}

/** The same frame about a space, log or replica that both sides have heard of. */
function renumbered(frame: Frame, known: readonly ReplicaId[], dice: Prng): Frame {
  const changed: Record<string, unknown> = { ...frame };
  for (const key of ["space", "yourSpace", "mySpace", "log", "request"]) {
    // Each side calls its first space and log 0.
    if (key in changed && dice.chance(0.9)) changed[key] = dice.pick([0, 0, 0, 1, 2]);
  }
  if ("replica" in changed && dice.chance(0.8)) changed["replica"] = dice.pick(known);
  return changed as unknown as Frame;
}

/** One more frame somewhere, a part of a frame changed for another's, or the bytes mutated too. */
function season(input: Input, others: readonly Input[], spice: Spice, dice: Prng): Input {
  let pieces = [...input];
  for (let count = dice.between(1, dice.chance(0.5) ? 4 : 24); count > 0; count--) {
    // Later frames find more to break than the first ones.
    const at = dice.between(dice.chance(0.95) ? 2 : 0, pieces.length);
    const control = dice.chance(0.8) ? dice.pick([0, 1]) : dice.between(0, 7);
    const frame = dice.pick(dice.chance(0.95) ? spice.mild : spice.all);
    const varied = dice.chance(0.3) ? exchanged(frame, dice.pick(spice.mild), dice) : frame;
    if (dice.chance(0.9)) pieces = pieces.toSpliced(at, 0, step(control, varied));
    else {
      const piece = pieces[at];
      if (piece === undefined) continue;
      pieces[at] = step(control, exchanged(piece.subarray(1), frame, dice));
    }
  }
  const options = { isSequence: true, pieceBytesMax };
  return dice.chance(0.2) ? mutate(pieces, others, dice, options) : pieces.slice(0, 120);
}

/** A field of the frame is another frame's of that name, or a number at an end of its range. */
function exchanged(bytes: Uint8Array, other: Uint8Array, dice: Prng): Uint8Array {
  const [frame, donor] = [decodeFrame(bytes), decodeFrame(other)];
  if (isMalformed(frame) || isMalformed(donor)) return bytes;
  const changed: Record<string, unknown> = { ...frame };
  const key = dice.pick(Object.keys(changed));
  const theirs = (donor as unknown as Record<string, unknown>)[key];
  if (typeof changed[key] === "number") changed[key] = dice.pick([...boundaries, 3, 4, 5]);
  else if (typeof theirs === typeof changed[key] && key !== "type") changed[key] = theirs;
  try {
    return encodeFrame(changed as unknown as Frame);
  } catch {
    // No writer writes that: it stays for bytes to be mutated.
    return bytes;
  }
}
