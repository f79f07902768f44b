/**
 * Order keys between which there is always room (Figma, "Realtime editing of ordered sequences",
 * 2017; the scheme is that of David Greenspan's "Implementing fractional indexing"): compared as
 * strings, they sort as they were meant. A key is an integer and a fraction, both in base 62. The
 * integer's first letter says how long it is, so that ten thousand appended things have keys of four
 * letters; only what goes between two neighbours grows the fraction.
 */
const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const zero = "0";
const last = "z";

/** The key of the first thing there is. */
const middleInteger = "a0";
/** Only ever a bound: nothing may come before it, so it is no key. */
const smallestInteger = `A${zero.repeat(26)}`;

const keyForm = /^(?:[a-z][0-9A-Za-z]+|[A-Z][0-9A-Za-z]+)$/;

/** Whether `key` is one that `keyBetween` understands: others wrote it. */
export function isOrderKey(key: string): boolean {
  if (!keyForm.test(key) || key === smallestInteger) return false;
  return key.length >= integerLength(key) && !(hasFraction(key) && key.endsWith(zero));
}

const hasFraction = (key: string): boolean => key.length > integerLength(key);

/**
 * A key after `below` and before `above`, either of which may be missing. Where there is no room,
 * because two keys are equal or the wrong way round, it is one just after `below`.
 */
export function keyBetween(below: string | undefined, above: string | undefined): string {
  if (below === undefined) return above === undefined ? middleInteger : keyBefore(above);
  if (above === undefined || above <= below) return keyAfter(below);
  const [low, high] = [integerOf(below), integerOf(above)];
  if (low === high) return low + middle(fractionOf(below), fractionOf(above));
  const next = incremented(low);
  if (next !== undefined && next < above) return next;
  return low + middle(fractionOf(below), undefined);
}

function keyBefore(above: string): string {
  const integer = integerOf(above);
  if (integer === smallestInteger) return integer + middle("", fractionOf(above));
  if (integer < above) return integer;
  const previous = decremented(integer);
  if (previous === undefined) throw new RangeError(`nothing comes before ${above}`);
  return previous === smallestInteger ? previous + middle("", undefined) : previous;
}

const keyAfter = (below: string): string =>
  incremented(integerOf(below)) ?? integerOf(below) + middle(fractionOf(below), undefined);

/** `a` to `z` stand for 2 to 27 letters upwards, `Z` to `A` for 2 to 27 downwards. */
function integerLength(key: string): number {
  const head = key.charCodeAt(0);
  return head >= 0x61 ? head - 0x61 + 2 : 0x5a - head + 2;
}

const integerOf = (key: string): string => key.slice(0, integerLength(key));
const fractionOf = (key: string): string => key.slice(integerLength(key));

/** A fraction between two, of which the empty one is 0 and a missing one is 1. */
function middle(below: string, above: string | undefined): string {
  let shared = 0;
  if (above !== undefined) {
    while ((below[shared] ?? zero) === above[shared]) shared++;
    if (shared > 0) {
      return above.slice(0, shared) + middle(below.slice(shared), above.slice(shared));
    }
  }
  const low = below === "" ? 0 : digits.indexOf(below.charAt(0));
  const high = above === undefined ? digits.length : digits.indexOf(above.charAt(0));
  if (high - low > 1) return digits.charAt((low + high) >>> 1);
  if (above !== undefined && above.length > 1) return above.charAt(0);
  return digits.charAt(low) + middle(below.slice(1), undefined);
}

/** The next integer; undefined behind the greatest. */
function incremented(integer: string): string | undefined {
  const letters = integer.slice(1).split("");
  for (let at = letters.length - 1; at >= 0; at--) {
    const digit = digits.indexOf(letters[at] ?? "") + 1;
    if (digit < digits.length) {
      letters[at] = digits.charAt(digit);
      return integer.charAt(0) + letters.join("");
    }
    letters[at] = zero;
  }
  const head = integer.charAt(0);
  if (head === last) return undefined;
  if (head === "Z") return middleInteger;
  const next = String.fromCharCode(head.charCodeAt(0) + 1);
  return next + zero.repeat(integerLength(next) - 1);
}

/** The integer before; undefined before the smallest. */
function decremented(integer: string): string | undefined {
  const letters = integer.slice(1).split("");
  for (let at = letters.length - 1; at >= 0; at--) {
    const digit = digits.indexOf(letters[at] ?? "") - 1;
    if (digit >= 0) {
      letters[at] = digits.charAt(digit);
      return integer.charAt(0) + letters.join("");
    }
    letters[at] = last;
  }
  const head = integer.charAt(0);
  if (head === "A") return undefined;
  if (head === "a") return `Z${last}`;
  const previous = String.fromCharCode(head.charCodeAt(0) - 1);
  return previous + last.repeat(integerLength(previous) - 1);
}
