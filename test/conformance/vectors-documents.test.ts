/**
 * Notes and the catalog against the golden vectors: interned updates to the Yjs updates they stand
 * for and back, and changes that Automerge's own API made, in the order of the files.
 */
import { readFileSync } from "node:fs";
import { initializeWasm } from "@automerge/automerge/slim";
import { fromHex, toHex } from "@skein/shared/bytes/bytes.ts";
import { Malformed } from "@skein/shared/bytes/malformed.ts";
import { YjsDocument } from "@skein/shared/crdt/engine/yjs-document.ts";
import { internUpdate, joinUpdates, resolveUpdate } from "@skein/shared/crdt/engine/yjs-update.ts";
import { documentId } from "@skein/shared/id/id.ts";
import { defineNote, noteContent } from "@skein/shared/note/note-schema.ts";
import { Catalog } from "@skein/shared/space/catalog.ts";
import { catalogGenesis } from "@skein/shared/space/catalog-genesis.ts";
import { beforeAll, describe, expect, it } from "vitest";
import { bytesOf, type Field, hexOf, loadVectors } from "../support/vectors.ts";

interface UpdateVector {
  readonly name: string;
  readonly client: number;
  readonly bytes: readonly Field[];
  /** The same as Yjs would write it. */
  readonly update: readonly Field[];
  /** The note after this update and those before it. */
  readonly shown: string;
}

interface ChangeVector {
  readonly name: string;
  readonly actor: string;
  readonly hash: string;
  readonly change: string;
  /** Of the catalog after this change and those before it. */
  readonly shows: {
    readonly notes: readonly Readonly<Record<string, unknown>>[];
    readonly channels: readonly Readonly<Record<string, unknown>>[];
  };
}

const updates = loadVectors<UpdateVector>("note-updates.json");
const changes = loadVectors<ChangeVector>("catalog.json");

beforeAll(() => {
  const path = new URL(import.meta.resolve("@automerge/automerge/automerge.wasm"));
  return initializeWasm(new Uint8Array(readFileSync(path)));
});

describe.each(updates.map((vector) => [vector.name, vector] as const))("%s", (_, vector) => {
  const { client, bytes, update } = vector;

  it("is interned to these bytes", () => {
    const interned = internUpdate(bytesOf(update), client);
    if (interned instanceof Malformed) throw interned;
    expect(toHex(interned)).toBe(hexOf(bytes));
  });

  it("is resolved from them", () => {
    const resolved = resolveUpdate(bytesOf(bytes), client);
    if (resolved instanceof Malformed) throw resolved;
    expect(toHex(joinUpdates(client, [resolved]))).toBe(hexOf(update));
  });
});

it("a note shows what its updates say", () => {
  const note = new YjsDocument();
  defineNote(note.doc);
  for (const { client, bytes, shown } of updates) {
    expect(note.apply([{ client, update: bytesOf(bytes) }])).toEqual([{ kind: "applied" }]);
    expect(String(noteContent(note.doc).toJSON())).toBe(shown);
  }
});

const general = documentId(fromHex("fe".repeat(8)));

it("a catalog begins with these bytes", () => {
  const [genesis] = changes;
  expect(toHex(catalogGenesis.change)).toBe(genesis?.change);
  const { view } = new Catalog({ general });
  expect(view.heads).toEqual([genesis?.hash]);
  expect(view).toMatchObject(genesis?.shows ?? {});
});

it("a catalog shows what its changes say", () => {
  const catalog = new Catalog({ general });
  for (const { actor, hash, change, shows } of changes.slice(1)) {
    const { outcomes } = catalog.apply([{ actor, change: fromHex(change) }]);
    expect(outcomes).toEqual([{ kind: "applied" }]);
    expect(catalog.view.heads).toContain(hash);
    expect(catalog.view).toMatchObject(shows);
  }
});
