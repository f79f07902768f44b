/**
 * What a relay can know: everything that people write and every key of theirs is looked for in all that
 * it keeps, says and is sent; and who has no key gets nothing from it.
 */
import { randomBytes } from "node:crypto";
import { expect, type Page } from "@playwright/test";
import { WebSocket } from "ws";
import { isMalformed } from "@skein/shared/bytes/malformed.ts";
import { decodeFrame, encodeFrame } from "@skein/shared/protocol/codec.ts";
import { codes } from "@skein/shared/protocol/codes.ts";
import { type Frame, type Hello, protocolVersion } from "@skein/shared/protocol/messages.ts";
import { arrive } from "./harness/people.ts";
import { RelayProcess } from "./harness/relay-process.ts";
import { test } from "./harness/test.ts";

const words = {
  space: "Zwetschgenbund",
  ana: "Annabelle-Rosalind",
  ben: "Benvolio-Maximilian",
  channel: "geheimrezepte",
  title: "Marillenknoedelplan",
  text: "Vierhundert Gramm Topfen und ein Geheimnis",
  message: "Bring the quicksilver thermometer",
};

let relay: RelayProcess;
/** All that left the browsers: frames, addresses and bodies of requests. */
const sent: Buffer[] = [];
const hellos: { bytes: Buffer; hello: Hello }[] = [];
let keys: { name: string; bytes: Buffer }[] = [];

test.describe.configure({ mode: "serial" });

test.beforeAll(async ({ browser }) => {
  test.setTimeout(120_000);
  relay = await RelayProcess.start({ SKEIN_LOG: "trace" });
  const ana = await arrive(browser, relay, words.ana);
  // Every frame of Ana's second visit and all of Ben's are watched from the first byte.
  await ana.tab.createSpace(words.space);
  watch(ana.tab.page);
  await ana.tab.page.reload();
  const link = await ana.tab.invite();
  const ben = await arrive(browser, relay, "nobody yet");
  watch(ben.tab.page);
  await ben.tab.page.reload();
  await ben.tab.join(link);
  await ben.tab.rename(words.ben);
  await expect(ana.tab.members).toContainText(words.ben);

  await ana.tab.newNote(words.title);
  await ana.tab.type(words.text);
  await ana.tab.newChannel(words.channel);
  const channelId = documentIn(ana.tab.page);
  await ana.tab.say(words.message);
  await ben.tab.openNote(words.title);
  const noteId = documentIn(ben.tab.page);
  await expect(ben.tab.editor).toContainText(words.text);
  await ben.tab.openChannel(words.channel);
  await expect(ana.tab.tick(words.message)).toHaveText(/Read by everyone/);
  await expect(ana.tab.members).toContainText(words.ben);

  const [, code = "", secret = ""] = /join\/([\w-]+)\.([\w-]+)$/.exec(link) ?? [];
  keys = [
    { name: "invite code", bytes: Buffer.from(code, "base64url") },
    { name: "invite secret", bytes: Buffer.from(secret, "base64url") },
    { name: "id of the note", bytes: Buffer.from(noteId, "hex") },
    { name: "id of the channel", bytes: Buffer.from(channelId, "hex") },
    ...(await secretsOf(ana.tab.page)),
    ...(await secretsOf(ben.tab.page)),
  ];
  await ana.context.close();
  await ben.context.close();
});
test.afterAll(() => relay.remove());

test("nothing that people wrote, and no key of theirs, is at the relay or on the way to it", async () => {
  // Content keys, seeds of access and invite; were they called otherwise, nothing would be looked for.
  expect(keys.length).toBeGreaterThan(8);
  for (const { name, bytes } of keys) expect(bytes.length, name).toBeGreaterThanOrEqual(8);
  const kept = await relay.everything();
  const places = { "the relay": kept, "the wire": Buffer.concat(sent) };
  const known = hellos[0]?.hello.tag ?? "";
  for (const [place, haystack] of Object.entries(places)) {
    // What a relay does know is found: the search is not blind.
    expect(found(haystack, Buffer.from(known, "hex")), `the space's tag at ${place}`).not.toEqual(
      [],
    );
    for (const [what, text] of Object.entries(words)) {
      expect(found(haystack, Buffer.from(text)), `${what} at ${place}`).toEqual([]);
      expect(found(haystack, Buffer.from(text, "utf16le")), `${what} at ${place}`).toEqual([]);
    }
    for (const { name, bytes } of keys) {
      expect(found(haystack, bytes), `${name} at ${place}`).toEqual([]);
    }
  }
});

test("who has no key gets nothing: not with a proof of their own, not with one overheard", async () => {
  const overheard = hellos[0];
  if (overheard === undefined) throw new Error("no hello was overheard");
  const { hello } = overheard;
  for (const [attack, bytes] of [
    ["overheard", overheard.bytes],
    ["own proof", encodeFrame({ ...hello, proof: randomBytes(64) })],
    ["own proof, to read", encodeFrame({ ...hello, mode: "read", proof: randomBytes(64) })],
  ] as const) {
    const answers = await ask(relay, bytes);
    const refusals = answers.filter((frame) => frame.type === "leave" || frame.type === "bye");
    expect(
      refusals.map(({ code }) => code),
      attack,
    ).toContain(codes.unproven);
    // No welcome, no heads, no entry, no register, no whisper.
    const polite = ["greet", "leave", "bye", "ping"];
    expect(
      answers.filter(({ type }) => !polite.includes(type)),
      attack,
    ).toEqual([]);
  }
});

/** Everything a relay answers to a hello, until it ends the connection or says no more. */
async function ask({ port }: RelayProcess, hello: Uint8Array): Promise<Frame[]> {
  const socket = new WebSocket(`ws://localhost:${port}/sync`);
  const answers: Frame[] = [];
  await new Promise<void>((resolve, reject) => {
    let timer = setTimeout(resolve, 5_000);
    socket.on("error", reject);
    socket.on("close", () => resolve(clearTimeout(timer)));
    socket.on("open", () => {
      socket.send(
        encodeFrame({
          type: "greet",
          versionMin: protocolVersion,
          versionMax: protocolVersion,
          party: "device",
          durable: true,
          nonce: randomBytes(16),
          capabilities: 0,
        }),
      );
      socket.send(hello);
    });
    socket.on("message", (data: Buffer) => {
      const frame = decodeFrame(new Uint8Array(data));
      if (isMalformed(frame)) reject(new Error(frame.message));
      else answers.push(frame);
      if (isMalformed(frame) || frame.type !== "leave") return;
      // Refused; what might still come would come right behind.
      clearTimeout(timer);
      timer = setTimeout(resolve, 500);
    });
  });
  socket.terminate();
  return answers;
}

/** Collects all that a page sends from now on. */
function watch(page: Page): void {
  page.on("request", (request) => {
    sent.push(Buffer.from(request.url()), request.postDataBuffer() ?? Buffer.alloc(0));
  });
  page.on("websocket", (socket) => {
    socket.on("framesent", ({ payload }) => {
      const bytes = Buffer.from(payload);
      sent.push(bytes);
      const frame = decodeFrame(new Uint8Array(bytes));
      if (!isMalformed(frame) && frame.type === "hello") hellos.push({ bytes, hello: frame });
    });
  });
}

/** The id of the document that is open, from the address. */
function documentIn(page: Page): string {
  const id = /\/[nc]\/([0-9a-f]{16})$/.exec(page.url())?.[1];
  if (id === undefined) throw new Error(`no document is open at ${page.url()}`);
  return id;
}

/** Every secret in the device's own database that scripts can read: content keys and seeds of access. */
async function secretsOf(page: Page): Promise<{ name: string; bytes: Buffer }[]> {
  const secrets = await page.evaluate(async () => {
    const done = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error ?? new Error("no answer"));
      });
    const database = await done(indexedDB.open("skein"));
    const rows: unknown = await done(database.transaction("spaces").objectStore("spaces").getAll());
    database.close();
    const list: { name: string; bytes: number[] }[] = [];
    const collect = (value: unknown, path: string) => {
      if (value instanceof Uint8Array) {
        if (value.length === 32 && /contentKeys|seeds|inviteSeed/.test(path)) {
          list.push({ name: path, bytes: [...value] });
        }
      } else if (typeof value === "object" && value !== null) {
        for (const [key, inside] of Object.entries(value)) collect(inside, `${path}.${key}`);
      }
    };
    collect(rows, "spaces");
    return list;
  });
  return secrets.map(({ name, bytes }) => ({ name, bytes: Buffer.from(bytes) }));
}

/** In which forms `needle` stands in `haystack`: as it is, in hexadecimal, in both kinds of Base64. */
function found(haystack: Buffer, needle: Buffer): string[] {
  const forms: [name: string, form: Buffer | string][] = [
    ["raw", needle],
    ["hexadecimal", needle.toString("hex")],
    ["upper hexadecimal", needle.toString("hex").toUpperCase()],
  ];
  // Wherever it begins within a group of three bytes; letters that neighbours have a share in are left out.
  for (let before = 0; before < 3; before++) {
    const padded = Buffer.concat([Buffer.alloc(before), needle]);
    const first = Math.ceil((before * 8) / 6);
    const whole = Math.floor((padded.length * 8) / 6);
    const letters = padded.toString("base64").slice(first, whole);
    forms.push([`Base64 at ${before}`, letters]);
    forms.push([`Base64url at ${before}`, letters.replaceAll("+", "-").replaceAll("/", "_")]);
  }
  return forms.filter(([, form]) => haystack.includes(form)).map(([name]) => name);
}
