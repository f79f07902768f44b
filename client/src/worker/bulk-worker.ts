/**
 * Checks and opens long runs beside the page, so that hashing and a thousand calls of the cipher
 * neither hold up what a person sees nor wait for the database. It keeps nothing between messages;
 * the keys it is lent cannot be read, here as there.
 */
import { openBodies } from "@skein/shared/crypto/seal.ts";
import { checkRun } from "@skein/shared/log/chain.ts";
import { webSuite } from "../runtime/web-suite.ts";
import {
  type FromBulk,
  packChecked,
  packOpened,
  type ToBulk,
  unpackCheck,
  unpackOpen,
} from "./bulk-messages.ts";

declare const self: DedicatedWorkerGlobalScope;

const suite = await webSuite();

async function answerTo(message: ToBulk): Promise<FromBulk> {
  switch (message.kind) {
    case "check": {
      const { placed, publicKey } = unpackCheck(message);
      return packChecked(message.id, await checkRun(suite, placed, publicKey));
    }
    case "open": {
      const { entries, keys } = unpackOpen(message);
      return packOpened(message.id, await openBodies(suite, entries, keys));
    }
  }
}

function send(answer: FromBulk): void {
  const transfer: ArrayBuffer[] = [];
  if (answer.kind === "checked") transfer.push(answer.hashes.buffer);
  if (answer.kind === "opened") transfer.push(answer.bodies.buffer, answer.lengths.buffer);
  self.postMessage(answer, transfer);
}

/** One message after the other: what is under way together is alive together, and costs the collector. */
let last: Promise<void> = Promise.resolve();
self.addEventListener("message", ({ data }: MessageEvent<ToBulk>) => {
  last = last.then(() => answerTo(data)).then(send, () => send({ kind: "failed", id: data.id }));
});
send({ kind: "ready" });
