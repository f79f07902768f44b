/**
 * A register's value to its sealed, signed bytes and back (docs/protocol.md section 5). Newer
 * versions are sealed under the same key as older ones, so each takes a random nonce.
 */
import { isMalformed } from "../bytes/malformed.ts";
import type { RegisterName } from "../id/id.ts";
import { padded } from "../log/padding.ts";
import {
  encodeRegister,
  parseRegister,
  registerAad,
  registerBodyHash,
  type RegisterFields,
  registerHeader,
  registerLabels,
} from "../log/register.ts";
import type { StoredRegister } from "../log/store.ts";
import type { Keyring } from "./keyring.ts";
import { type EntrySealer, tagBytes } from "./seal.ts";

/** A sealed body of 65,536 bytes less its tag. */
export const registerPlainBytesMax = 65_520;

export interface RegisterDraft {
  readonly name: RegisterName;
  /** Above every number this replica has used for the register. */
  readonly number: number;
  /** 12 fresh random bytes. */
  readonly nonce: Uint8Array;
  /** Says its own length: zeros follow it. */
  readonly plain: Uint8Array;
}

/** Seals under the current epoch. */
export async function sealRegister(
  sealer: EntrySealer,
  { name, number, nonce, plain }: RegisterDraft,
): Promise<StoredRegister> {
  const { keyring, space, replica, publicKey, secret } = sealer;
  const { suite, current: epoch } = keyring;
  const key = await keyring.registerKey(epoch, replica, name);
  if (key === undefined) throw new Error("the current epoch has no key");

  const fields: RegisterFields = { suite: suite.id, space, replica, name, number, epoch, nonce };
  const content = padded(plain, registerPlainBytesMax);
  const aad = registerAad(fields, content.length + tagBytes);
  const body = await suite.seal(key, nonce, content, aad);
  const bodyHash = registerBodyHash(suite, body);
  const header = registerHeader(fields, body.length, bodyHash);
  const signature = await suite.sign(secret, registerLabels.signature, header);
  const bytes = encodeRegister({ ...fields, bodyHash, signature, body });
  return { replica, publicKey, name, number, bodyHash, bytes };
}

/**
 * The plain of a verified register, with its padding. `unknown epoch`: to be tried again when a key
 * arrives. `void`: its tag is wrong, or it is of another space.
 */
export async function openRegister(
  keyring: Keyring,
  bytes: Uint8Array,
): Promise<Uint8Array<ArrayBuffer> | "unknown epoch" | "void"> {
  const register = parseRegister(bytes);
  if (isMalformed(register) || register.space !== keyring.space) return "void";
  const { epoch, replica, name, nonce, body } = register;
  const key = await keyring.registerKey(epoch, replica, name);
  if (key === undefined) return "unknown epoch";
  const aad = registerAad(register, body.length);
  return (await keyring.suite.open(key, nonce, body, aad)) ?? "void";
}
