/**
 * Whom a limit per address means. An IPv4 address is one customer or one household; of IPv6 a
 * household is given at least a /64, so its addresses count as one.
 */

/** A key for limits; never logged. */
export function addressKey(address: string | undefined): string {
  if (address === undefined) return "unknown";
  const bare = (address.split("%")[0] ?? address).toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(bare);
  if (mapped?.[1] !== undefined) return mapped[1];
  return bare.includes(":") ? `${firstGroups(bare, 4).join(":")}::/64` : bare;
}

/** The first groups of an IPv6 address, written out: `2001:db8::1` → 2001, db8, 0, 0. */
function firstGroups(address: string, count: number): string[] {
  const [head = "", tail] = address.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = tail === undefined ? 0 : 8 - before.length - after.length;
  const zeros = Array.from({ length: Math.max(0, missing) }, () => "0");
  return [...before, ...zeros, ...after].slice(0, count);
}
