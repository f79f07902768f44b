/**
 * What a decoder answers when bytes from outside do not have the form they should have.
 * Inside a decoder a `Reader` throws it; `decode` turns it into a value, so nothing hostile
 * ever unwinds past a codec.
 */

/**
 * What kind of wrong: `form` bytes that mean nothing, `size` more than a limit allows, `type` a
 * frame nobody knows, `version` a format or suite this party does not speak. Sessions answer each
 * with another code.
 */
export type Fault = "form" | "size" | "type" | "version";

export class Malformed extends Error {
  override readonly name = "Malformed";
  readonly kind = "malformed";
  readonly fault: Fault;

  constructor(message: string, fault: Fault = "form") {
    super(message);
    this.fault = fault;
  }
}

/** True when a decoder refused its input. */
export const isMalformed = (value: unknown): value is Malformed => value instanceof Malformed;
