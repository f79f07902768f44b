/**
 * The frames of docs/protocol.md section 8 as one union. `codec.ts` turns them into bytes and
 * back; `decodeFrame(encodeFrame(frame))` equals `frame`. Numbers of spaces and logs are the
 * sender's own and were announced by `hello`, `welcome` and `alias`.
 */
import type { BlobId, EpochId, RegisterName, ReplicaId, SpaceTag } from "../id/id.ts";
import type { Entry } from "../log/entry.ts";
import type { Code } from "./codes.ts";

export const protocolVersion = 1;

export type Party = "relay" | "device";
export type Mode = "read" | "write";

export type Frame =
  | {
      readonly type: "greet";
      readonly versionMin: number;
      readonly versionMax: number;
      readonly party: Party;
      readonly durable: boolean;
      readonly nonce: Uint8Array;
      readonly capabilities: number;
    }
  | Hello
  | {
      readonly type: "welcome";
      readonly yourSpace: number;
      readonly mySpace: number;
      readonly certificate: number;
      readonly present: readonly ReplicaId[];
    }
  | {
      readonly type: "leave";
      readonly yourSpace: number;
      readonly code: Code;
      readonly retryAfterMs: number;
      readonly detail: string;
    }
  | {
      readonly type: "bye";
      readonly code: Code;
      readonly retryAfterMs: number;
      readonly detail: string;
    }
  | { readonly type: "ping"; readonly token: number }
  | { readonly type: "pong"; readonly token: number }
  | {
      readonly type: "digest";
      readonly space: number;
      readonly logs: Uint8Array;
      readonly registers: Uint8Array;
    }
  | {
      readonly type: "heads";
      readonly space: number;
      readonly since: Uint8Array;
      readonly heads: readonly HeadRow[];
    }
  | {
      readonly type: "alias";
      readonly log: number;
      readonly space: number;
      readonly replica: ReplicaId;
      readonly epoch: EpochId;
      readonly publicKey: Uint8Array;
    }
  | {
      readonly type: "entry";
      readonly log: number;
      readonly seq: number;
      readonly distance: number;
      readonly sealed: Uint8Array;
      readonly signature: Uint8Array;
    }
  | {
      readonly type: "entries";
      readonly log: number;
      readonly first: number;
      readonly items: readonly Item[];
      readonly signature: Uint8Array;
    }
  | {
      readonly type: "want";
      readonly space: number;
      readonly replica: ReplicaId;
      readonly first: number;
      readonly last: number;
      readonly form: "entries" | "hashes";
    }
  | {
      readonly type: "stored";
      readonly logs: readonly { readonly yourLog: number; readonly seq: number }[];
    }
  | { readonly type: "versions"; readonly space: number; readonly rows: readonly VersionRow[] }
  | {
      readonly type: "register";
      readonly space: number;
      readonly publicKey: Uint8Array;
      readonly register: Uint8Array;
    }
  | {
      readonly type: "whisper";
      readonly space: number;
      readonly publicKey: Uint8Array;
      readonly whisper: Uint8Array;
    }
  | {
      readonly type: "hashes";
      readonly space: number;
      readonly replica: ReplicaId;
      readonly first: number;
      readonly hashes: readonly Uint8Array[];
    }
  | {
      readonly type: "fork";
      readonly space: number;
      readonly replica: ReplicaId;
      readonly seq: number;
      readonly hash: Uint8Array;
    }
  | {
      /** The sender holds a branch of that key's log, `from` on; comes before all else about it. */
      readonly type: "branch";
      readonly space: number;
      readonly publicKey: Uint8Array;
      /** The branch's own first entry. */
      readonly seq: number;
      readonly hash: Uint8Array;
      readonly from: number;
      /** Hash of the entry before `from`; zeros before seq 1. */
      readonly base: Uint8Array;
    }
  | {
      readonly type: "invite";
      readonly space: number;
      readonly request: number;
      readonly codeHash: Uint8Array;
      readonly expiresMs: number;
      readonly uses: number;
      readonly preview: Uint8Array;
      readonly keys: Uint8Array;
    }
  | {
      readonly type: "uninvite";
      readonly space: number;
      readonly request: number;
      readonly codeHash: Uint8Array;
    }
  | {
      /** Renews what is kept for the space; answered by what is not. */
      readonly type: "keep";
      readonly space: number;
      readonly request: number;
      readonly blobs: readonly BlobId[];
    }
  | {
      /** Answers `keep`, and a `get` in vain. */
      readonly type: "lacking";
      readonly space: number;
      readonly request: number;
      readonly blobs: readonly BlobId[];
    }
  | {
      readonly type: "get";
      readonly space: number;
      readonly request: number;
      readonly blob: BlobId;
    }
  | {
      /** Of the sender's own request: to be kept. Of the other side's: what its `get` asked for. */
      readonly type: "blob";
      readonly space: number;
      readonly request: number;
      readonly isAnswer: boolean;
      readonly bytes: Uint8Array;
    }
  | {
      /** Answers a blob that was to be kept. */
      readonly type: "kept";
      readonly space: number;
      readonly request: number;
      readonly code: Code | 0;
    }
  | {
      /** Answered by `done`. */
      readonly type: "truncate";
      readonly space: number;
      readonly request: number;
      readonly order: Uint8Array;
    }
  | {
      readonly type: "done";
      readonly request: number;
      readonly code: Code | 0;
      readonly detail: string;
    };

/** Bits of `greet.capabilities`. */
export const capabilities = {
  /** Understands `branch`. Who does not is told of no branch. */
  branches: 1,
} as const;

export interface Hello {
  readonly type: "hello";
  readonly space: number;
  readonly tag: SpaceTag;
  readonly mode: Mode;
  /** Access certificates, oldest first, the newest the sender knows at the end; 214 bytes each. */
  readonly certificates: readonly Uint8Array[];
  readonly proof: Uint8Array;
  readonly replicas: readonly ReplicaProof[];
}

export interface ReplicaProof {
  readonly publicKey: Uint8Array;
  readonly proof: Uint8Array;
}

/** A log as its holder knows it: entries `from`..`to` are held, `hash` is that of `to`. */
export interface HeadRow {
  readonly replica: ReplicaId;
  readonly from: number;
  readonly to: number;
  readonly hash: Uint8Array;
}

/** An entry on the wire; without `epoch` it is that of the item before, or of the log's alias. */
export type Item = Omit<Entry, "epoch"> & { readonly epoch: EpochId | undefined };

export interface VersionRow {
  readonly replica: ReplicaId;
  readonly name: RegisterName;
  readonly number: number;
  /** First 8 bytes of the body's hash. */
  readonly hash8: Uint8Array;
}
