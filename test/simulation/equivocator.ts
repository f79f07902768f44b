/**
 * A member who signs other entries for one seq on purpose, again and again, tells each relay another
 * story, claims what it does not have and names branches that are none. All it says is well formed and
 * signed by its key. It costs nobody anything: everybody comes to hold the same of its logs, and all
 * that is promised of honest ones holds.
 */
import { Keyring } from "@skein/shared/crypto/keyring.ts";
import type { SigningPair } from "@skein/shared/crypto/suite.ts";
import type { ReplicaId } from "@skein/shared/id/id.ts";
import { chainHashes, labels, zeroHash } from "@skein/shared/log/chain.ts";
import { type Entry, headMessage, type Run } from "@skein/shared/log/entry.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import { frameOfRun } from "@skein/shared/protocol/codec.ts";
import { capabilities, type Frame } from "@skein/shared/protocol/messages.ts";
import type { Ground } from "./ground.ts";
import type { SimRelay } from "./sim-relay.ts";
import { Stranger } from "./stranger.ts";

/** Entries of one, each with the signature of a head. What is in them nobody can open. */
interface Signed {
  readonly run: Run;
  readonly hash: Uint8Array;
}

/** Entry by entry from seq 1; all begin in common. */
type Story = Signed[];

/** More than anybody keeps would leave them with different ones (`limits.branchesMax`). */
const storiesMax = 6;
/** So much of a question is answered at a time. */
const answeredMax = 20;

export class Equivocator {
  readonly replica: ReplicaId;
  readonly #ground: Ground;
  readonly #pair: SigningPair;
  readonly #stories: Story[] = [];

  static async make(ground: Ground): Promise<Equivocator> {
    return new Equivocator(ground, await ground.suite.newSigningPair());
  }

  private constructor(ground: Ground, pair: SigningPair) {
    this.#ground = ground;
    this.#pair = pair;
    this.replica = replicaIdOf(ground.suite, pair.publicKey);
  }

  /** Comes to that relay with one of its stories, an old or a new one. */
  async strike(relay: SimRelay): Promise<void> {
    const { dice } = this.#ground;
    let story = dice.pick(this.#stories.length === 0 ? [[]] : this.#stories);
    if (this.#stories.length < storiesMax && dice.chance(0.6)) {
      story = story.slice(0, dice.between(0, story.length));
      this.#stories.push(story);
    }
    for (let count = dice.between(1, 4); count > 0; count--) await this.#goOn(story);
    if (relay.relay !== undefined) void new Liar(this.#ground, relay, this.#pair, story);
  }

  async #goOn(story: Story): Promise<void> {
    const { dice, suite, space } = this.#ground;
    const seq = story.length + 1;
    const writer: Entry["writer"] =
      seq === 1
        ? { kind: "opens", nonce: dice.bytes(16) }
        : { kind: "continues", distance: seq - 1 };
    const body: Entry["body"] = { kind: "sealed", sealed: dice.bytes(80) };
    const epoch = new Keyring(suite, space.tag, space.contentKey).current;
    const entry: Entry = { epoch, writer, body };
    const run: Run = {
      replica: this.replica,
      first: seq,
      entries: [entry],
      signature: new Uint8Array(64),
    };
    const before = story[seq - 2]?.hash ?? zeroHash;
    const [hash = zeroHash] = chainHashes(suite, space.tag, run, before);
    const message = headMessage(space.tag, this.replica, seq, hash);
    const signature = await suite.sign(this.#pair.secret, labels.head, message);
    story.push({ run: { ...run, signature }, hash });
  }
}

class Liar extends Stranger {
  readonly #story: Story;
  /** Where the relay says the log ends. */
  #theirs = 0;

  constructor(ground: Ground, relay: SimRelay, pair: SigningPair, story: Story) {
    super(ground, relay, pair, ground.dice.chance(0.5) ? capabilities.branches : 0);
    this.#story = story;
    ground.struck("equivocation");
  }

  protected override hear(frame: Frame): void {
    switch (frame.type) {
      case "greet":
        return this.enter("write");
      case "welcome":
        this.say({ type: "digest", space: 0, logs: this.bytes(16), registers: this.bytes(16) });
        this.announce(0, this.replica, this.pair.publicKey);
        return this.after(() => this.after(() => this.after(() => this.#lie(3))));
      case "heads":
        this.#theirs = frame.heads.find(({ replica }) => replica === this.replica)?.to ?? 0;
        return;
      case "want":
        if (frame.replica !== this.replica || this.dice.chance(0.2)) return;
        if (frame.form === "entries") return this.#tell(frame.first, frame.last);
        return this.say({
          type: "hashes",
          space: 0,
          replica: this.replica,
          first: frame.first,
          hashes: this.#story.slice(frame.first - 1, frame.last).map(({ hash }) => hash),
        });
      default:
    }
  }

  /** However it ends: that is its own affair. */
  protected override ended(): void {
    this.ground.fire("equivocator gone");
  }

  #lie(times: number): void {
    const { dice } = this;
    const length = this.#story.length;
    const seq = dice.between(1, length);
    const hash = this.#story[seq - 1]?.hash ?? zeroHash;
    const { publicKey } = this.pair;
    switch (dice.between(0, 4)) {
      case 0:
        // As if what they hold went on like this.
        this.#tell(this.#theirs + 1, length);
        break;
      case 1:
        this.#tell(seq, length);
        break;
      case 2:
        this.say({ type: "fork", space: 0, replica: this.replica, seq, hash });
        break;
      case 3: {
        const to = length + dice.between(0, 1_000);
        const heads = [{ replica: this.replica, from: 1, to, hash }];
        this.say({ type: "heads", space: 0, since: new Uint8Array(16), heads });
        break;
      }
      default:
        this.say({ type: "branch", space: 0, publicKey, seq, hash, from: 1, base: zeroHash });
    }
    if (times > 1) this.after(() => this.#lie(times - 1));
  }

  #tell(first: number, last: number): void {
    const end = Math.min(last, first + answeredMax - 1);
    for (const { run } of this.#story.slice(first - 1, end)) {
      this.send(frameOfRun(0, this.epoch, run));
    }
  }
}
