/**
 * Operations and rumours against the golden vectors: our code writes the values beside them to exactly
 * these bytes, reads them back, and believes the signatures that others made.
 */
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "@skein/shared/bytes/bytes.ts";
import { decode } from "@skein/shared/bytes/reader.ts";
import { Writer } from "@skein/shared/bytes/writer.ts";
import { draftPost, postKind, understandChannel } from "@skein/shared/chat/post.ts";
import type { RawOperation } from "@skein/shared/crdt/crdt.ts";
import { nobleSuite } from "@skein/shared/crypto/noble-suite.ts";
import { readRumour, type Rumour, verifyRumour, writeRumour } from "@skein/shared/gossip/rumour.ts";
import {
  decodeWhisperContent,
  encodeWhisperContent,
} from "@skein/shared/gossip/whisper-content.ts";
import { type DocumentId, replicaId, spaceTag } from "@skein/shared/id/id.ts";
import { knownDocument } from "@skein/shared/log/known-document.ts";
import { replicaIdOf } from "@skein/shared/log/replica-key.ts";
import { MembershipGate } from "@skein/shared/space/membership-gate.ts";
import {
  encodeMembershipOperation,
  type MembershipOperation,
  understandMembership,
} from "@skein/shared/space/membership-operation.ts";
import { encodeSetting, setKind, understandSetting } from "@skein/shared/space/setting.ts";
import { S } from "../support/open-ssl.ts";
import {
  bytesOf,
  type Field,
  fieldOf,
  hexOf,
  loadVectors,
  type SeedVector,
} from "../support/vectors.ts";

interface OperationVector {
  readonly name: string;
  readonly kind: number;
  /** What it says, byte strings aside; null for what this version parks. */
  readonly value: Readonly<Record<string, unknown>> | null;
  readonly payload: readonly Field[];
}

interface RumourVector {
  readonly name: string;
  readonly label: string;
  readonly signer: SeedVector;
  readonly space: string;
  readonly value: Omit<Rumour, "replica" | "signature" | "where"> & {
    readonly where: string | null;
  };
  readonly bytes: readonly Field[];
}

interface AdmissionVector {
  readonly name: string;
  readonly signer: SeedVector;
}

const suite = nobleSuite({ bytes: (length) => new Uint8Array(length), fraction: () => 0 });
const operations = loadVectors<OperationVector>("operations.json");
const rumours = loadVectors<RumourVector>("rumours.json");

const rawOf = ({ kind, payload }: OperationVector): RawOperation => ({
  kind,
  payload: bytesOf(payload),
});
const operationOf = (name: string): RawOperation => {
  const found = operations.find((each) => each.name === name);
  if (found === undefined) throw new Error(`no vector ${name}`);
  return rawOf(found);
};

describe.each(operations.map((vector) => [vector.name, vector] as const))("%s", (_, vector) => {
  const raw = rawOf(vector);

  it("means what stands beside it", () => {
    expect(meaningOf(raw)).toEqual(vector.value);
  });

  it("is written to exactly these bytes", () => {
    expect(toHex(rewritten(raw).payload)).toBe(hexOf(vector.payload));
    expect(rewritten(raw).kind).toBe(vector.kind);
  });
});

/** What an operation says, without what stands in its fields: keys, hashes and signatures. */
function meaningOf(raw: RawOperation): Readonly<Record<string, unknown>> | null {
  const understood = understand(raw);
  if (understood.kind === "void") throw new Error(understood.reason);
  if (understood.kind === "parked") return null;
  const said = Object.entries(understood.op);
  if (raw.kind === setKind) {
    return Object.fromEntries(
      said.map(([key, value]) => [key, value instanceof Uint8Array ? toHex(value) : (value ?? "")]),
    );
  }
  return Object.fromEntries(
    said
      .filter(([, value]) => !(value instanceof Uint8Array))
      .map(([key, value]) => [key, (value as unknown) ?? null]),
  );
}

function understand(raw: RawOperation) {
  if (raw.kind === postKind) return understandChannel(raw);
  return raw.kind === setKind ? understandSetting(raw) : understandMembership(raw);
}

/** The operation as our encoders write what our decoders read; parked ones stay as they are. */
function rewritten(raw: RawOperation): RawOperation {
  if (raw.kind === postKind) {
    const understood = understandChannel(raw);
    if (understood.kind !== "known") throw new Error("not understood");
    const draft = draftPost(understood.op.text, understood.op.timeMs);
    if (draft.kind !== "ready") throw new Error(draft.reason);
    return draft.operation;
  }
  if (raw.kind === setKind) {
    const understood = understandSetting(raw);
    if (understood.kind !== "known") throw new Error("not understood");
    return encodeSetting(understood.op);
  }
  const understood = understandMembership(raw);
  if (understood.kind === "void") throw new Error(understood.reason);
  if (understood.kind === "parked") return understood.raw;
  const op: MembershipOperation = understood.op;
  return encodeMembershipOperation(op);
}

it("a founder's first entry makes them a member", async () => {
  const [genesis] = loadVectors<AdmissionVector>("admissions.json");
  const [first] = rumours;
  if (genesis === undefined || first === undefined) throw new Error("vectors are missing");
  const space = spaceTag(fromHex(first.space));
  const replica = replicaIdOf(suite, fromHex(first.signer.public));
  const gate = new MembershipGate({ suite, space, adminKey: fromHex(genesis.signer.public) });
  const plain = {
    deps: [],
    lamport: 1,
    document: knownDocument(suite, space, "membership"),
    operations: [operationOf("introduce"), operationOf("genesis of a shared space")],
  };
  await gate.examine([{ replica, seq: 1, plain }]);
  expect(gate.unfounded).toEqual([]);
  expect(gate.admitted(replica)).toBe(true);
  expect(gate.membership.spaceName).toBe("Gärtchen");
});

describe.each(rumours.map((vector) => [vector.name, vector] as const))(
  "a rumour: %s",
  (_, vector) => {
    const rumour: Rumour = {
      ...vector.value,
      where: (vector.value.where ?? undefined) as DocumentId | undefined,
      replica: replicaId(fieldOf(vector.bytes, "replica")),
      signature: fieldOf(vector.bytes, "signature"),
    };

    it("is these bytes", () => {
      const writer = new Writer();
      writeRumour(writer, rumour);
      expect(toHex(writer.finish())).toBe(hexOf(vector.bytes));
      expect(decode(bytesOf(vector.bytes), readRumour)).toEqual(rumour);
    });

    it("is signed as OpenSSL signs it", async () => {
      const said = fromHex(vector.space + hexOf(vector.bytes.slice(0, -1)));
      const signature = S(fromHex(vector.signer.seed), vector.label, said);
      expect(toHex(signature)).toBe(toHex(rumour.signature));
      const [key, space] = [fromHex(vector.signer.public), spaceTag(fromHex(vector.space))];
      expect(await verifyRumour(suite, key, space, rumour)).toBe(true);
    });

    it("travels in a whisper", () => {
      const plain = encodeWhisperContent({ kind: "presence", rumours: [rumour] });
      expect(toHex(plain)).toBe(`0101${hexOf(vector.bytes)}`);
      expect(decodeWhisperContent(plain)).toEqual({ kind: "presence", rumours: [rumour] });
    });
  },
);
