/**
 * What one relay gives to anybody, with reasons. Sizes that all parties must agree on stand in
 * `shared/src/protocol/limits.ts`; these may differ from relay to relay, and tests make them small.
 */
export const relayLimits = {
  // Opening a connection

  /** Upgrades per address and minute: a household reloading all its tabs, not a program in a loop. */
  upgradesPerMinute: 240,
  /** Connections of one address at once: a school behind one address. */
  connectionsPerAddressMax: 1_000,
  /** When the relay is full or draining: long enough for others to leave, spread by as much again. */
  fullRetryMs: 10_000,

  // What comes in

  /** Frames of one connection: far beyond typing, enough for a full comparison at the start. */
  messagesPerSecond: 500,
  messagesBurst: 5_000,
  /** Signatures in hellos of one connection: sixty-four spaces at once, and then as many a minute. */
  helloSignaturesPerSecond: 20,
  helloSignaturesBurst: 1_200,
  /** Who sends frames faster than that by this much is not slowed down but sent away. */
  messagesDebtMs: 2_000,
  /** Bytes of one connection. Beyond, its socket is not read for a while: TCP slows it down. */
  bytesPerSecond: 8_388_608,
  bytesBurst: 33_554_432,
  /** Frames and bytes of one address and minute, all its connections together. */
  addressMessagesPerMinute: 200_000,
  addressBytesPerMinute: 1_073_741_824,
  /** What connections owe their address is charged in slices of this many frames or bytes. */
  sliceMessages: 64,
  sliceBytes: 65_536,
  /** Written into one space in a minute, by everybody together. */
  spaceBytesPerMinute: 536_870_912,
  /** Copies of whispers in one space and second; beyond, whispers are lost, as they may be. */
  whispersPerSecond: 100_000,
  whispersBurst: 200_000,
  /** Registers of one space, which a room keeps in memory: a thousand clocks of a thousand replicas. */
  spaceRegisterBytesMax: 67_108_864,

  // What stays

  /** What an owner lets go of: long enough for a device that was away, or an owner who was mistaken. */
  retentionMs: 30 * 86_400_000,
  /** A blob that nobody speaks of: its holders do once a day. */
  leaseMs: 30 * 86_400_000,

  // What goes out

  /** Waiting for one reader: from here on whispers are dropped. */
  outWhisperBytes: 262_144,
  /** Waiting for one reader that has taken nothing for `outStallMs`: sent away. */
  outStallBytes: 1_048_576,
  outStallMs: 10_000,
  /** Waiting for one reader, in any case: eight windows, for a newcomer to a space of many registers. */
  outBytesMax: 8_388_608,
  /** Waiting for all readers together: the slowest are sent away. */
  outTotalBytesMax: 268_435_456,
  /** For the closing handshake; then the socket is cut. */
  closeMs: 2_000,

  // Messages and requests below the protocol

  /** Pieces of one WebSocket message: nobody has a reason to cut 256 KiB into more. */
  fragmentsMax: 16,
  /** How often deadlines and stalls are looked at. */
  tickMs: 250,
  /** Request line and headers. */
  headerBytesMax: 8_192,
  urlLengthMax: 2_048,
  headersWithinMs: 10_000,
  requestWithinMs: 15_000,
  /** A connection on which nothing moves, and one that waits for its next request. */
  idleMs: 30_000,
  keepAliveMs: 5_000,
  /** HTTP connections beside the WebSockets. */
  httpConnectionsMax: 2_048,
  /** Requests for invites per address and minute: guessing 64 bits would take for ever anyway. */
  invitesPerMinute: 30,
  /** How long a probe waits for the store. */
  readyWithinMs: 2_000,

  // What is done now and then

  /** From the start to the first sweep: after the rush of everybody coming back. */
  sweepFirstMs: 60_000,
  /** How often what nobody wants any longer is looked for. */
  sweepEveryMs: 3_600_000,
  /** Between two slices of a sweep: the store's thread is others' meanwhile. */
  sweepPauseMs: 200,
  /** Blobs in a slice: 12 MB at most, about 20 ms of the store's thread. */
  sweepBlobsMax: 64,
  /** Orders in a slice: a log of a million entries takes the store a moment. */
  sweepOrdersMax: 1,

  // What other relays have written into the same store

  /** Told of a space while its room is read from the store; beyond it the room looks at the store again. */
  meanwhileMax: 1_024,
  /** Rooms that look at the store at a time: after a bus was down, all of them want to. */
  looksAtOnceMax: 4,
  /** A room looks again after so long, for what nobody was left to tell of. */
  lookEveryMs: 300_000,
  /** And so soon after a look that failed. */
  lookRetryMs: 10_000,

  // Going away

  /** Clients told to come back are spread over this time. */
  drainSpreadMs: 4_000,
  /** The process is gone after this, whatever hangs. */
  drainWithinMs: 4_500,
} as const;

export type RelayLimits = { readonly [Name in keyof typeof relayLimits]: number };
