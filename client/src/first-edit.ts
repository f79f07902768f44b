/**
 * After the first thing a person wrote: ask the browser to keep it, and offer to install the app, once per
 * device. Before that there is nothing worth a question.
 */
import { install } from "./install.ts";
import type { App } from "./runtime/api.ts";
import { tell } from "./ui/notices.tsx";

const flag = "skein.first-edit";
let done = false;

export function firstEdit(app: App): void {
  if (done) return;
  done = true;
  try {
    if (localStorage.getItem(flag) !== null) return;
    localStorage.setItem(flag, "1");
  } catch {
    // Then it is asked once per tab.
  }
  void ask(app);
}

async function ask(app: App): Promise<void> {
  if (!app.storage.get().persistent) await app.askToPersist().catch(() => false);
  const offer = install.get();
  if (offer === undefined) return;
  tell("Skein can be installed and then opens without a browser.", {
    label: "Install",
    run: () => void offer(),
  });
}
