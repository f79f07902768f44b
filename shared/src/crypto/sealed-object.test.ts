import { describe, expect, it } from "vitest";
import { isMalformed } from "../bytes/malformed.ts";
import { decode } from "../bytes/reader.ts";
import { Writer } from "../bytes/writer.ts";
import type { BlobId } from "../id/id.ts";
import { blobBytesMax, blobIdOf } from "../log/blob.ts";
import { nobleSuite } from "./noble-suite.ts";
import {
  type ObjectRef,
  objectBytesMax,
  openObject,
  pieceBytes,
  readObjectRef,
  sealObject,
  writeObjectRef,
} from "./sealed-object.ts";

const suite = nobleSuite({ bytes: (length) => new Uint8Array(length).fill(7), fraction: () => 0 });
const key = new Uint8Array(32).fill(9);
const text = (length: number) => Uint8Array.from({ length }, (_, at) => (at * 31) & 0xff);

async function kept(plain: Uint8Array) {
  const { ref, blobs } = await sealObject(suite, key, plain);
  const held = new Map<BlobId, Uint8Array>(blobs.map(({ id, bytes }) => [id, bytes]));
  return {
    ref,
    blobs,
    held,
    open: (of: ObjectRef) => openObject(suite, of, async (id) => held.get(id)),
  };
}

describe("a sealed object", () => {
  it.each([0, 1, 1_000, pieceBytes - 1, pieceBytes, pieceBytes + 1, 2 * pieceBytes])(
    "of %d bytes opens to what was sealed",
    async (length) => {
      const { ref, blobs, open } = await kept(text(length));
      expect(await open(ref)).toEqual(text(length));
      expect(ref.size).toBe(length);
      expect(ref.chunks).toHaveLength(Math.max(1, Math.ceil(length / pieceBytes)));
      for (const { id, bytes } of blobs) {
        expect(blobIdOf(suite, bytes)).toBe(id);
        expect(bytes.length).toBeLessThanOrEqual(blobBytesMax);
      }
    },
  );

  it("tells all pieces that are lacking, or are not what they were", async () => {
    const { ref, held, open } = await kept(text(3 * pieceBytes));
    const [first, second, third] = ref.chunks as [BlobId, BlobId, BlobId];
    held.delete(third);
    const flipped = Uint8Array.from(held.get(first) ?? []);
    flipped[5] = (flipped[5] ?? 0) ^ 1;
    held.set(first, flipped);
    expect(await open(ref)).toEqual({ kind: "lacking", ids: [first, third] });
    expect(held.has(second)).toBe(true);
    held.set(first, new Uint8Array(blobBytesMax + 1));
    expect(await open(ref)).toEqual({ kind: "lacking", ids: [first, third] });
  });

  it("is void when its pieces stand elsewhere, are left out, or are of another object", async () => {
    const { ref, open } = await kept(text(2 * pieceBytes + 5));
    const [first, second, third] = ref.chunks as [BlobId, BlobId, BlobId];
    const void_ = async (change: Partial<ObjectRef>) =>
      expect(await open({ ...ref, ...change })).toBe("void");
    await void_({ chunks: [second, first, third] });
    await void_({ chunks: [first, first, third] });
    await void_({ chunks: [first, second], size: 2 * pieceBytes });
    await void_({ chunks: [first, second] });
    await void_({ chunks: [] });
    await void_({ size: ref.size - 1 });
    await void_({ size: ref.size + 1 });
    await void_({ key: new Uint8Array(32).fill(8) });
    await void_({ key: new Uint8Array(31) });
  });

  it("claims no memory for a size that is a lie", async () => {
    const { ref, open } = await kept(text(10));
    for (const size of [objectBytesMax + 1, 2 ** 52, -1, 0.5, Number.NaN]) {
      expect(await open({ ...ref, size })).toBe("void");
    }
    await expect(sealObject(suite, key, new Uint8Array(objectBytesMax + 1))).rejects.toThrow(
      RangeError,
    );
  });

  it("is sealed under no key of another length", async () => {
    await expect(sealObject(suite, new Uint8Array(16), text(1))).rejects.toThrow(RangeError);
  });
});

describe("a reference to an object", () => {
  const write = (ref: ObjectRef) => writeObjectRef(new Writer(), ref).finish();

  it("is read as it was written, and keeps nothing of the bytes", async () => {
    const { ref } = await kept(text(pieceBytes + 1));
    const bytes = write(ref);
    const read = decode(bytes, readObjectRef);
    bytes.fill(0);
    expect(read).toEqual(ref);
  });

  it("with other pieces than its size asks for is malformed", async () => {
    const { ref } = await kept(text(pieceBytes + 1));
    const malformed = (bytes: Uint8Array) =>
      expect(isMalformed(decode(bytes, readObjectRef))).toBe(true);
    malformed(write({ ...ref, size: 5 }));
    malformed(write({ ...ref, size: 3 * pieceBytes }));
    malformed(write({ ...ref, size: 2 ** 50 }));
    malformed(write({ ...ref, chunks: [] }));
    const bytes = write(ref);
    for (let length = 0; length < bytes.length; length++) malformed(bytes.subarray(0, length));
  });
});
