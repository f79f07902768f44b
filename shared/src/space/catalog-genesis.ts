/**
 * How every catalog begins (docs/protocol.md section 4.5): one change, the same bytes in every
 * space, so that a joiner can write before anything has come, and nobody's containers conflict. Its
 * maps are buckets, because the cost of a key in Automerge grows with the number of its neighbours.
 */
import { fromHex } from "../bytes/bytes.ts";
import type { Genesis } from "../crdt/engine/automerge-document.ts";
import type { DocumentId } from "../id/id.ts";

export const noteBuckets = 64;
export const channelBuckets = 16;

const genesisActor = "00".repeat(16);
/** Objects are named by the operation that made them: the change counts them from 1. */
const objectMadeBy = (operation: number): string => `${operation}@${genesisActor}`;

const notes = objectMadeBy(1);
const channels = objectMadeBy(2 + noteBuckets);
/** What is written of the general channel. */
export const generalObject = objectMadeBy(3 + noteBuckets + channelBuckets);

const bucketOf = (id: DocumentId, buckets: number): number =>
  Number.parseInt(id.slice(0, 2), 16) % buckets;

/** The map that holds a note, which is a map of its fields. */
export const noteBucket = (id: DocumentId): string => objectMadeBy(2 + bucketOf(id, noteBuckets));

export const channelBucket = (id: DocumentId): string =>
  objectMadeBy(3 + noteBuckets + bucketOf(id, channelBuckets));

export const allNoteBuckets: readonly string[] = Array.from({ length: noteBuckets }, (_, bucket) =>
  objectMadeBy(2 + bucket),
);
export const allChannelBuckets: readonly string[] = Array.from(
  { length: channelBuckets },
  (_, bucket) => objectMadeBy(3 + noteBuckets + bucket),
);

/**
 * Made once with `putObject` at time 0 by the actor of zeros: `notes` with the buckets `00` to `3f`,
 * `channels` with `00` to `0f`, and `general`. A test makes it again.
 */
const genesisChange = fromHex(
  [
    "856f4a83d83267b001d002001000000000000000000000000000000000010100000007010b020b1589023401",
    "4203560370030001c000000001100000010001c00001000110420001ad7f056e6f7465730230300230310230",
    "3202303302303402303502303602303702303802303902306102306202306302306402306502306602313002",
    "3131023132023133023134023135023136023137023138023139023161023162023163023164023165023166",
    "0232300232310232320232330232340232350232360232370232380232390232610232620232630232640232",
    "6502326602333002333102333202333302333402333502333602333702333802333902336102336202336302",
    "3364023365023366086368616e6e656c73023030023031023032023033023034023035023036023037023038",
    "0230390230610230620230630230640230650230660767656e6572616c53d30000d30000d30000",
  ].join(""),
);

export const catalogGenesis: Genesis = {
  change: genesisChange,
  sealed: new Set(["_root", notes, channels]),
  shelves: new Set([...allNoteBuckets, ...allChannelBuckets]),
};
