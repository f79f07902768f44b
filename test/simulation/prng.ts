/** One seeded generator for everything in a simulation (Blackman and Vigna's xoshiro128**). */
import type { Random } from "@skein/shared/env.ts";

export class Prng implements Random {
  readonly #s: [number, number, number, number];

  constructor(seed: number) {
    // SplitMix32 spreads small seeds over the whole state.
    let x = seed >>> 0;
    const next = (): number => {
      x = (x + 0x9e3779b9) >>> 0;
      let z = x;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return (z ^ (z >>> 16)) >>> 0;
    };
    this.#s = [next(), next(), next(), next()];
  }

  u32(): number {
    const s = this.#s;
    const result = Math.imul(rotl(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 11);
    return result;
  }

  fraction(): number {
    return this.u32() / 0x1_0000_0000;
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 4) {
      const word = this.u32();
      for (let index = at; index < Math.min(length, at + 4); index++) {
        bytes[index] = word >>> (8 * (index - at));
      }
    }
    return bytes;
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.fraction() * (most - least + 1));
  }

  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.fraction() * items.length)];
    if (item === undefined) throw new RangeError("nothing to pick from");
    return item;
  }
}

const rotl = (x: number, k: number): number => (x << k) | (x >>> (32 - k));
