/**
 * The client's build. Everything is hashed and comes from the relay itself; nothing is inlined as a
 * `data:` address or as a script, which the content security policy would refuse.
 */
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";
import { VitePWA } from "vite-plugin-pwa";

const icon = (size: number, purpose: "any" | "maskable" = "any") => ({
  src: `/icon-${purpose === "maskable" ? "maskable-" : ""}${size}.png`,
  sizes: `${size}x${size}`,
  type: "image/png",
  purpose,
});

/**
 * The app speaks English, so React Aria's few sentences in thirty other languages stay out of the first
 * load. The locale is set where the app is composed.
 */
function englishOnly(): Plugin {
  return {
    name: "english-only",
    enforce: "pre",
    load(id) {
      const isOther =
        /[\\/]react-aria[^?]*[\\/]intl[^?]*[\\/](?!en-US)[a-z]{2}-[A-Z]{2}\.m?js$/.test(id);
      return isOther ? "export default {};" : undefined;
    },
  };
}

export default defineConfig({
  root: import.meta.dirname,
  build: {
    // The first versions with `light-dark()`, Ed25519 in the browser's own cryptography soon after.
    target: ["chrome123", "firefox128", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // For test/house/bundle.test.ts, which holds the first load to its budget.
    manifest: true,
    // The engines are larger than Vite's default and are loaded lazily.
    chunkSizeWarningLimit: 1_000,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // By itself, so that it stays in the cache when the app changes.
          groups: [{ name: "react", test: /node_modules[\\/](?:react|react-dom|scheduler)[\\/]/ }],
        },
      },
    },
  },
  worker: { format: "es" },
  plugins: [
    englishOnly(),
    react(),
    VitePWA({
      // Our own service worker, which gets the list of files to keep.
      strategies: "injectManifest",
      srcDir: "src/worker",
      filename: "service-worker.ts",
      // By the app itself (src/updates.ts), through its Trusted Types policy.
      injectRegister: false,
      manifest: {
        id: "/",
        name: "Skein",
        short_name: "Skein",
        description: "Notes and group chat that live on your devices",
        start_url: "/",
        scope: "/",
        display: "standalone",
        theme_color: "#00605c",
        background_color: "#f4f7f7",
        icons: [
          icon(192),
          icon(512),
          icon(512, "maskable"),
          { src: "/icon.svg", sizes: "any", type: "image/svg+xml" },
        ],
      },
      includeManifestIcons: false,
      injectManifest: {
        rollupFormat: "iife",
        globPatterns: ["**/*.{html,js,css,svg,png,wasm}"],
        // The wasm is over a megabyte; the service worker keeps it when the page is idle.
        maximumFileSizeToCacheInBytes: 8_000_000,
      },
      integration: {
        configureCustomSWViteBuild(config) {
          config.logLevel = "warn";
        },
      },
    }),
  ],
});
