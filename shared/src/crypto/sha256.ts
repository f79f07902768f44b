/**
 * SHA-256 (FIPS 180-4) for many short inputs, synchronously: every entry is hashed twice, and what
 * hashing costs decides how long a device takes to catch up. @noble's, which is written for all
 * hashes alike, takes two and a half times as long in Chromium, and compiled to WebAssembly it gains
 * less than that, because each call crosses over. The test beside holds this one to @noble's bytes.
 */

/** The first 32 bits of the fractions of the cube roots of the first 64 primes. */
// prettier-ignore
const constants = Int32Array.of(
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
);

const blockBytes = 64;
const state = new Int32Array(8);
const schedule = new Int32Array(64);
/** The last block or two: what is left of the input, its padding and length. */
const ending = new Uint8Array(2 * blockBytes);
const endingView = new DataView(ending.buffer);

/** 32 bytes, the caller's own. @param length of `input` that counts: a view of it costs as much as a block. */
export function sha256(input: Uint8Array, length = input.length): Uint8Array<ArrayBuffer> {
  state[0] = 0x6a09e667;
  state[1] = 0xbb67ae85;
  state[2] = 0x3c6ef372;
  state[3] = 0xa54ff53a;
  state[4] = 0x510e527f;
  state[5] = 0x9b05688c;
  state[6] = 0x1f83d9ab;
  state[7] = 0x5be0cd19;
  let at = 0;
  for (; at + blockBytes <= length; at += blockBytes) compress(input, at);

  const left = length - at;
  for (let to = 0; to < left; to++) ending[to] = byteAt(input, at + to);
  ending[left] = 0x80;
  const end = left < blockBytes - 8 ? blockBytes : 2 * blockBytes;
  endingView.setUint32(end - 8, Math.floor(length / 0x2000_0000));
  endingView.setUint32(end - 4, length << 3);
  for (let block = 0; block < end; block += blockBytes) compress(ending, block);

  const digest = new Uint8Array(32);
  for (let word = 0, to = 0; word < 8; word++) {
    const value = state[word] ?? 0;
    digest[to++] = value >>> 24;
    digest[to++] = value >>> 16;
    digest[to++] = value >>> 8;
    digest[to++] = value;
  }
  // Nothing of the input is left behind, which may have been a key.
  ending.fill(0);
  schedule.fill(0);
  return digest;
}

function compress(input: Uint8Array, from: number): void {
  const w = schedule;
  for (let t = 0, at = from; t < 16; t++, at += 4) {
    w[t] =
      (byteAt(input, at) << 24) |
      (byteAt(input, at + 1) << 16) |
      (byteAt(input, at + 2) << 8) |
      byteAt(input, at + 3);
  }
  for (let t = 16; t < 64; t++) {
    const x = wordAt(w, t - 15);
    const y = wordAt(w, t - 2);
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[t] = (s0 + wordAt(w, t - 7) + s1 + wordAt(w, t - 16)) | 0;
  }
  let a = wordAt(state, 0);
  let b = wordAt(state, 1);
  let c = wordAt(state, 2);
  let d = wordAt(state, 3);
  let e = wordAt(state, 4);
  let f = wordAt(state, 5);
  let g = wordAt(state, 6);
  let h = wordAt(state, 7);
  for (let t = 0; t < 64; t++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const chosen = (e & f) ^ (~e & g);
    const t1 = (h + s1 + chosen + wordAt(constants, t) + wordAt(w, t)) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const majority = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + s0 + majority) | 0;
  }
  state[0] = wordAt(state, 0) + a;
  state[1] = wordAt(state, 1) + b;
  state[2] = wordAt(state, 2) + c;
  state[3] = wordAt(state, 3) + d;
  state[4] = wordAt(state, 4) + e;
  state[5] = wordAt(state, 5) + f;
  state[6] = wordAt(state, 6) + g;
  state[7] = wordAt(state, 7) + h;
}

// The bounds are known; the defaults are for the compiler alone.
const byteAt = (bytes: Uint8Array, index: number): number => bytes[index] ?? 0;
const wordAt = (words: Int32Array, index: number): number => words[index] ?? 0;
