/**
 * Opens the app with the network gone. The shell and the editor are kept at install; the parts over a
 * megabyte, which no first load needs, when a page says that it is idle. A new version waits until a
 * person asks for it. Nothing but the app's own files passes through here.
 */
import { createHandlerBoundToURL, precacheAndRoute } from "workbox-precaching";
import { NavigationRoute, registerRoute } from "workbox-routing";
import type { ToWorker } from "./messages.ts";

interface Kept {
  readonly url: string;
  /** Null for files whose name carries their hash. */
  readonly revision: string | null;
}

declare const self: ServiceWorkerGlobalScope;

const restCache = "skein-rest";
const isRest = ({ url }: Kept) => /automerge|\.wasm$/.test(url);

// The build writes objects only; bare addresses, which workbox takes too, never stand here.
const files = self.__WB_MANIFEST as readonly Kept[];
const restPaths = files.filter(isRest).map(({ url }) => new URL(url, self.location.href).pathname);

precacheAndRoute(files.filter((file) => !isRest(file)) as Kept[]);

// Every address of the app is the same page; what the relay itself answers is left to the network.
registerRoute(
  new NavigationRoute(createHandlerBoundToURL("index.html"), {
    denylist: [/^\/(?:sync|yjs|invites|healthz|readyz|metrics)(?:\/|$)/],
  }),
);

registerRoute(
  ({ url, sameOrigin }) => sameOrigin && restPaths.includes(url.pathname),
  async ({ request }) => {
    const cache = await caches.open(restCache);
    const kept = await cache.match(request);
    if (kept !== undefined) return kept;
    const response = await fetch(request);
    if (response.ok) await cache.put(request, response.clone());
    return response;
  },
);

self.addEventListener("activate", (event) => {
  event.waitUntil(Promise.all([forgetOldRest(), self.clients.claim()]));
});

self.addEventListener("message", (event) => {
  const message = event.data as ToWorker;
  switch (message.kind) {
    case "take over":
      event.waitUntil(self.skipWaiting());
      return;
    case "keep the rest":
      event.waitUntil(keepRest());
      return;
  }
});

async function keepRest(): Promise<void> {
  const cache = await caches.open(restCache);
  for (const path of restPaths) {
    if ((await cache.match(path)) === undefined) await cache.add(path).catch(() => {});
  }
}

async function forgetOldRest(): Promise<void> {
  const cache = await caches.open(restCache);
  for (const request of await cache.keys()) {
    if (!restPaths.includes(new URL(request.url).pathname)) await cache.delete(request);
  }
}
