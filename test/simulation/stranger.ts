/**
 * A party at a relay that is none of the world's devices and says what it likes: frames by hand, over a
 * wire of its own, in order. Who extends it decides what to make of the relay's answers.
 */
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { Keyring } from "@skein/shared/crypto/keyring.ts";
import type { SigningPair } from "@skein/shared/crypto/suite.ts";
import type { EpochId, ReplicaId } from "@skein/shared/id/id.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import {
  accessLabels,
  accessProofMessage,
  replicaProofMessage,
} from "@skein/shared/protocol/access.ts";
import { decodeFrame, encodeFrame } from "@skein/shared/protocol/codec.ts";
import type { Frame, Mode } from "@skein/shared/protocol/messages.ts";
import type { Connection, Ending } from "@skein/shared/sync/connection.ts";
import type { Ground } from "./ground.ts";
import type { SimRelay } from "./sim-relay.ts";

export abstract class Stranger {
  readonly relay: SimRelay;
  readonly pair: SigningPair;
  readonly replica: ReplicaId;
  readonly epoch: EpochId;
  protected readonly ground: Ground;
  readonly #nonce: Uint8Array;
  readonly #connection: Connection;
  readonly #process: SimRelay["process"];
  #theirNonce: Uint8Array = new Uint8Array(16);
  #upAtMs = 0;

  /** At a relay that runs. */
  constructor(ground: Ground, relay: SimRelay, pair: SigningPair, capabilities: number) {
    this.ground = ground;
    this.relay = relay;
    this.pair = pair;
    this.replica = replicaIdOf(ground.suite, pair.publicKey);
    this.epoch = new Keyring(ground.suite, ground.space.tag, ground.space.contentKey).current;
    this.#nonce = ground.dice.bytes(16);
    this.#process = relay.process;
    const connection = relay.connect({
      send: (frame) => this.after(() => this.#hear(frame)),
      close: () => {},
    });
    if (connection === undefined) throw new Error("a relay that runs takes connections");
    this.#connection = connection;
    relay.hostile.set(connection, (end) => {
      relay.hostile.delete(connection);
      this.ended(end);
    });
    this.say({
      type: "greet",
      versionMin: 1,
      versionMax: 1,
      party: "device",
      durable: true,
      nonce: this.#nonce,
      capabilities,
    });
  }

  protected abstract hear(frame: Frame): void;
  protected abstract ended(end: Ending): void;

  get dice(): Ground["dice"] {
    return this.ground.dice;
  }

  get space(): Ground["space"] {
    return this.ground.space;
  }

  get isRelayDead(): boolean {
    return this.#process.dead;
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return this.dice.bytes(length);
  }

  /** In order, as over any wire. */
  send(frame: Uint8Array): void {
    const { nowMs } = this.ground;
    this.#upAtMs = Math.max(this.#upAtMs, nowMs + this.ground.latency());
    this.#process.after(this.#upAtMs - nowMs, () => {
      if (!this.#connection.ended) this.#connection.receive(frame);
    });
  }

  say(frame: Frame): void {
    this.send(encodeFrame(frame));
  }

  hello(mode: Mode, proof: Uint8Array, replicaProof?: Uint8Array): void {
    const { publicKey } = this.pair;
    this.say({
      type: "hello",
      space: 0,
      tag: this.space.tag,
      mode,
      certificates: [this.space.certificate],
      proof,
      replicas: replicaProof === undefined ? [] : [{ publicKey, proof: replicaProof }],
    });
  }

  /** With the space's key and a proof of its own, once the relay has greeted. */
  enter(mode: Mode): void {
    this.#enter(mode).catch((error: unknown) => this.ground.bug(error));
  }

  announce(log: number, replica: ReplicaId, publicKey: Uint8Array): void {
    this.say({ type: "alias", log, space: 0, replica, epoch: this.epoch, publicKey });
  }

  /** As long as a frame takes. */
  protected after(run: () => void): void {
    this.#process.after(this.ground.latency(), run);
  }

  #hear(bytes: Uint8Array): void {
    const frame = decodeFrame(bytes);
    if (isMalformed(frame)) return this.ground.violated(`a relay sent ${frame.message}`);
    if (frame.type === "greet") this.#theirNonce = frame.nonce.slice();
    this.hear(frame);
  }

  async #enter(mode: Mode): Promise<void> {
    const { suite, space } = this.ground;
    const seed = mode === "write" ? space.seeds.write : space.seeds.read;
    const { secret: key } = await suite.signingPairFromSeed(seed);
    const transcript = {
      origin: this.relay.name,
      responderNonce: this.#theirNonce,
      initiatorNonce: this.#nonce,
      space: space.tag,
    };
    this.hello(
      mode,
      await suite.sign(key, accessLabels.access, accessProofMessage(transcript, mode)),
      await suite.sign(this.pair.secret, accessLabels.replica, replicaProofMessage(transcript)),
    );
  }
}
