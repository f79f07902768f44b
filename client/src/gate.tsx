/**
 * The pages in place of the app where it cannot run: over plain HTTP on a foreign address, where a browser
 * offers no cryptography, no locks and no service worker; in browsers that lack something; and where
 * the browser refuses storage. Each says what to do. Plain elements: nothing here may need what is missing.
 */
import { NewerRecord } from "@skein/shared/device/records.ts";
import { CannotOpenDatabase } from "./runtime/cannot-open.ts";
import { Mark } from "./ui/mark.tsx";
import "./gate.css";

export type Obstacle =
  | { readonly kind: "insecure"; readonly host: string }
  | { readonly kind: "unsupported"; readonly missing: readonly string[] };

interface Surroundings {
  readonly isSecureContext: boolean;
  readonly location: { readonly host: string };
  readonly crypto?: { readonly subtle?: unknown };
  readonly navigator: { readonly locks?: unknown };
  readonly indexedDB?: unknown;
  readonly BroadcastChannel?: unknown;
  readonly WebSocket?: unknown;
}

/** Why the app cannot run here; undefined when it can. */
export function obstacleIn(surroundings: Surroundings): Obstacle | undefined {
  if (!surroundings.isSecureContext) {
    return { kind: "insecure", host: surroundings.location.host };
  }
  const parts: readonly (readonly [name: string, there: unknown])[] = [
    ["web cryptography", surroundings.crypto?.subtle],
    ["web locks", surroundings.navigator.locks],
    ["IndexedDB", surroundings.indexedDB],
    ["broadcast channels", surroundings.BroadcastChannel],
    ["web sockets", surroundings.WebSocket],
  ];
  const missing = parts.filter(([, there]) => there === undefined).map(([name]) => name);
  return missing.length === 0 ? undefined : { kind: "unsupported", missing };
}

export function Gate({ obstacle }: { readonly obstacle: Obstacle }) {
  return obstacle.kind === "insecure" ? (
    <Page title="This address is not secure">
      <p>
        Skein encrypts everything in the browser, and browsers allow that only on secure pages.
        Opened as <b className="gate-host">http://{obstacle.host}</b> it cannot.
      </p>
      <h2>Any one of these helps</h2>
      <ul>
        <li>
          <b>On the same machine:</b> open <code>http://localhost:{portOf(obstacle.host)}</code>.
        </li>
        <li>
          <b>Over HTTPS:</b> start the relay with <code>SKEIN_TLS_CERT</code> and{" "}
          <code>SKEIN_TLS_KEY</code>, or put it behind a proxy that speaks HTTPS.
        </li>
        <li>
          <b>Through a tunnel:</b>{" "}
          <code>
            ssh -L {portOf(obstacle.host)}:localhost:{portOf(obstacle.host)} {nameOf(obstacle.host)}
          </code>
          , then open the first address.
        </li>
      </ul>
    </Page>
  ) : (
    <Page title="This browser lacks something Skein needs">
      <p>Missing: {obstacle.missing.join(", ")}.</p>
      <p>
        A current Firefox, Chrome, Edge or Safari has all of it. Some need a window that is not
        private.
      </p>
    </Page>
  );
}

/** Storage was refused, is full or broken, or belongs to a newer version: there is nothing to show. */
export function CannotOpen({ error }: { readonly error: unknown }) {
  const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const [title, what, ...ways] = cannotOpenWords(error);
  return (
    <Page title={title}>
      <p>{what}</p>
      <ul>
        {ways.map((way) => (
          <li key={way}>{way}</li>
        ))}
      </ul>
      <p>
        <button type="button" className="gate-button" onClick={() => location.reload()}>
          Reload
        </button>
      </p>
      <p className="gate-detail">{detail}</p>
    </Page>
  );
}

/** The title, what has happened, and what a person can do. */
function cannotOpenWords(error: unknown): readonly [string, string, ...string[]] {
  if (isOutdated(error)) {
    return [
      "A newer version of Skein was used here",
      "What it keeps in this browser cannot be read by this older version. Nothing was changed.",
      "Reload to update.",
      "If this page comes again, the relay still has the older version: try again later.",
    ];
  }
  if (error instanceof CannotOpenDatabase && error.kind === "full") {
    return [
      "This device has no room left",
      "Skein could not open its storage, because the browser gives it no more room. What is kept stays.",
      "Free some space on the disk, or remove other sites’ data, and reload.",
    ];
  }
  return [
    "Skein could not open its storage",
    "Everything you write is kept in this browser, and the browser did not let the app open it. Nothing was changed.",
    "A private window may forbid storage: try a normal one.",
    "Close other tabs with Skein and reload.",
    "Make sure that the disk is not full.",
  ];
}

const isOutdated = (error: unknown): boolean =>
  error instanceof NewerRecord ||
  (error instanceof CannotOpenDatabase && error.kind === "outdated");

function Page({ title, children }: { readonly title: string; readonly children: React.ReactNode }) {
  return (
    <main className="gate">
      <Mark size={40} />
      <h1>{title}</h1>
      {children}
    </main>
  );
}

const portOf = (host: string): string => /:(\d+)$/.exec(host)?.[1] ?? "80";
const nameOf = (host: string): string => host.replace(/:\d+$/, "");
