/** The log's lock, over the Web Locks of whatever runs the tests. */
import { expect, it, vi } from "vitest";
import { logLock } from "./log-lock.ts";

const settled = (task: Promise<unknown>) => task.then(() => "done").catch(() => "failed");
let count = 0;
const freshLock = () => logLock(navigator.locks, `log-lock-test-${count++}`);

export function logLockContract(): void {
  it("one after the other, each with its own result", async () => {
    const lock = freshLock();
    const steps: string[] = [];
    const task = (name: string) =>
      lock(async () => {
        steps.push(`${name} begins`);
        await new Promise((done) => setTimeout(done, 5));
        steps.push(`${name} ends`);
        return name;
      });
    expect(await Promise.all([task("a"), task("b")])).toEqual(["a", "b"]);
    expect(steps).toEqual(["a begins", "a ends", "b begins", "b ends"]);
  });

  it("a failure goes to who asked, and the next takes its turn", async () => {
    const lock = freshLock();
    const broken = lock(() => Promise.reject(new Error("disk")));
    const next = lock(() => Promise.resolve(1));
    await expect(broken).rejects.toThrow("disk");
    await expect(next).resolves.toBe(1);
  });

  it("whoever holds it too long is robbed, and still gets its own result in the end", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const lock = freshLock();
      let wake: (value: string) => void = () => {};
      const first = lock(() => new Promise<string>((done) => (wake = done)));
      await vi.waitFor(() => expect(vi.getTimerCount()).toBe(0));
      const second = lock(() => Promise.resolve("second"));
      await vi.advanceTimersByTimeAsync(2_999);
      expect(await Promise.race([settled(second), Promise.resolve("waits")])).toBe("waits");
      await vi.advanceTimersByTimeAsync(1);
      await expect(second).resolves.toBe("second");
      wake("first");
      await expect(first).resolves.toBe("first");
    } finally {
      vi.useRealTimers();
    }
  });
}
