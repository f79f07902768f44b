/** What a session says to be stored at the other party: people are told "Sent" by it. */
import { describe, expect, it } from "vitest";
import type { ReplicaId } from "../id/id.ts";
import { Author, newEnv, ownAppend, settle, suite, tag, TestParty } from "./parties.contract.ts";
import type { Session } from "./session.ts";

/** Notes what it would tell people whenever it might. */
class Teller extends TestParty {
  readonly told: number[] = [];
  override onCompared(session?: Session): void {
    const [own] = this.exchange.ownLogs;
    if (session !== undefined && own !== undefined) this.told.push(session.storedTo(own));
  }
  override onStored(session: Session, replica: ReplicaId, seq: number): void {
    super.onStored(session, replica, seq);
    this.onCompared(session);
  }
}

/** Two copies of one device with two entries in common, and a relay that holds four of the other's. */
async function forked() {
  const env = newEnv();
  const pair = await suite.newSigningPair();
  const [own, other] = [new Author(pair), new Author(pair)];
  const common = await own.write(2);
  [other.seq, other.hash] = [own.seq, own.hash];
  const device = new Teller("device", env, [own.replica], undefined, { heals: false });
  const relay = new TestParty("relay", env, [], undefined, { heals: false });
  await ownAppend(device, common);
  await ownAppend(relay, common);
  await ownAppend(relay, await other.write(2));
  return { env, own, device, relay };
}

/** A device and a relay that have not met. */
async function apart() {
  const env = newEnv();
  const ana = await Author.make();
  const device = new Teller("device", env, [ana.replica]);
  return { env, ana, device, relay: new TestParty("relay", env) };
}

describe("what is said to be stored", () => {
  it("is no entry of another branch, however often that is listed", async () => {
    const { env, own, device, relay } = await forked();
    await ownAppend(device, await own.write(1));
    device.connect(relay);
    await settle();
    await ownAppend(device, await own.write(2));
    for (let round = 0; round < 4; round++) {
      env.advance(6_000);
      device.session?.compare();
      await settle();
    }
    expect(device.told.filter((seq) => seq > 2)).toEqual([]);
  });

  it("is no entry that was typed after a longer list came", async () => {
    const { own, device, relay } = await forked();
    await ownAppend(device, await own.write(1));
    // Nothing of theirs arrives but the list.
    relay.tap = (frame) => frame[0] !== 0x13 && frame[0] !== 0x14;
    device.connect(relay);
    await settle();
    await ownAppend(device, await own.write(1));
    device.onCompared(device.session);
    expect(device.told.filter((seq) => seq > 2)).toEqual([]);
  });

  it("is what both have in common, once its hash was read", async () => {
    const { ana, device, relay } = await apart();
    const [first, second] = [await ana.write(3), await ana.write(2)];
    for (const run of [first, second]) await ownAppend(device, run);
    await ownAppend(relay, first);
    // What is pushed does not arrive.
    device.tap = (frame) => frame[0] !== 0x13 && frame[0] !== 0x14;
    device.connect(relay);
    await settle();
    expect(device.session?.storedTo(ana.replica)).toBe(3);
    expect(device.told.at(-1)).toBe(3);
  });

  it("falls with what they say to lack", async () => {
    const { ana, device, relay } = await apart();
    await ownAppend(device, await ana.write(4));
    device.connect(relay);
    await settle();
    expect(device.session?.storedTo(ana.replica)).toBe(4);
    const { replica } = ana;
    const space = 3;
    device.session?.onFrame({
      ...{ type: "want", space, replica, first: 3, last: 2 ** 53 - 1, form: "entries" },
    });
    expect(device.session?.storedTo(replica)).toBe(2);
  });

  it("is not made a number without end by a fork that nobody can see", async () => {
    const { env, ana, device, relay } = await apart();
    await ownAppend(device, await ana.write(2));
    device.connect(relay);
    await settle();
    const unknown = (await Author.make()).replica;
    for (const replica of [ana.replica, unknown]) {
      const hash = new Uint8Array(32).fill(1);
      device.session?.onFrame({ type: "fork", space: 3, replica, seq: 2 ** 50, hash });
    }
    await settle();
    env.advance(6_000);
    relay.session?.compare();
    await settle();
    expect(device.session?.missing).toBe(0);
    expect(device.session?.storedTo(ana.replica)).toBe(2);
    expect((await device.store.heads(tag)).length).toBe(1);
  });
});
