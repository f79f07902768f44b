/** The browser's own offer to install the app, kept until a person asks for it. */
import { Cell } from "./runtime/observable.ts";

interface InstallPromptEvent extends Event {
  prompt(): Promise<unknown>;
}

/** Asks the browser to install; undefined where it does not offer that (or did already). */
export const install = new Cell<(() => Promise<void>) | undefined>(undefined);

export function watchInstall(): void {
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    install.set(async () => {
      install.set(undefined);
      await (event as InstallPromptEvent).prompt();
    });
  });
  addEventListener("appinstalled", () => install.set(undefined));
}
