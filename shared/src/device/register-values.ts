/** What stands inside a register (docs/protocol.md section 5), before sealing. */
import { Malformed } from "../bytes/malformed.ts";
import { decode, type Reader } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import { readVector, type VersionVector, writeVector } from "../clock/version-vector.ts";
import { limits } from "../protocol/limits.ts";

const format = 1;
/** A register's body holds a clock over so many replicas. */
const replicasMax = 3_000;

export function encodeVectorRegister(vector: VersionVector): Uint8Array<ArrayBuffer> {
  const writer = new Writer().u8(format);
  writeVector(writer, vector);
  return writer.finish();
}

/** Padding may follow: the vector says its own length. */
export const decodeVectorRegister = (bytes: Uint8Array): VersionVector | Malformed =>
  decode(bytes, (reader) => {
    readFormat(reader);
    const vector = readVector(reader, replicasMax);
    readPadding(reader);
    return vector;
  });

export const encodeProfile = (name: string): Uint8Array<ArrayBuffer> =>
  new Writer().u8(format).text(name).finish();

export const decodeProfile = (bytes: Uint8Array): string | Malformed =>
  decode(bytes, (reader) => {
    readFormat(reader);
    const name = reader.text(limits.nameBytesMax);
    readPadding(reader);
    return name;
  });

function readFormat(reader: Reader): void {
  const read = reader.u8();
  if (read !== format) throw new Malformed(`register value of format ${read}`, "version");
}

function readPadding(reader: Reader): void {
  if (reader.rest().some((byte) => byte !== 0)) throw new Malformed("something after the end");
}
