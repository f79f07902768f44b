import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { readConfig } from "@skein/server/config.ts";
import { decodeFrame } from "@skein/shared/protocol/codec.ts";
import { startRelay } from "../support/relay.ts";
import { selfSigned } from "../support/self-signed.ts";

const folder = mkdtempSync(join(tmpdir(), "skein-tls-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, { certificate, key } = selfSigned()) {
  const files = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  writeFileSync(files.certificate, certificate);
  writeFileSync(files.key, key);
  return files;
}

test("a relay with a certificate serves HTTPS, and its WebSocket, on the one port", async () => {
  const { certificate, key } = selfSigned();
  const relay = await startRelay({ config: { tls: { certificate, key } } });
  try {
    expect(relay.address).toBe(`https://localhost:${relay.port}`);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get(`${relay.address}/healthz`, { ca: certificate }, resolve).on("error", reject);
    });
    response.resume();
    expect(response.statusCode).toBe(200);
    expect(response.headers["strict-transport-security"]).toBe("max-age=31536000");
    expect(response.headers["content-security-policy"]).toContain(
      `connect-src 'self' https://localhost:${relay.port} wss://localhost:${relay.port};`,
    );

    const socket = new WebSocket(`wss://localhost:${relay.port}/sync`, { ca: certificate });
    const [greet] = (await once(socket, "message")) as [Buffer];
    expect(decodeFrame(new Uint8Array(greet))).toMatchObject({ type: "greet", party: "relay" });
    socket.terminate();

    await expect(fetch(`http://localhost:${relay.port}/`)).rejects.toThrow("fetch failed");
    await expect(fetch(`https://localhost:${relay.port}/`)).rejects.toThrow("fetch failed");
  } finally {
    await relay.close();
  }
});

describe("TLS settings", () => {
  const first = write("first");
  const second = write("second");
  const read = (certificate: string, key: string) =>
    readConfig({ SKEIN_TLS_CERT: certificate, SKEIN_TLS_KEY: key });

  test("take a certificate with its key", () => {
    expect(read(first.certificate, first.key)).toMatchObject({
      kind: "valid",
      warnings: [],
      config: {
        tls: {
          certificate: expect.stringMatching(/BEGIN CERTIFICATE/) as string,
          key: expect.stringMatching(/BEGIN PRIVATE KEY/) as string,
        },
      },
    });
  });

  test("explain a key that is another's", () => {
    expect(read(first.certificate, second.key)).toEqual({
      kind: "refused",
      problems: [expect.stringMatching(/SKEIN_TLS_KEY is not the key of SKEIN_TLS_CERT/)],
    });
  });

  test("explain files that were swapped", () => {
    expect(read(first.key, first.certificate)).toEqual({
      kind: "refused",
      problems: [
        expect.stringMatching(/SKEIN_TLS_CERT is no PEM certificate/),
        expect.stringMatching(/SKEIN_TLS_KEY is no PEM private key/),
      ],
    });
  });

  test("warn of a certificate that browsers refuse", () => {
    const old = write("old", selfSigned({ to: "20010101000000Z" }));
    expect(read(old.certificate, old.key)).toMatchObject({
      kind: "valid",
      warnings: [expect.stringMatching(/expired on/)],
    });
    const early = write("early", selfSigned({ from: "20990101000000Z" }));
    expect(read(early.certificate, early.key)).toMatchObject({
      kind: "valid",
      warnings: [expect.stringMatching(/is valid from/)],
    });
  });
});
