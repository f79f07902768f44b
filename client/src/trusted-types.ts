/**
 * The one Trusted Types policy of the app (`trusted-types skein`). It lets through addresses of our own
 * scripts for workers and the service worker, and nothing else: no HTML is ever made from text here.
 */

interface Policy {
  createScriptURL(url: string): unknown;
}

interface PolicyFactory {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): Policy;
}

function ownScript(url: string): string {
  const address = new URL(url, location.href);
  if (address.origin !== location.origin || !address.pathname.endsWith(".js")) {
    throw new TypeError(`not a script of ours: ${address.pathname}`);
  }
  return address.href;
}

const { trustedTypes } = globalThis as { readonly trustedTypes?: PolicyFactory };
const policy: Policy = trustedTypes?.createPolicy("skein", { createScriptURL: ownScript }) ?? {
  createScriptURL: ownScript,
};

/** The address of a script from our own origin, in the form that `Worker` and `register` take. */
export function scriptUrl(url: string): string {
  // A TrustedScriptURL, which the DOM's types do not know yet; everything that takes one takes text.
  return policy.createScriptURL(url) as string;
}
