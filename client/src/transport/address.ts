/**
 * Addresses of relays. A relay is named by its origin with the scheme `http` or `https`, as access
 * proofs name it (docs/protocol.md section 7); sockets and invites hang below it.
 */

declare const brand: unique symbol;
/** `http://host[:port]` or `https://host[:port]`, as the WHATWG URL origin writes it. */
export type RelayOrigin = string & { readonly [brand]: "RelayOrigin" };

/** From any address below a relay, whatever its path; undefined if it is no such address. */
export function relayOrigin(address: string): RelayOrigin | undefined {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return undefined;
  }
  const scheme = schemes.get(url.protocol);
  if (scheme === undefined || url.host === "") return undefined;
  // The ports that the two schemes of a pair leave out are the same.
  return `${scheme}//${url.host}` as RelayOrigin;
}

const schemes = new Map([
  ["http:", "http:"],
  ["https:", "https:"],
  ["ws:", "http:"],
  ["wss:", "https:"],
]);

export const socketAddress = (origin: RelayOrigin): string => `ws${origin.slice(4)}/sync`;

export const inviteAddress = (origin: RelayOrigin, codeHash: string): string =>
  `${origin}/invites/${codeHash}`;

/** As people say it: without the scheme. */
export const relayName = (origin: RelayOrigin): string => origin.replace(/^https?:\/\//, "");
