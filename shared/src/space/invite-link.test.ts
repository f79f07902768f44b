import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatInviteLink, parseInviteLink } from "./invite-link.ts";

const code = Uint8Array.from({ length: 8 }, (_, index) => index * 31);
const secret = Uint8Array.from({ length: 16 }, (_, index) => 255 - index * 7);
const link = formatInviteLink("https://notes.example:8443", { code, secret });
const token = link.slice(link.indexOf("/join/") + 6);
const [codeText = "", secretText = ""] = token.split(".");

const found = { kind: "invite link", origin: "https://notes.example:8443", code, secret };
const bare = { ...found, origin: undefined };
const reasonOf = (text: string) => {
  const parsed = parseInviteLink(text);
  return parsed.kind === "refusal" ? parsed.reason : "found";
};

describe("an invite link", () => {
  it("comes back as it was made", () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(bytes(8), bytes(16), (someCode, someSecret) => {
        const text = formatInviteLink("http://localhost:8787", {
          code: someCode,
          secret: someSecret,
        });
        expect(parseInviteLink(text)).toEqual({
          kind: "invite link",
          origin: "http://localhost:8787",
          code: new Uint8Array(someCode),
          secret: new Uint8Array(someSecret),
        });
      }),
    );
  });

  it.each([
    ["white space around it", `  ${link}\n`],
    ["words around it", `Come and join us at ${link} when you like`],
    ["the end of a sentence", `It is at ${link}.`],
    ["brackets", `(${link})`],
    ["angle brackets, as in mails", `<${link}>`],
    ["quotation marks", `"${link}",`],
    ["Markdown", `[our space](${link})!`],
    ["an encoded number sign", link.replace("#", "%23")],
    ["a path and a query, as redirects leave them", link.replace("/#", "/app/?via=mail#")],
    ["capitals in its host", link.replace("https://notes", "HTTPS://Notes")],
  ])("is found with %s", (_, text) => {
    expect(parseInviteLink(text)).toEqual(found);
  });

  it.each([
    ["the fragment", `#/join/${token}`],
    ["the fragment without its sign", `/join/${token}`],
    ["the token", token],
    ["the token with space around it", ` ${token}\n`],
  ])("is found without a host: %s", (_, text) => {
    expect(parseInviteLink(text)).toEqual(bare);
  });

  it.each([
    ["nothing", ""],
    ["words", "hello there"],
    ["another address", "https://notes.example/#/space/abc"],
    ["another address with a dot", "notes.example"],
    ["the app itself", "https://notes.example:8443/"],
    ["an address of another kind", `ftp://notes.example/#/join/${token}`],
  ])("is not seen in %s", (_, text) => {
    expect(reasonOf(text)).toBe("not a link");
  });

  it("that was cut anywhere behind its host is incomplete", () => {
    for (let length = link.indexOf("/join") + 5; length < link.length; length++) {
      expect(reasonOf(link.slice(0, length)), `cut to ${length}`).toBe("incomplete");
    }
    expect(reasonOf(`#/join/${codeText}.`)).toBe("incomplete");
    expect(reasonOf(`${link.slice(0, -5)} and so on`)).toBe("incomplete");
  });

  it.each([
    ["letters that no invite has", link.replace(codeText, `${codeText.slice(0, -1)}ä`)],
    ["a letter too many in its code", link.replace(codeText, `${codeText}A`)],
    ["a letter missing in its code", link.replace(codeText, codeText.slice(1))],
    ["a letter too many at its end", `${link}A`],
    ["something appended", `${link}&utm_source=mail`],
    ["a third part", `${link}.${codeText}`],
    ["unused bits that are set", link.replace(secretText, `${secretText.slice(0, -1)}_`)],
  ])("with %s is damaged", (_, text) => {
    expect(reasonOf(text)).toBe("damaged");
  });

  it.each([
    ["a host without end", `https://${"a".repeat(1_000_000)}`],
    ["host after host", "https://".repeat(100_000)],
    ["many links that lead elsewhere", "https://a#".repeat(100_000)],
    ["slashes", `https://a${"/".repeat(1_000_000)}`],
  ])("is looked for in time that grows with the text alone: %s", (_, text) => {
    // Looked for from every letter on, each of these would take minutes.
    expect(reasonOf(text)).toBe("not a link");
  });

  it("is stripped of what follows it in one pass", () => {
    expect(reasonOf(`#/join/${".".repeat(1_000_000)}A`)).toBe("damaged");
    expect(parseInviteLink(`${link}${".".repeat(1_000_000)}`)).toEqual(found);
  });

  it("is looked for in any text without throwing", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        parseInviteLink(before + link + after);
        parseInviteLink(`${before}#/join/${after}`);
        return parseInviteLink(before).kind === "refusal";
      }),
    );
  });
});
