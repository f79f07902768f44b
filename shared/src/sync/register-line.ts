/**
 * The registers on their way to one party. Registers have no `stored` that would say how far the other
 * side has come, so after a while it is asked whether it has read what is out; until then registers
 * wait by name, and go in the version that is newest when their turn comes.
 */
import type { RegisterName, ReplicaId } from "../id/id.ts";
import type { StoredRegister } from "../log/store.ts";
import { limits } from "../protocol/limits.ts";

/** So much is sent, and one register more, before the other side must have read it. */
const bytesOutMax = limits.windowBytes / 4;

export interface RegisterLineOptions {
  readonly send: (register: StoredRegister) => void;
  readonly newest: (replica: ReplicaId, name: RegisterName) => StoredRegister | undefined;
  /** Calls back when the other side has read all that was sent; what is returned takes that back. */
  readonly whenRead: (done: () => void) => () => void;
}

export class RegisterLine {
  readonly #options: RegisterLineOptions;
  /** Sent since the other side was last known to have read everything. */
  #bytesOut = 0;
  #forget = (): void => {};
  /** Each once, whatever becomes of it. */
  readonly #due = new Map<string, Pick<StoredRegister, "replica" | "name">>();

  constructor(options: RegisterLineOptions) {
    this.#options = options;
  }

  offer(register: StoredRegister): void {
    if (this.#bytesOut >= bytesOutMax) {
      const { replica, name } = register;
      this.#due.set(`${replica}/${name}`, { replica, name });
      return;
    }
    this.#bytesOut += register.bytes.length;
    this.#options.send(register);
    if (this.#bytesOut >= bytesOutMax) this.#forget = this.#options.whenRead(() => this.#read());
  }

  close(): void {
    this.#due.clear();
    this.#forget();
  }

  #read(): void {
    this.#bytesOut = 0;
    for (const [key, { replica, name }] of this.#due) {
      if (this.#bytesOut >= bytesOutMax) return;
      this.#due.delete(key);
      const newest = this.#options.newest(replica, name);
      if (newest !== undefined) this.offer(newest);
    }
  }
}
