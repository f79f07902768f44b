/**
 * Runs every property from one seed (vitest.config.ts), so that a run is the same on every machine
 * and a failure can be had again. `SKEIN_SEED=random` looks for new ones.
 */
import fc from "fast-check";
import { inject } from "vitest";

declare module "vitest" {
  interface ProvidedContext {
    propertySeed: number;
  }
}

fc.configureGlobal({ seed: inject("propertySeed") });
