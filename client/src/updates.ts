/**
 * Installs the service worker and notices when a newer app waits behind it. It never takes over by
 * itself: the person reloads when it suits them, and until then this tab and its parts come from the
 * version it began with. Where another tab took the update, this one offers to reload.
 */
import type { Trouble } from "./runtime/api.ts";
import { scriptUrl } from "./trusted-types.ts";
import { Cell } from "./runtime/observable.ts";
import type { ToWorker } from "./worker/messages.ts";

/** The update that waits, for the list of troubles. */
export const waitingUpdate = new Cell<Trouble | undefined>(undefined);

const checkEveryMs = 60 * 60_000;

export function watchUpdates(): void {
  if (!("serviceWorker" in navigator) || !import.meta.env.PROD) return;
  const start = () => {
    register().catch(() => {
      // Refused (a private window, a policy) or not reachable: the app works without, only not offline.
    });
  };
  // After the page has all it needs: the first install fetches the rest of the app.
  if (document.readyState === "complete") start();
  else addEventListener("load", start, { once: true });
}

async function register(): Promise<void> {
  const { serviceWorker } = navigator;
  const registration = await serviceWorker.register(scriptUrl("/service-worker.js"), {
    updateViaCache: "none",
  });
  // Without a controller this is the first install, and there is no older version to replace.
  let controlled = serviceWorker.controller !== null;
  let askedHere = false;

  const offer = (reload: () => void) => {
    waitingUpdate.set({ kind: "update ready", atMs: Date.now(), reload });
  };
  const look = () => {
    const { waiting } = registration;
    if (waiting === null || !controlled) return;
    offer(() => {
      askedHere = true;
      send(waiting, { kind: "take over" });
    });
  };
  look();
  registration.addEventListener("updatefound", () => {
    registration.installing?.addEventListener("statechange", look);
  });
  serviceWorker.addEventListener("controllerchange", () => {
    if (!controlled) controlled = true;
    else if (askedHere) location.reload();
    else offer(() => location.reload());
  });

  const check = () => {
    if (document.visibilityState === "visible" && navigator.onLine) {
      registration.update().catch(() => {
        // Not reachable now; the next check will tell.
      });
    }
  };
  setInterval(check, checkEveryMs);
  addEventListener("online", check);

  const ready = await serviceWorker.ready;
  const keep = () => {
    if (ready.active !== null) send(ready.active, { kind: "keep the rest" });
  };
  // What only some actions need, when the page has nothing else to do.
  if ("requestIdleCallback" in globalThis) requestIdleCallback(keep, { timeout: 15_000 });
  else setTimeout(keep, 5_000);
}

function send(worker: ServiceWorker, message: ToWorker): void {
  worker.postMessage(message);
}
