/**
 * The lock under which a tab appends to its device's log, so that tabs wait for one another rather
 * than seal in vain. A tab that froze while it held the lock is robbed after a while. That is safe: an
 * append checks what it was built on (device/store.ts), the lock only spares the second try.
 */
import type { Lock } from "@skein/shared/device/writer.ts";

/** Several times the slowest commit that was seen on a busy disk. */
const waitMsMax = 3_000;

export function logLock(locks: LockManager, name: string): Lock {
  return async <T>(body: () => Promise<T>): Promise<T> => {
    let running: Promise<T> | undefined;
    const run = (): Promise<T> => (running = body());
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), waitMsMax);
    try {
      await locks.request(name, { signal: patience.signal }, () => {
        clearTimeout(timer);
        return run();
      });
    } catch (error) {
      // Waited in vain: take it. Otherwise we were robbed in the middle, or the body failed: its own
      // result tells, whoever holds the lock by now.
      if (running === undefined) {
        if (!patience.signal.aborted) throw error;
        await locks.request(name, { steal: true }, run).catch(() => undefined);
      }
    } finally {
      clearTimeout(timer);
    }
    if (running === undefined) throw new Error(`lock ${name} was granted and nothing ran`);
    return running;
  };
}
