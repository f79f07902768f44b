/**
 * Certificates for tests, made on the spot: no private key lies in the repository and none expires.
 * DER by hand (X.690, RFC 5280), as much as one self-signed certificate for `localhost` takes.
 */
import { generateKeyPairSync, sign } from "node:crypto";

export interface SelfSigned {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
}

export function selfSigned({ from = "20000101000000Z", to = "21000101000000Z" } = {}): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = sequence(
    set(sequence(oid(0x55, 0x04, 0x03), tagged(0x0c, Buffer.from("localhost")))),
  );
  const ecdsaWithSha256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
  const alternativeNames = sequence(
    tagged(0x82, Buffer.from("localhost")),
    tagged(0x87, Buffer.of(127, 0, 0, 1)),
  );
  const body = sequence(
    tagged(0xa0, integer(2)),
    integer(1),
    ecdsaWithSha256,
    name,
    sequence(tagged(0x18, Buffer.from(from)), tagged(0x18, Buffer.from(to))),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, sequence(sequence(oid(0x55, 0x1d, 0x11), tagged(0x04, alternativeNames)))),
  );
  const signature = sign("sha256", body, privateKey);
  const whole = sequence(
    body,
    ecdsaWithSha256,
    tagged(0x03, Buffer.concat([Buffer.of(0), signature])),
  );
  const lines = whole.toString("base64").match(/.{1,64}/g) ?? [];
  return {
    certificate: ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join(
      "\n",
    ),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function tagged(tag: number, content: Buffer): Buffer {
  const length =
    content.length < 0x80
      ? Buffer.of(content.length)
      : Buffer.of(0x82, content.length >> 8, content.length & 0xff);
  return Buffer.concat([Buffer.of(tag), length, content]);
}

const sequence = (...parts: Buffer[]): Buffer => tagged(0x30, Buffer.concat(parts));
const set = (...parts: Buffer[]): Buffer => tagged(0x31, Buffer.concat(parts));
const integer = (value: number): Buffer => tagged(0x02, Buffer.of(value));
const oid = (...bytes: number[]): Buffer => tagged(0x06, Buffer.from(bytes));
