/**
 * How any tab reaches the leader: itself while it leads, otherwise over the tabs' channel. Wishes may be
 * lost with a dying leader and are then made again by whoever cares; questions get an answer or a deadline.
 */
import type { Network } from "./api.ts";
import type { Device } from "./device.ts";
import type { Leader, SpaceAwareness } from "./leader.ts";
import { Cell, Events } from "./observable.ts";
import type { LeaderStatus } from "./status.ts";
import type { Answer, Question, Wish } from "./tabs.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import { toHex } from "@skein/shared/bytes/bytes.ts";

/** What a person does in the moments before any tab leads. */
const unheardMax = 64;
/** A little more than the leader itself waits for its relay. */
const answerWithinMs = 12_000;

const silence: Answer = {
  kind: "refused",
  code: codes.deadline,
  detail: "no tab of this device is connected",
};

export class LeaderLink {
  readonly status: Cell<LeaderStatus>;
  /** Cursors of other tabs and devices. */
  readonly onAwareness = new Events<SpaceAwareness>();
  /** Another tab leads, which has heard nothing of this one yet. */
  readonly onLeader = new Events<void>();
  readonly #device: Device;
  #leader: Leader | undefined;
  #leaderTab: string | undefined;
  #unfollow: () => void = () => {};
  /** Made while no tab was known to lead: for the one that will. */
  #unheard: Wish[] = [];
  /** Questions that wait for an answer: a leader that has just begun has not heard them. */
  readonly #open = new Set<(leader: Leader) => void>();

  /** @param network what is said until a leader has spoken. */
  constructor(device: Device, network: Network) {
    this.#device = device;
    this.status = new Cell({ network, spaces: new Map() });
    device.tabs.on("awareness", (news) => this.onAwareness.emit(news));
    device.tabs.on("status", ({ status }, from) => {
      if (this.#leader !== undefined) return;
      this.status.set(status);
      if (from === this.#leaderTab) return;
      this.#leaderTab = from;
      this.onLeader.emit();
      for (const wish of this.#unheard.splice(0)) this.wish(wish);
    });
  }

  /** This tab leads, or leads no longer. */
  setLeader(leader: Leader | undefined): void {
    this.#unfollow();
    this.#leader = leader;
    this.#leaderTab = undefined;
    if (leader === undefined) {
      this.#device.tabs.post({ kind: "here" });
      return;
    }
    const follow = () => this.status.set(leader.status.get());
    const undo = [
      leader.status.subscribe(follow),
      leader.onAwareness.on((news) => this.onAwareness.emit(news)),
    ];
    this.#unfollow = () => undo.forEach((each) => each());
    follow();
    for (const wish of this.#unheard.splice(0)) leader.wish(wish, this.#device.tabs.id);
    for (const ask of this.#open) ask(leader);
  }

  wish(wish: Wish): void {
    if (this.#leader !== undefined) this.#leader.wish(wish, this.#device.tabs.id);
    else if (this.#leaderTab === undefined && this.#unheard.length < unheardMax) {
      this.#unheard.push(wish);
    }
    // Other tabs listen too: what was read here is read there.
    this.#device.tabs.post({ kind: "wish", wish });
  }

  ask(question: Question): Promise<Answer> {
    if (this.#leader !== undefined) return this.#leader.ask(question);
    const { env, tabs } = this.#device;
    const id = toHex(env.random.bytes(8));
    return new Promise((done) => {
      const finish = (answer: Answer) => {
        clearTimeout(deadline);
        stop();
        this.#open.delete(askLeader);
        done(answer);
      };
      const askLeader = (leader: Leader): void => void leader.ask(question).then(finish);
      this.#open.add(askLeader);
      const deadline = setTimeout(() => finish(silence), answerWithinMs);
      const stop = tabs.on("answer", (message) => {
        if (message.id === id) finish(message.answer);
      });
      tabs.post({ kind: "ask", id, question });
    });
  }
}
