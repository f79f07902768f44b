/**
 * A hostile party at a relay: it connects, does one thing that no honest party does, and must be sent
 * away with the code that the protocol names; nobody else's connection ends with it, and nothing of
 * it is kept (the books see to both). Half of the attacks need no key, half are a member's with the
 * keys of the space.
 */
import type { SigningPair } from "@skein/shared/crypto/suite.ts";
import { frameOfRun } from "@skein/shared/protocol/codec.ts";
import { type Code, codes } from "@skein/shared/protocol/codes.ts";
import { limits } from "@skein/shared/protocol/limits.ts";
import type { Frame, HeadRow, Mode } from "@skein/shared/protocol/messages.ts";
import { encodeWhisper, whisperBodyHash } from "@skein/shared/protocol/whisper.ts";
import type { Ending } from "@skein/shared/sync/connection.ts";
import type { ReplicaId } from "@skein/shared/id/id.ts";
import type { Ground } from "./ground.ts";
import type { SimDevice } from "./sim-device.ts";
import type { SimRelay } from "./sim-relay.ts";
import { Stranger } from "./stranger.ts";

export const attackNames = [
  "silence",
  "no proof",
  "replayed proof",
  "truncated frame",
  "oversized frame",
  "unknown frame",
  "many attempts",
  "forged entry",
  "forged entry of another",
  "another's log under its own key",
  "unannounced log",
  "truncated entry",
  "forged register of another",
  "whisper in another's name",
  "false acknowledgement",
  "reader that writes",
] as const;
type AttackName = (typeof attackNames)[number];

interface Attack {
  /** With what it proves access; `nothing`: it never gets in. */
  readonly key: Mode | "nothing";
  /** How it may end. */
  readonly codes: readonly Code[];
  /** Others may be faster: then it comes too late to matter, and is let be. */
  readonly ignorable?: boolean;
  readonly begin: (party: HostileParty) => void | Promise<void>;
}

const outsider = [codes.unproven, codes.deadline] as const;

const attacks: Readonly<Record<AttackName, Attack>> = {
  silence: { key: "nothing", codes: [codes.deadline], begin: () => {} },
  "no proof": {
    key: "nothing",
    codes: outsider,
    begin: (party) => party.hello("write", party.bytes(64)),
  },
  "replayed proof": {
    key: "nothing",
    codes: outsider,
    begin: (party) => {
      if (party.relay.lastHello === undefined) return party.begin("no proof");
      return party.send(party.relay.lastHello);
    },
  },
  "truncated frame": {
    key: "nothing",
    codes: [codes.malformed],
    begin: (party) => party.send(truncated(party)),
  },
  "oversized frame": {
    key: "nothing",
    codes: [codes.tooLarge],
    begin: (party) => party.send(new Uint8Array(limits.frameBytesMax + 1).fill(0x06)),
  },
  "unknown frame": {
    key: "nothing",
    codes: [codes.malformed],
    begin: (party) => party.send(Uint8Array.of(0x7f, 1, 2, 3)),
  },
  "many attempts": {
    key: "nothing",
    // While the store is out of reach none of them counts.
    codes: [codes.unproven, codes.deadline],
    begin: (party) => {
      for (let sent = 0; sent < 6; sent++) party.hello("write", party.bytes(64));
    },
  },
  "forged entry": {
    key: "write",
    codes: [codes.entryRefused],
    begin: (party) => {
      party.announce(0, party.replica, party.pair.publicKey);
      party.send(frameOfRun(0, party.epoch, party.run(party.replica, 1)));
    },
  },
  "forged entry of another": {
    key: "write",
    codes: [codes.entryRefused, codes.deadline],
    ignorable: true,
    begin: (party) => {
      const head = party.heads.find(({ to }) => to > 0);
      if (head === undefined) return party.begin("forged entry");
      party.say({ type: "heads", space: 0, since: new Uint8Array(16), heads: party.heads });
      party.announce(0, head.replica, party.keyOf(head.replica));
      party.send(frameOfRun(0, party.epoch, party.run(head.replica, head.to + 1)));
    },
  },
  "another's log under its own key": {
    key: "write",
    codes: [codes.entryRefused],
    begin: (party) => party.announce(0, party.victim.replica, party.pair.publicKey),
  },
  "unannounced log": {
    key: "write",
    codes: [codes.outOfTurn],
    begin: (party) => party.send(frameOfRun(7, party.epoch, party.run(party.replica, 1))),
  },
  "truncated entry": {
    key: "write",
    codes: [codes.malformed],
    begin: (party) => {
      party.announce(0, party.replica, party.pair.publicKey);
      const frame = frameOfRun(0, party.epoch, party.run(party.replica, 1));
      party.send(frame.subarray(0, party.dice.between(2, frame.length - 1)));
    },
  },
  "forged register of another": {
    key: "write",
    codes: [codes.entryRefused],
    begin: async (party) => {
      const { disk } = party.relay.store;
      const [register] = await disk.registers(party.space.tag);
      if (register === undefined) return party.begin("forged entry");
      // A newer number, under the signature of this one.
      const forged = register.bytes.slice();
      new DataView(forged.buffer).setBigUint64(50, BigInt(register.number + 1_000));
      party.say({ type: "register", space: 0, publicKey: register.publicKey, register: forged });
    },
  },
  "whisper in another's name": {
    key: "write",
    codes: [codes.forbidden],
    begin: (party) => {
      const whisper = party.whisper(party.victim.replica);
      party.say({ type: "whisper", space: 0, publicKey: party.victim.pair.publicKey, whisper });
    },
  },
  "false acknowledgement": {
    key: "write",
    codes: [codes.outOfTurn],
    begin: (party) => party.say({ type: "stored", logs: [{ yourLog: 40_000, seq: 1 }] }),
  },
  "reader that writes": {
    key: "read",
    codes: [codes.forbidden],
    begin: (party) => {
      party.announce(0, party.replica, party.pair.publicKey);
      party.send(frameOfRun(0, party.epoch, party.run(party.replica, 1)));
    },
  },
};

/** From the attack to its end: the longest deadline for who has not proven anything, and delays. */
const endsWithinMs = 20_000;

class HostileParty extends Stranger {
  readonly victim: SimDevice;
  /** What the relay says it holds. */
  heads: readonly HeadRow[] = [];
  name: AttackName;
  #over = false;

  constructor(
    ground: Ground,
    relay: SimRelay,
    victim: SimDevice,
    pair: SigningPair,
    name: AttackName,
  ) {
    super(ground, relay, pair, 0);
    this.victim = victim;
    this.name = name;
    ground.schedule.after(endsWithinMs, () => {
      const { ignorable } = attacks[this.name];
      if (this.#over || this.isRelayDead || ignorable === true) return;
      ground.violated(`${this.name}: nobody ended it`);
    });
  }

  /** Does another thing than it meant to, where the relay has nothing to do it to. */
  begin(name: AttackName): void {
    this.name = name;
    void attacks[name].begin(this);
  }

  /** One entry that nobody signed. */
  run(replica: ReplicaId, first: number): Parameters<typeof frameOfRun>[2] {
    return {
      replica,
      first,
      entries: [
        {
          epoch: this.epoch,
          writer: { kind: "opens", nonce: this.bytes(16) },
          body: { kind: "sealed", sealed: this.bytes(80) },
        },
      ],
      signature: this.bytes(64),
    };
  }

  whisper(from: ReplicaId): Uint8Array {
    const { suite } = this.ground;
    const body = this.bytes(40);
    return encodeWhisper({
      suite: suite.id,
      space: this.space.tag,
      from,
      to: undefined,
      epoch: this.epoch,
      nonce: this.bytes(16),
      counter: 1,
      bodyHash: whisperBodyHash(suite, body),
      signature: this.bytes(64),
      body,
    });
  }

  keyOf(replica: ReplicaId): Uint8Array {
    const owner = this.victim.devices.find((device) => device.replica === replica);
    return (owner ?? this.victim).pair.publicKey;
  }

  protected override hear(frame: Frame): void {
    const attack = attacks[this.name];
    switch (frame.type) {
      case "greet":
        if (attack.key === "nothing") this.begin(this.name);
        else this.enter(attack.key);
        return;
      case "welcome":
        if (attack.key !== "nothing") {
          // With the relay's list at hand it knows what to forge.
          this.say({ type: "digest", space: 0, logs: this.bytes(16), registers: this.bytes(16) });
          this.after(() => this.after(() => this.after(() => this.begin(this.name))));
        } else this.ground.violated(`${this.name}: it was let in`);
        return;
      case "heads":
        this.heads = frame.heads.map((head) => ({ ...head, hash: head.hash.slice() }));
        return;
      case "leave":
        // A failed proof is no end yet; whoever was let in and is sent out has met it.
        if (attack.key !== "nothing") this.#met(frame.code);
        return;
      default:
    }
  }

  protected override ended({ code }: Ending): void {
    this.#met(code);
  }

  #met(code: Code): void {
    if (this.#over) return;
    this.#over = true;
    const attack = attacks[this.name];
    this.ground.struck(`hostile: ${this.name}`);
    // A store that fails sends everybody away, rightly or not.
    const storeFails = this.ground.options.faults["relay disk failure"] > 0;
    if (attack.codes.includes(code) || (storeFails && code === codes.unavailable)) return;
    this.ground.violated(`${this.name}: it ended with ${code}`);
  }
}

/** A hostile party comes to that relay. */
export async function attack(ground: Ground, relay: SimRelay, victim: SimDevice): Promise<void> {
  const pair = await ground.suite.newSigningPair();
  if (relay.relay === undefined) return;
  void new HostileParty(ground, relay, victim, pair, ground.dice.pick(attackNames));
}

function truncated({ relay, dice }: HostileParty): Uint8Array {
  const whole = relay.lastHello ?? Uint8Array.of(0x02, 0);
  return whole.subarray(0, dice.between(1, whole.length - 1));
}
