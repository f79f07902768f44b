/**
 * The relay as an operator runs it: the real program, real SQLite, real signals.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { codes } from "@skein/shared/protocol/codes.ts";
import { RelayProcess, startRelayProcess } from "../support/relay.ts";
import { RelayClient, TestSpace } from "../support/relay-client.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "skein-relay-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(environment: Record<string, string> = {}) {
  const folder = environment["SKEIN_DATA"] ?? newFolder();
  const started = await startRelayProcess({ SKEIN_DATA: folder, ...environment });
  cleanups.push(() => started.relay.kill("SIGKILL"));
  return { ...started, folder };
}

/** A program that is expected to end by itself, and what it said. */
async function fails(environment: Record<string, string>): Promise<[number | string, string]> {
  const relay = new RelayProcess({ SKEIN_DATA: newFolder(), ...environment });
  cleanups.push(() => relay.kill("SIGKILL"));
  const code = await relay.exited;
  expect(relay.stdout).toBe("");
  return [code, relay.stderr];
}

async function enter(port: number, space: TestSpace) {
  const client = await RelayClient.connect(port);
  cleanups.push(() => client.close());
  await client.greet();
  const replica = await space.newReplica();
  expect(await client.enter(space, [replica])).toMatchObject({ type: "welcome" });
  return { client, replica };
}

describe("starting", () => {
  test("prints one line with the address and nothing else", async () => {
    const { relay, port } = await start();
    expect(relay.stdout).toBe(`Skein is at http://localhost:${port}\n`);
    expect((await fetch(`http://localhost:${port}/readyz`)).status).toBe(200);
    expect(await relay.kill("SIGTERM")).toBe(0);
    expect([relay.stdout.split("\n").length, relay.stderr]).toEqual([2, ""]);
  });

  test("shows the address that the operator listed", async () => {
    const { relay, port } = await start({ SKEIN_ORIGIN: "https://skein.example:8443" });
    expect([relay.stdout, port]).toEqual(["Skein is at https://skein.example:8443\n", 8443]);
  });

  test("with bad settings says all that is wrong and ends with 2", async () => {
    const [code, words] = await fails({ SKEIN_PORT: "x", SKEIN_LOG: "loud" });
    expect(code).toBe(2);
    expect(words.trim().split("\n")).toEqual([
      expect.stringMatching(/^SKEIN_PORT=x is no whole number/),
      expect.stringMatching(/^SKEIN_LOG=loud is no level/),
    ]);
  });

  test("with an unknown setting warns and runs", async () => {
    const { relay } = await start({ SKEIN_DATE: "x" });
    expect(relay.stderr).toBe(
      "SKEIN_DATE is no setting of this relay (did you mean SKEIN_DATA?)\n",
    );
  });

  test("on a port in use says so and what to do", async () => {
    const { port } = await start();
    const [code, words] = await fails({ SKEIN_PORT: String(port) });
    expect([code, words]).toEqual([
      1,
      expect.stringMatching(new RegExp(`^Port ${port} is in use.*SKEIN_PORT=${port + 1}\n$`)),
    ]);
  });

  test("on a folder in use says so and what to do", async () => {
    const { folder } = await start();
    const [code, words] = await fails({ SKEIN_DATA: folder, SKEIN_PORT: "0" });
    expect([code, words]).toEqual([
      1,
      expect.stringMatching(/^Another relay is using .*SKEIN_DATA/),
    ]);
  });

  test("on a folder that is a file says so and what to do", async () => {
    const path = join(newFolder(), "file");
    writeFileSync(path, "");
    const [code, words] = await fails({ SKEIN_DATA: path, SKEIN_PORT: "0" });
    expect([code, words]).toEqual([1, expect.stringMatching(/is not a folder .*SKEIN_DATA/)]);
  });

  test("on an address that is not the machine's says so and what to do", async () => {
    const [code, words] = await fails({ SKEIN_HOST: "192.0.2.1", SKEIN_PORT: "0" });
    expect([code, words]).toEqual([1, expect.stringMatching(/is no address of this machine/)]);
  });
});

describe("kill -9 of the relay", () => {
  test("loses nothing that it said was stored", async () => {
    const space = await TestSpace.found();
    const { relay, port, folder } = await start();
    const writers = await Promise.all(Array.from({ length: 3 }, () => enter(port, space)));
    const acknowledged = new Map(writers.map(({ replica }) => [replica.id, 0]));
    // Everybody writes as fast as they are answered, until the relay is gone.
    const writing = writers.map(async ({ client, replica }) => {
      for (;;) {
        const seq = await client.store(
          space,
          replica,
          await replica.write(1 + (replica.length % 5)),
        );
        if (seq === undefined) return;
        acknowledged.set(replica.id, seq);
      }
    });
    await expect
      .poll(() => Math.min(...acknowledged.values()), { timeout: 10_000 })
      .toBeGreaterThan(30);
    expect(await relay.kill("SIGKILL")).toBe("SIGKILL");
    await Promise.all(writing);

    const again = await start({ SKEIN_DATA: folder });
    const { client } = await enter(again.port, space);
    const heads = await client.next("heads");
    for (const { replica } of writers) {
      const held = heads?.heads.find((row) => row.replica === replica.id);
      const seq = acknowledged.get(replica.id) ?? 0;
      expect(held?.to).toBeGreaterThanOrEqual(seq);
      expect(Buffer.from(held?.hash ?? [])).toEqual(Buffer.from(replica.hashAt(held?.to ?? 0)));
    }
    expect(again.relay.stderr).toBe("");
  });
});

describe("SIGTERM", () => {
  test("tells everybody when to come back, stores what is under way and ends with 0", async () => {
    const space = await TestSpace.found();
    const { relay, port, folder } = await start();
    const { client, replica } = await enter(port, space);
    const reader = await enter(port, space);
    expect(await client.store(space, replica, await replica.write(10))).toBe(10);
    expect(await relay.kill("SIGTERM")).toBe(0);
    for (const each of [client, reader.client]) {
      expect(await each.closed).toBe(codes.restart);
      expect(each.bye).toMatchObject({ code: codes.restart });
      expect(each.bye?.retryAfterMs).toBeGreaterThanOrEqual(500);
      expect(each.bye?.retryAfterMs).toBeLessThanOrEqual(4_500);
    }
    expect(relay.stderr).toBe("");
    // Written back into the one file: nothing is left beside it.
    expect(readdirSync(folder).sort()).toEqual(["skein.db", "skein.lock"]);
  });

  // Were it not in time, it would end with 1.
  test("ends in time and with 0 though a client never answers the closing", async () => {
    const { relay, port } = await start();
    const client = await RelayClient.connect(port);
    client.socket.pause();
    cleanups.push(() => client.close());
    expect(await relay.kill("SIGTERM")).toBe(0);
  });

  test("a second time ends it at once", async () => {
    const { relay, port } = await start();
    const client = await RelayClient.connect(port);
    client.socket.pause();
    cleanups.push(() => client.close());
    relay.child.kill("SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect(await relay.kill("SIGTERM")).toBe(1);
  });

  test("twice in a moment, as Ctrl+C under npm does, is one", async () => {
    const { relay } = await start();
    relay.child.kill("SIGINT");
    expect(await relay.kill("SIGINT")).toBe(0);
  });
});

test("neither the log nor the files hold an address, a tag, an id or a key", async () => {
  const space = await TestSpace.found();
  const { relay, port, folder } = await start({ SKEIN_LOG: "trace" });
  const { client, replica } = await enter(port, space);
  await client.store(space, replica, await replica.write(3));
  client.sendBytes(Uint8Array.of(0xff));
  await client.closed;
  await relay.kill("SIGTERM");
  expect(relay.stderr).toMatch(/"level":"info".*"msg":"opened"/);
  for (const secret of [space.tag, replica.id, "127.0.0.1"]) {
    expect(relay.stderr).not.toContain(secret);
  }
  for (const line of relay.stderr.trim().split("\n")) expect(JSON.parse(line)).toBeTypeOf("object");
  const file = readFileSync(join(folder, "skein.db"));
  const { seeds, contentKey } = space.founded;
  for (const key of [seeds.read, seeds.write, seeds.admin, contentKey]) {
    expect(file.includes(Buffer.from(key))).toBe(false);
    expect(file.includes(Buffer.from(key).toString("hex"))).toBe(false);
  }
});
