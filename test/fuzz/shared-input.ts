/** The input that runs now, in memory of two threads: `count ‖ (length ‖ bytes)*` behind a counter. */
import type { Input } from "./target.ts";

/** Room for the longest input; what is longer is told in part. */
const bytesMax = 4 * 2 ** 20;

/** Words before the bytes: how many inputs were told, whether one runs, how many pieces it has. */
const counter = 0;
const running = 1;
const pieces = 2;
const headBytes = 12;

export const newSharedInput = (): SharedArrayBuffer => new SharedArrayBuffer(headBytes + bytesMax);

export function tellInput(shared: SharedArrayBuffer, input: Input): void {
  const head = new Int32Array(shared, 0, 3);
  const bytes = new Uint8Array(shared);
  const view = new DataView(shared);
  let at = headBytes;
  let told = 0;
  for (const piece of input) {
    if (at + 4 + piece.length > bytes.length) break;
    view.setUint32(at, piece.length);
    bytes.set(piece, at + 4);
    at += 4 + piece.length;
    told++;
  }
  Atomics.store(head, pieces, told);
  Atomics.store(head, running, 1);
  Atomics.add(head, counter, 1);
}

/** Nothing runs any more: silence is no hang. */
export function tellDone(shared: SharedArrayBuffer): void {
  Atomics.store(new Int32Array(shared, 0, 3), running, 0);
}

export const isInputRunning = (shared: SharedArrayBuffer): boolean =>
  Atomics.load(new Int32Array(shared, 0, 3), running) === 1;

export const inputsTold = (shared: SharedArrayBuffer): number =>
  Atomics.load(new Int32Array(shared, 0, 3), counter);

export function toldInput(shared: SharedArrayBuffer): Input {
  const view = new DataView(shared);
  const count = new Int32Array(shared, 0, 3)[pieces] ?? 0;
  const input: Uint8Array[] = [];
  let at = headBytes;
  for (let index = 0; index < count; index++) {
    const length = view.getUint32(at);
    input.push(Uint8Array.from(new Uint8Array(shared, at + 4, length)));
    at += 4 + length;
  }
  return input;
}
