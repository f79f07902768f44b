/**
 * The lock under which tabs append, with the manners of client/src/runtime/log-lock.ts over a Web
 * Lock: first come, first served; a dead holder lets go; who has waited too long takes it, and whoever
 * held it goes on, unknowing.
 */
import type { Lock } from "@skein/shared/device/writer.ts";
import type { Actor } from "./actor.ts";
import type { Ground } from "./ground.ts";

const waitMsMax = 3_000;

interface Request {
  readonly actor: Actor;
  readonly run: () => void;
}

export class SimLock {
  readonly #ground: Ground;
  readonly #queue: Request[] = [];
  #holder: Request | undefined;

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  for(actor: Actor): Lock {
    return (body) =>
      new Promise((resolve, reject) => {
        const request: Request = {
          actor,
          run: () => {
            this.#holder = request;
            const release = (): void => {
              if (this.#holder === request) this.#next();
            };
            body().then(
              (value) => {
                release();
                resolve(value);
              },
              (error: unknown) => {
                release();
                reject(error as Error);
              },
            );
          },
        };
        this.#queue.push(request);
        if (this.#holder === undefined) this.#next();
        else actor.after(waitMsMax, () => this.#steal(request));
      });
  }

  /** The browser lets go for a tab that is gone. */
  released(actor: Actor): void {
    if (this.#holder?.actor === actor) this.#next();
  }

  #steal(request: Request): void {
    const index = this.#queue.indexOf(request);
    if (index < 0) return;
    this.#queue.splice(index, 1);
    this.#ground.struck("lock stolen");
    request.run();
  }

  #next(): void {
    this.#holder = undefined;
    for (;;) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      if (next.actor.dead) continue;
      return next.run();
    }
  }
}
