import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import { NewerRecord } from "@skein/shared/device/records.ts";
import { CannotOpen, Gate, obstacleIn } from "./gate.tsx";
import { CannotOpenDatabase } from "./runtime/cannot-open.ts";

const whole = {
  isSecureContext: true,
  location: { host: "relay.example" },
  crypto: { subtle: {} },
  navigator: { locks: {} },
  indexedDB: {},
  BroadcastChannel: {},
  WebSocket: {},
};

describe("the app", () => {
  it("runs where all is there", () => {
    expect(obstacleIn(whole)).toBeUndefined();
  });

  it("does not run on an insecure origin, whatever else is there", () => {
    const obstacle = obstacleIn({
      ...whole,
      isSecureContext: false,
      location: { host: "10.0.0.5:8787" },
    });
    expect(obstacle).toEqual({ kind: "insecure", host: "10.0.0.5:8787" });
    const page = renderToStaticMarkup(<Gate obstacle={obstacle!} />);
    expect(page).toContain("http://localhost:8787");
    expect(page).toContain("SKEIN_TLS_CERT");
    expect(page).toContain("ssh -L 8787:localhost:8787 10.0.0.5");
  });

  it("says which part a browser lacks", () => {
    const obstacle = obstacleIn({ ...whole, navigator: {}, crypto: {} });
    expect(obstacle).toEqual({ kind: "unsupported", missing: ["web cryptography", "web locks"] });
    expect(renderToStaticMarkup(<Gate obstacle={obstacle!} />)).toContain(
      "web cryptography, web locks",
    );
  });

  it("says why it could not open its storage, as text", () => {
    const page = renderToStaticMarkup(<CannotOpen error={new Error("<b>denied</b>")} />);
    expect(page).toContain("Error: &lt;b&gt;denied&lt;/b&gt;");
  });

  it("has words of its own for a full disk and for a newer version's storage", () => {
    const said = [
      new CannotOpenDatabase("unavailable", "UnknownError"),
      new CannotOpenDatabase("full", "QuotaExceededError"),
      new CannotOpenDatabase("outdated", "VersionError"),
      new NewerRecord("device is of form 2"),
    ].map(
      (error) => /<h1>(.*)<\/h1>/.exec(renderToStaticMarkup(<CannotOpen error={error} />))?.[1],
    );
    expect(said).toEqual([
      "Skein could not open its storage",
      "This device has no room left",
      "A newer version of Skein was used here",
      "A newer version of Skein was used here",
    ]);
  });
});
