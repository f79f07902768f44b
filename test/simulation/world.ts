/**
 * A world of devices with tabs, relays, wires and disks in one process, driven by one seed. What
 * runs in it is the shipped core and storage logic; the world supplies time, dice, delays, faults
 * and the browser's manners (locks, channels between tabs, a disk that may lose what was relaxed).
 */
import { newSpace } from "@skein/shared/space/new-space.ts";
import { Books } from "./books.ts";
import type { Equivocator } from "./equivocator.ts";
import { Ground } from "./ground.ts";
import type { Mutant } from "./mutants.ts";
import type { Options } from "./options.ts";
import { SimDevice } from "./sim-device.ts";
import { SimRelay } from "./sim-relay.ts";
import { SimStore } from "./sim-store.ts";
import type { SimWire } from "./wire.ts";

export class World {
  readonly ground: Ground;
  readonly books: Books;
  readonly relays: readonly SimRelay[];
  readonly devices: readonly SimDevice[];
  /** Made when it strikes first. */
  equivocator: Promise<Equivocator> | undefined;
  readonly #everybody: SimDevice[];

  static async begin(options: Options, mutant: Mutant | undefined): Promise<World> {
    const ground = new Ground(options, mutant);
    const { suite, dice } = ground;
    ground.space = await newSpace(suite, dice);
    const { secret: writeKey } = await suite.signingPairFromSeed(ground.space.seeds.write);
    const books = new Books(ground);
    const { sharedStore } = options;
    const shared = new SimStore(ground, sharedStore);
    const relays = Array.from({ length: options.relays }, (_, index) => {
      const store = sharedStore ? shared : new SimStore(ground, false);
      return new SimRelay(ground, books, `https://relay-${index}.test`, store);
    });
    const devices: SimDevice[] = [];
    for (let index = 0; index < options.devices; index++) {
      const pair = await suite.newSigningPair();
      // Without a common store relays have nothing to do with each other: the first device joins them.
      const count = index === 0 && !sharedStore ? options.relays : options.linksPerDevice;
      const reached = [...relays.slice(index % relays.length), ...relays].slice(0, count);
      devices.push(
        new SimDevice(ground, books, { index, pair, writeKey, relays: reached, devices }),
      );
    }
    for (const device of devices) {
      if (options.snapshots && device.index === devices.length - 1) {
        // Somebody new, when there is something to come in by; at the latest when all heals.
        const atMs = (options.faultySeconds * 1_000 * dice.between(60, 130)) / 100;
        ground.schedule.after(atMs, () => {
          if (device.tabs.length === 0) device.arrive();
        });
        continue;
      }
      for (let count = dice.between(1, options.tabsMax); count > 0; count--) device.openTab();
    }
    return new World(ground, books, relays, devices);
  }

  private constructor(
    ground: Ground,
    books: Books,
    relays: readonly SimRelay[],
    devices: SimDevice[],
  ) {
    this.ground = ground;
    this.books = books;
    this.relays = relays;
    this.devices = devices;
    this.#everybody = devices;
  }

  /** Another device with the same keys; its disk is empty. */
  clone({ pair, writeKey, relays }: SimDevice): SimDevice {
    const { ground, books } = this;
    books.twoAreOne();
    const index = this.devices.length;
    const devices = this.#everybody;
    const clone = new SimDevice(ground, books, { index, pair, writeKey, relays, devices });
    devices.push(clone);
    return clone;
  }

  get wires(): SimWire[] {
    return this.relays.flatMap((relay) => [...relay.wires]);
  }
}
