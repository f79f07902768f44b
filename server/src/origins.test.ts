import { networkInterfaces } from "node:os";
import { describe, expect, test } from "vitest";
import { Origins, type OriginsOptions } from "./origins.ts";

const now = 1_000;
const own = (options: Partial<OriginsOptions> = {}) =>
  new Origins({ listed: undefined, host: "127.0.0.1", port: 8787, encrypted: false, ...options });

describe("without a list", () => {
  test("a relay on the loopback interface is reached under its names and nothing else", () => {
    const origins = own();
    expect(origins.reachedAt("localhost:8787", now)).toBe("http://localhost:8787");
    expect(origins.reachedAt("LOCALHOST:8787", now)).toBe("http://localhost:8787");
    expect(origins.reachedAt("127.0.0.1:8787", now)).toBe("http://127.0.0.1:8787");
    expect(origins.reachedAt("[::1]:8787", now)).toBe("http://[::1]:8787");
    for (const host of ["localhost", "localhost:8788", "evil.example:8787", "", undefined]) {
      expect(origins.reachedAt(host, now)).toBeUndefined();
    }
  });

  test("a relay on all interfaces is reached under each of the machine's addresses", () => {
    const origins = own({ host: "0.0.0.0" });
    const rows = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
    const v4 = rows.filter(({ family }) => family === "IPv4");
    expect(v4.length).toBeGreaterThan(0);
    for (const { address } of v4) {
      expect(origins.reachedAt(`${address}:8787`, now)).toBe(`http://${address}:8787`);
    }
    expect(origins.reachedAt("localhost:8787", now)).toBe("http://localhost:8787");
    expect(origins.reachedAt("evil.example:8787", now)).toBeUndefined();
  });

  test("a relay on one address is reached under that one", () => {
    const origins = own({ host: "192.0.2.7" });
    expect(origins.all(now)).toEqual(["http://192.0.2.7:8787"]);
    expect(own({ host: "2001:db8::1" }).all(now)).toEqual(["http://[2001:db8::1]:8787"]);
  });

  test("the port of the scheme is left out, as browsers do", () => {
    const origins = own({ port: 443, encrypted: true });
    expect(origins.reachedAt("localhost", now)).toBe("https://localhost");
  });
});

test("a list counts alone", () => {
  const origins = own({ listed: ["https://skein.example", "https://app.example"] });
  expect(origins.reachedAt("skein.example", now)).toBe("https://skein.example");
  expect(origins.reachedAt("localhost:8787", now)).toBeUndefined();
  expect(origins.admits("https://app.example", now)).toBe(true);
  expect(origins.admits("http://localhost:8787", now)).toBe(false);
});

test("of one host under both schemes the one that was spoken counts", () => {
  const both = ["http://skein.example:9", "https://skein.example:9"];
  expect(own({ listed: both }).reachedAt("skein.example:9", now)).toBe("http://skein.example:9");
  const encrypted = own({ listed: both, encrypted: true });
  expect(encrypted.reachedAt("skein.example:9", now)).toBe("https://skein.example:9");
});

test("pages of other origins are turned away, and what is no page is not", () => {
  const origins = own();
  expect(origins.admits("http://localhost:8787", now)).toBe(true);
  for (const origin of ["http://evil.example", "https://localhost:8787", "null", ""]) {
    expect(origins.admits(origin, now)).toBe(false);
  }
  expect(origins.admits(undefined, now)).toBe(true);
});

test("the address that is shown works where it is shown", () => {
  expect(own().shown(now)).toBe("http://localhost:8787");
  expect(own({ host: "0.0.0.0" }).shown(now)).toBe("http://localhost:8787");
  expect(own({ host: "192.0.2.7" }).shown(now)).toBe("http://192.0.2.7:8787");
  expect(own({ listed: ["https://skein.example"] }).shown(now)).toBe("https://skein.example");
});
