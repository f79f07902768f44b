/**
 * Invite links (docs/protocol.md section 10): `https://host/#/join/<code>.<secret>`. People paste
 * them out of mails and messengers, with words around them, wrapped, or cut short; what is wrong with
 * one is told apart, so that it can be said.
 */
import { base64UrlLength, fromBase64Url, toBase64Url } from "../bytes/base64url.ts";
import { Malformed } from "../bytes/malformed.ts";
import type { Random } from "../env.ts";
import { type VerifyingSuite } from "../log/suite.ts";

const inviteCodeBytes = 8;
const inviteSecretBytes = 16;
export const inviteCodeHashBytes = 16;

const inviteCodeLabel = "skein/invite-code";

/** What stands behind the last slash. The relay learns the code's hash, nobody the secret. */
export interface InviteToken {
  readonly code: Uint8Array;
  readonly secret: Uint8Array;
}

export interface InviteLink extends InviteToken {
  readonly kind: "invite link";
  /** Scheme, host and port; undefined for a bare `code.secret`. */
  readonly origin: string | undefined;
}

export interface LinkRefusal {
  readonly kind: "refusal";
  /**
   * `not a link`: no trace of an invite. `incomplete`: it is one, but its end is missing. `damaged`:
   * it is one, with letters that no invite has.
   */
  readonly reason: "not a link" | "incomplete" | "damaged";
}

export const newInviteToken = (random: Random): InviteToken => ({
  code: random.bytes(inviteCodeBytes),
  secret: random.bytes(inviteSecretBytes),
});

/** Under what a relay keeps the invite: `H("skein/invite-code", code)[:16]`. */
export const inviteCodeHash = (suite: VerifyingSuite, code: Uint8Array): Uint8Array<ArrayBuffer> =>
  suite.hash(inviteCodeLabel, code).slice(0, inviteCodeHashBytes);

/** @param origin of the relay, without a slash at its end. */
export const formatInviteLink = (origin: string, { code, secret }: InviteToken): string =>
  `${origin}/#/join/${toBase64Url(code)}.${toBase64Url(secret)}`;

const codeLetters = base64UrlLength(inviteCodeBytes);
const secretLetters = base64UrlLength(inviteSecretBytes);

// Looked for in steps that each pass over the text once: people paste whole pages, and one pattern for
// all of it would begin anew at every letter.

/** What white space, brackets and quotation marks leave of a text. */
const wordPattern = /[^\s<>"']+/g;
const originPattern = /https?:\/\/[^/?]+/i;
const joinPattern = /^\/join(?:\/(.*))?/i;
/** A fragment alone; a token alone. */
const fragmentPattern = /^#?\/join(?:\/(\S*))?$/i;
const tokenPattern = new RegExp(`^[\\w-]{${codeLetters}}\\.[\\w-]{${secretLetters}}$`);
/** What sentences and markup leave at the end of a link. No letter of base64url is among it. */
const trailing: ReadonlySet<string | undefined> = new Set(".,;:!?)]}>*\"'”’»…");

/** Finds the invite in what somebody pasted. */
export function parseInviteLink(text: string): InviteLink | LinkRefusal {
  const pasted = text.trim().replaceAll(/%23(?=\/join)/gi, "#");
  for (const [word] of pasted.matchAll(wordPattern)) {
    const parts = word.split("#");
    for (let at = 1; at < parts.length; at++) {
      const isJoin = joinPattern.test(parts[at] ?? "");
      const origin = isJoin ? originPattern.exec(parts[at - 1] ?? "")?.[0] : undefined;
      if (origin === undefined) continue;
      const join = joinPattern.exec(parts.slice(at).join("#"));
      return readToken(join?.[1] ?? "", origin.toLowerCase());
    }
  }
  const fragment = fragmentPattern.exec(pasted);
  if (fragment !== null) return readToken(fragment[1] ?? "", undefined);
  if (tokenPattern.test(pasted)) return readToken(pasted, undefined);
  return { kind: "refusal", reason: "not a link" };
}

function readToken(written: string, origin: string | undefined): InviteLink | LinkRefusal {
  const [codeText = "", secretText = "", ...more] = withoutTrailing(written).split(".");
  const damaged: LinkRefusal = { kind: "refusal", reason: "damaged" };
  const letters = /^[\w-]*$/;
  if (more.length > 0 || !letters.test(codeText) || !letters.test(secretText)) return damaged;
  if (codeText.length > codeLetters || secretText.length > secretLetters) return damaged;
  // Links are cut at their end: a short code with a secret behind it lost something else.
  if (codeText.length < codeLetters && secretText !== "") return damaged;
  if (secretText.length < secretLetters) return { kind: "refusal", reason: "incomplete" };
  try {
    const [code, secret] = [fromBase64Url(codeText), fromBase64Url(secretText)];
    return { kind: "invite link", origin, code, secret };
  } catch (error) {
    if (error instanceof Malformed) return damaged;
    throw error;
  }
}

function withoutTrailing(written: string): string {
  let end = written.length;
  while (trailing.has(written[end - 1])) end--;
  return written.slice(0, end);
}
