/**
 * The bytes of a setting: docs/protocol.md section 4.2, kind `0x50`, in the *settings* document of a
 * personal space. What keys there are and what their values mean is each feature's own matter.
 */
import { isMalformed, Malformed } from "../bytes/malformed.ts";
import { decode } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import type { RawOperation, Understood } from "../crdt/crdt.ts";
import type { SetOperation } from "../crdt/op/lww-map.ts";
import { limits } from "../protocol/limits.ts";

export const setKind = 0x50;

/** On the wire an empty value unsets its key. */
export type SetSetting = SetOperation<Uint8Array>;

const unset = new Uint8Array(0);

/** Throws a `RangeError` for a key that is empty, or a key or value that is too long. */
export function encodeSetting({ key, value = unset }: SetSetting): RawOperation {
  const keyBytes = new TextEncoder().encode(key);
  if (keyBytes.length === 0 || keyBytes.length > limits.settingKeyBytesMax) {
    throw new RangeError(`a setting's key of ${keyBytes.length} bytes`);
  }
  if (!key.isWellFormed()) throw new RangeError("a setting's key that is not text");
  if (value.length > limits.settingValueBytesMax) {
    throw new RangeError(`a setting of ${value.length} bytes`);
  }
  const writer = new Writer(keyBytes.length + value.length + 8).bytes(keyBytes).bytes(value);
  return { kind: setKind, payload: writer.finish() };
}

/** What an operation of the settings document means to this version. */
export function understandSetting(raw: RawOperation): Understood<SetSetting> {
  if (raw.kind !== setKind) return { kind: "parked", raw };
  const op = decode(raw.payload, (reader) => {
    const key = reader.text(limits.settingKeyBytesMax);
    if (key === "") throw new Malformed("a setting without a key");
    const value = reader.bytes(limits.settingValueBytesMax);
    // A copy: the entry that the payload is a view into goes away.
    return { key, value: value.length === 0 ? undefined : value.slice() };
  });
  return isMalformed(op) ? { kind: "void", reason: op.message } : { kind: "known", op };
}
