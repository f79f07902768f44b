/**
 * The store's thread: opens the file, takes everything that waits at once, answers it in batches,
 * and lets go of the file when told to close.
 */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { type Answer, Batches, type Call } from "./sqlite-batches.ts";
import { openFile, type OpenedFile, StoreRefused } from "./sqlite-file.ts";
import type { SpaceBounds } from "./store.ts";

/** What it is started with. */
export interface WorkerData {
  readonly folder: string;
  readonly bounds: SpaceBounds;
}

/** What goes back: once how opening went, then answers. */
export type Message =
  | { readonly kind: "opened" }
  | { readonly kind: "refused"; readonly words: string }
  | { readonly kind: "answers"; readonly answers: readonly Answer[] };

/** One transaction: enough to share a commit, few enough to answer soon. */
const batchMax = 512;

if (parentPort === null) throw new Error("sqlite-worker.ts runs as a worker");
const port = parentPort;
const { folder, bounds } = workerData as WorkerData;
const file = open();
if (file !== undefined) serve(file);

function open(): OpenedFile | undefined {
  try {
    const opened = openFile(folder);
    send({ kind: "opened" });
    return opened;
  } catch (error) {
    if (!(error instanceof StoreRefused)) throw error;
    send({ kind: "refused", words: error.message });
    port.close();
    return undefined;
  }
}

function serve({ database, close }: OpenedFile): void {
  const batches = new Batches(database, bounds);
  port.on("message", (first: Call) => {
    const calls = [first, ...waiting()];
    const last = calls.find(({ verb }) => verb === "close");
    batches.run(
      calls.filter((call) => call !== last),
      (answers) => send({ kind: "answers", answers }),
    );
    if (last === undefined) return;
    close();
    send({ kind: "answers", answers: [{ id: last.id, value: undefined }] });
    port.close();
  });
}

/** What else has arrived, without waiting for it. */
function waiting(): Call[] {
  const calls: Call[] = [];
  while (calls.length < batchMax - 1) {
    const received: { message: Call } | undefined = receiveMessageOnPort(port);
    if (received === undefined) break;
    calls.push(received.message);
  }
  return calls;
}

function send(message: Message): void {
  port.postMessage(message);
}
