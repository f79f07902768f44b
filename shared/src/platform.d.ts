/**
 * The only two names the core takes from its surroundings besides the language itself. Browsers and
 * Node agree on them byte for byte, so they need no port. Time, dice, timers and keys come through one.
 */
declare class TextEncoder {
  /** UTF-8; a lone surrogate becomes U+FFFD. */
  encode(input?: string): Uint8Array<ArrayBuffer>;
}

declare class TextDecoder {
  /** With `fatal`, bytes that are not UTF-8 throw a `TypeError` instead of becoming U+FFFD. */
  constructor(label?: "utf-8", options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(input?: Uint8Array | ArrayBuffer): string;
}
