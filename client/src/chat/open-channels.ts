/** The channels that are on the screen, for the right side, which shows details of one of their messages. */
import type { OpenChannel } from "../runtime/api.ts";
import { Cell } from "../runtime/observable.ts";

class OpenChannels extends Cell<readonly OpenChannel[]> {
  /** Returns its own undo. */
  add(channel: OpenChannel): () => void {
    this.set([...this.get(), channel]);
    return () => this.set(this.get().filter((other) => other !== channel));
  }
}

export const openChannels = new OpenChannels([]);
