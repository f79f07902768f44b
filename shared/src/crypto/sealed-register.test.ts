import { beforeAll, describe, expect, it } from "vitest";
import { fromHex } from "../bytes/bytes.ts";
import { type RegisterName, spaceTag } from "../id/id.ts";
import { isRefusal } from "../log/refusal.ts";
import { registerHeadBytes, verifyRegister } from "../log/register.ts";
import { replicaIdOf } from "../log/replica-key.ts";
import type { StoredRegister } from "../log/store.ts";
import { Keyring } from "./keyring.ts";
import { nobleSuite } from "./noble-suite.ts";
import type { EntrySealer } from "./seal.ts";
import { openRegister, registerPlainBytesMax, sealRegister } from "./sealed-register.ts";

const suite = nobleSuite({ bytes: (length) => new Uint8Array(length).fill(7), fraction: () => 0 });
const space = spaceTag(fromHex("11".repeat(16)));
const plain = Uint8Array.from({ length: 20 }, (_, index) => index + 1);

let keyring: Keyring;
let sealer: EntrySealer;
let name: RegisterName;

beforeAll(async () => {
  const { publicKey, secret } = await suite.newSigningPair();
  keyring = new Keyring(suite, space, fromHex("55".repeat(32)));
  sealer = { keyring, space, replica: replicaIdOf(suite, publicKey), publicKey, secret };
  name = await keyring.registerName("clock");
});

const seal = (content = plain, by = sealer): Promise<StoredRegister> =>
  sealRegister(by, { name, number: 3, nonce: fromHex("01".repeat(12)), plain: content });

describe("a sealed register", () => {
  it("holds before everybody, and opens to what it said", async () => {
    const register = await seal();
    const verified = await verifyRegister(suite, space, sealer.publicKey, register.bytes);
    expect(isRefusal(verified) ? verified.words : verified).toEqual(register);
    expect(await openRegister(keyring, register.bytes)).toEqual(plain);
  });

  it("is padded with zeros from 64 bytes on", async () => {
    const longer = new Uint8Array(70).fill(1);
    const opened = await openRegister(keyring, (await seal(longer)).bytes);
    const expected = new Uint8Array(72);
    expected.set(longer);
    expect(opened).toEqual(expected);
  });

  it("holds 65,520 bytes and no more", async () => {
    const most = new Uint8Array(registerPlainBytesMax).fill(1);
    const register = await seal(most);
    expect(register.bytes.length).toBe(registerHeadBytes + 65_536);
    expect(await openRegister(keyring, register.bytes)).toEqual(most);
    await expect(seal(new Uint8Array(registerPlainBytesMax + 1))).rejects.toThrow(RangeError);
  });

  it("of an unknown epoch waits for its key", async () => {
    const later = new Keyring(suite, space, fromHex("55".repeat(32)));
    later.use(later.add(fromHex("66".repeat(32))));
    const register = await seal(plain, { ...sealer, keyring: later });
    expect(await openRegister(keyring, register.bytes)).toBe("unknown epoch");
    expect(await openRegister(later, register.bytes)).toEqual(plain);
  });

  it("of another space is void", async () => {
    const other = new Keyring(suite, spaceTag(fromHex("12".repeat(16))), fromHex("55".repeat(32)));
    expect(await openRegister(other, (await seal()).bytes)).toBe("void");
  });

  it("is refused or void when any byte of it is wrong", async () => {
    const { bytes } = await seal();
    for (let at = 0; at < bytes.length; at++) {
      const tampered = bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
      const verified = await verifyRegister(suite, space, sealer.publicKey, tampered);
      expect(isRefusal(verified), `byte ${at}`).toBe(true);
      const sealedUnder = at < 82 || at >= registerHeadBytes;
      const opened = await openRegister(keyring, tampered);
      expect(opened instanceof Uint8Array, `byte ${at}`).toBe(!sealedUnder);
    }
  });
});
