/**
 * The wrapping of what an engine keeps on devices, and in snapshots of spaces: `version u8 ‖ CRC-32 of the rest u32 ‖ rest`. A
 * disk may damage what it holds, and the engines' readers trust what they read: a wrong count in a Yjs
 * snapshot runs for ever (github.com/yjs/yjs/issues/687). Bytes that differ from those written never
 * reach them.
 */
import { crc32 } from "../../bytes/crc32.ts";
import { Malformed } from "../../bytes/malformed.ts";
import { decode, type Reader } from "../../bytes/reader.ts";
import { Writer } from "../../bytes/writer.ts";

const version = 2;
const headBytes = 5;

/** @param write puts what is to be kept behind the wrapping. */
export function keptBytes(write: (to: Writer) => unknown): Uint8Array<ArrayBuffer> {
  const writer = new Writer(4_096).u8(version).u32(0);
  write(writer);
  const bytes = writer.finish();
  new DataView(bytes.buffer).setUint32(1, crc32(bytes.subarray(headBytes)));
  return bytes;
}

/** What was kept; views of `bytes`. Malformed if they are not those that were written. */
export const readKept = <Kept>(bytes: Uint8Array, read: (from: Reader) => Kept): Kept | Malformed =>
  decode(bytes, (reader) => {
    if (reader.u8() !== version) throw new Malformed("unknown version of a snapshot");
    if (reader.u32() !== crc32(bytes.subarray(headBytes))) {
      throw new Malformed("snapshot damaged");
    }
    return read(reader);
  });
