import { expect, it } from "vitest";
import { inviteAddress, relayName, relayOrigin, socketAddress } from "./address.ts";

it.each([
  ["http://localhost:8787/#/join/a.b", "http://localhost:8787"],
  ["https://Relay.Example/", "https://relay.example"],
  ["https://relay.example:443/x?y", "https://relay.example"],
  ["http://relay.example:80", "http://relay.example"],
  ["wss://relay.example/sync", "https://relay.example"],
  ["ws://[::1]:9/sync", "http://[::1]:9"],
])("%s is below the relay %s", (address, origin) => {
  expect(relayOrigin(address)).toBe(origin);
});

it.each(["", "relay.example", "ftp://relay.example", "javascript:alert(1)", "data:,x", "http://"])(
  "%j is no relay",
  (address) => {
    expect(relayOrigin(address)).toBeUndefined();
  },
);

it("has its socket and its invites below it", () => {
  const [plain, secure] = [relayOrigin("http://a:1"), relayOrigin("https://b")];
  if (plain === undefined || secure === undefined) throw new Error("two relays");
  expect([socketAddress(plain), socketAddress(secure)]).toEqual(["ws://a:1/sync", "wss://b/sync"]);
  expect(inviteAddress(secure, "00")).toBe("https://b/invites/00");
  expect([relayName(plain), relayName(secure)]).toEqual(["a:1", "b"]);
});
