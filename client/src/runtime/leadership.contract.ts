/** Leadership and the tabs' channel, over the locks and channels of whatever runs the tests. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { Leadership, type LeadershipOptions } from "./leadership.ts";
import { Cell } from "./observable.ts";
import { TabChannel, tabsVersion } from "./tabs.ts";

let devices = 0;

/** Tabs of one device, with the real locks and channels of this process. */
function device() {
  const name = `leadership-test-${devices++}`;
  const log: string[] = [];
  let epoch = 0;
  const closing: (() => void)[] = [];

  function tab(id: string, options: Partial<LeadershipOptions> = {}) {
    const tabs = new TabChannel({
      channel: new BroadcastChannel(name),
      id,
      onNewerVersion: () => log.push(`${id} sees a newer version`),
    });
    const visible = new Cell(true);
    const leadership = new Leadership({
      locks: navigator.locks,
      lockName: name,
      store: { takeLeadership: () => Promise.resolve(++epoch) },
      tabs,
      visible,
      onLead: (of) => log.push(`${id} leads as ${of}`),
      onFollow: () => log.push(`${id} follows`),
      onTrouble: (error) => {
        if (error instanceof Error) log.push(`${id}: ${error.message}`);
      },
      ...options,
    });
    const close = () => {
      leadership.close();
      tabs.close();
    };
    closing.push(close);
    return { leadership, visible, tabs, close };
  }
  return { tab, log, closeAll: () => closing.forEach((close) => close()) };
}

/** Lets locks and channels, which are other threads' work, come through. */
async function quiet(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((done) => {
      port1.onmessage = done;
      port2.postMessage(undefined);
    });
  }
  port1.close();
}

export function leadershipContract(): void {
  describe("leadership", () => {
    afterEach(() => vi.useRealTimers());

    it("goes to one tab, and to the next when that one closes", async () => {
      const { tab, log, closeAll } = device();
      const a = tab("a");
      await vi.waitFor(() => expect(a.leadership.isLeading).toBe(true));
      const b = tab("b");
      await quiet();
      expect(log).toEqual(["a leads as 1"]);
      a.close();
      await vi.waitFor(() => expect(b.leadership.isLeading).toBe(true));
      expect(log).toEqual(["a leads as 1", "a follows", "b leads as 2"]);
      closeAll();
    });

    it("is taken from a tab that gives no sign of life, which lets go when it wakes up", async () => {
      vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
      const { tab, log, closeAll } = device();
      const frozen = tab("frozen");
      await vi.waitFor(() => expect(frozen.leadership.isLeading).toBe(true));
      // Its process is stopped: it hears nothing and says nothing.
      frozen.tabs.close();
      const b = tab("b");
      await quiet();
      for (let second = 0; second < 3; second++) {
        vi.advanceTimersByTime(1_000);
        await quiet();
      }
      expect(b.leadership.isLeading).toBe(false);
      vi.advanceTimersByTime(1_000);
      await vi.waitFor(() => expect(b.leadership.isLeading).toBe(true));
      await vi.waitFor(() => expect(log).toContain("frozen follows"));
      expect(frozen.leadership.isLeading).toBe(false);
      b.close();
      // It stands in line again.
      await vi.waitFor(() => expect(frozen.leadership.isLeading).toBe(true));
      expect(log.filter((line) => line.includes("leads"))).toEqual([
        "frozen leads as 1",
        "b leads as 2",
        "frozen leads as 3",
      ]);
      closeAll();
    });

    it("stays with a tab that answers, however long others look", async () => {
      vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
      const { tab, log, closeAll } = device();
      const a = tab("a");
      await vi.waitFor(() => expect(a.leadership.isLeading).toBe(true));
      const b = tab("b");
      let answers = 0;
      b.tabs.on("pong", () => answers++);
      await quiet();
      for (let second = 0; second < 20; second++) {
        const before = answers;
        vi.advanceTimersByTime(1_000);
        await vi.waitFor(() => expect(answers).toBeGreaterThan(before));
      }
      expect(log).toEqual(["a leads as 1"]);
      closeAll();
    });

    it("is not taken by a tab that nobody sees", async () => {
      vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
      const { tab, closeAll } = device();
      const frozen = tab("frozen");
      await vi.waitFor(() => expect(frozen.leadership.isLeading).toBe(true));
      frozen.tabs.close();
      const b = tab("b");
      b.visible.set(false);
      await quiet();
      for (let second = 0; second < 10; second++) {
        vi.advanceTimersByTime(1_000);
        await quiet();
      }
      expect(b.leadership.isLeading).toBe(false);
      closeAll();
    });

    it("is given up when a transaction finds another leader", async () => {
      const { tab, log, closeAll } = device();
      const a = tab("a");
      await vi.waitFor(() => expect(a.leadership.isLeading).toBe(true));
      const b = tab("b");
      await quiet();
      a.leadership.fenced();
      await vi.waitFor(() => expect(b.leadership.isLeading).toBe(true));
      expect(log).toEqual(["a leads as 1", "a follows", "b leads as 2"]);
      closeAll();
    });

    it("waits for a database that refuses, and says so", async () => {
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      const { tab, log, closeAll } = device();
      let full = true;
      const a = tab("a", {
        store: {
          takeLeadership: () => (full ? Promise.reject(new Error("full")) : Promise.resolve(7)),
        },
      });
      await vi.waitFor(() => expect(log).toEqual(["a: full"]));
      full = false;
      await vi.advanceTimersByTimeAsync(5_000);
      await vi.waitFor(() => expect(a.leadership.isLeading).toBe(true));
      expect(log).toEqual(["a: full", "a leads as 7"]);
      closeAll();
    });
  });

  describe("tabs", () => {
    it("hear others and not themselves, and notice a newer version", async () => {
      const { tab, log, closeAll } = device();
      const [a, b] = [tab("a"), tab("b")];
      const heard: string[] = [];
      a.tabs.on("records", (_, from) => heard.push(`a hears ${from}`));
      b.tabs.on("records", (_, from) => heard.push(`b hears ${from}`));
      a.tabs.post({ kind: "records" });
      await vi.waitFor(() => expect(heard).toEqual(["b hears a"]));

      const newer = new BroadcastChannel(`leadership-test-${devices - 1}`);
      newer.postMessage("not ours at all");
      newer.postMessage({ skein: 0, from: "older", message: { kind: "records" } });
      newer.postMessage({ skein: tabsVersion + 1, from: "c", message: { kind: "records" } });
      await vi.waitFor(() =>
        expect(log.filter((line) => line.includes("version"))).toHaveLength(2),
      );
      expect(heard).toEqual(["b hears a"]);
      newer.close();
      closeAll();
    });
  });
}
