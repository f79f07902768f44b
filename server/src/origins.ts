/**
 * Which addresses are this relay's own. A browser says from which page it comes (`Origin`) and under
 * which name it reached us (`Host`); pages of others are turned away, and access proofs hold only
 * for an address that is ours (docs/protocol.md section 7), so that a proof shown to one relay
 * opens nothing at another.
 */
import { hostname, networkInterfaces } from "node:os";

export interface OriginsOptions {
  /** What the operator listed; undefined = the machine's own addresses. */
  readonly listed: readonly string[] | undefined;
  /** What the relay listens on. */
  readonly host: string;
  readonly port: number;
  readonly encrypted: boolean;
}

/** Addresses of network interfaces come and go; asking again costs half a millisecond. */
const rememberMs = 5_000;

export class Origins {
  readonly #options: OriginsOptions;
  #own: readonly string[] = [];
  #askedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: OriginsOptions) {
    this.#options = options;
  }

  /** The origin under which a request with this `Host` header reached us; undefined if not ours. */
  reachedAt(host: string | undefined, nowMs: number): string | undefined {
    if (host === undefined) return undefined;
    const wanted = host.toLowerCase();
    const found = this.all(nowMs).filter((origin) => hostOf(origin) === wanted);
    // Behind a proxy that speaks TLS for us we see none ourselves: the listed scheme counts.
    const scheme = this.#options.encrypted ? "https:" : "http:";
    return found.find((origin) => origin.startsWith(scheme)) ?? found[0];
  }

  /** Whether pages of this origin may connect; who sends no `Origin` is no page. */
  admits(origin: string | undefined, nowMs: number): boolean {
    return origin === undefined || this.all(nowMs).includes(origin);
  }

  all(nowMs: number): readonly string[] {
    const { listed } = this.#options;
    if (listed !== undefined) return listed;
    if (Math.abs(nowMs - this.#askedAtMs) > rememberMs) {
      this.#askedAtMs = nowMs;
      this.#own = ownOrigins(this.#options);
    }
    return this.#own;
  }

  /** The one to print for the person who started the relay. */
  shown(nowMs: number): string {
    const all = this.all(nowMs);
    const { host, encrypted, listed } = this.#options;
    // Without TLS only the machine itself gets the whole app: show the address that works.
    const prefersOwnName = listed === undefined && isUnspecified(host) && encrypted;
    const outside = all.find((origin) => !isLoopback(hostnameOf(origin)));
    return (prefersOwnName ? outside : undefined) ?? all[0] ?? "";
  }
}

const loopbackNames = ["localhost", "127.0.0.1", "[::1]"];

const isUnspecified = (host: string): boolean => host === "0.0.0.0" || host === "::";

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || host === "[::1]" || host.startsWith("127.");

function ownOrigins({ host, port, encrypted }: OriginsOptions): string[] {
  const names = isUnspecified(host)
    ? [...loopbackNames, ...machineNames()]
    : isLoopback(host)
      ? [...loopbackNames, bracketed(host)]
      : [bracketed(host)];
  const origins = names.map((name) => originOf(name, port, encrypted));
  return [...new Set(origins.filter((origin) => origin !== undefined))];
}

function machineNames(): string[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap((rows) => rows ?? [])
    // Link-local addresses name an interface, which no browser sends along.
    .filter(({ address }) => !address.toLowerCase().startsWith("fe80:"))
    .map(({ address }) => bracketed(address));
  const name = hostname();
  return [...addresses, name, ...(name.includes(".") ? [] : [`${name}.local`])];
}

const bracketed = (host: string): string =>
  host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;

function originOf(host: string, port: number, encrypted: boolean): string | undefined {
  return URL.parse(`${encrypted ? "https" : "http"}://${host}:${port}`)?.origin;
}

const hostOf = (origin: string): string | undefined => URL.parse(origin)?.host;
const hostnameOf = (origin: string): string => URL.parse(origin)?.hostname ?? "";
