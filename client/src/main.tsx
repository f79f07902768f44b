/** Composes the app in a tab: looks whether it can run here, opens what the device holds, and shows it. */
import { createRoot } from "react-dom/client";
import { I18nProvider } from "react-aria-components";
import "./ui/theme.css";
import "./ui/base.css";
import { AppView } from "./app-view.tsx";
import { CannotOpen, Gate, obstacleIn } from "./gate.tsx";
import { watchInstall } from "./install.ts";
import { openApp } from "./runtime/app.ts";
import { takeInvite } from "./spaces/place.ts";
import { watchAttention } from "./ui/attention.ts";
import { watchRegions } from "./ui/regions.ts";
import { guardUnsaved } from "./unsaved.ts";
import { watchUpdates } from "./updates.ts";

// Before anything else may see it: the secret of an invite stands in the address.
const invite = takeInvite({ location, history });

const element = document.getElementById("root");
if (element === null) throw new Error("the page has no #root");
const root = createRoot(element);

const obstacle = obstacleIn(globalThis);
if (obstacle === undefined) await start();
else root.render(<Gate obstacle={obstacle} />);

async function start(): Promise<void> {
  watchAttention();
  watchRegions();
  watchInstall();
  refuseFilesBesideFields();
  try {
    const app = await openApp();
    guardUnsaved(app.unsaved, globalThis);
    root.render(
      <I18nProvider locale="en-GB">
        <AppView app={app} invite={invite} />
      </I18nProvider>,
    );
  } catch (error) {
    root.render(<CannotOpen error={error} />);
  }
  watchUpdates();
}

/** A file that is dropped beside a target would replace the app by the file. */
function refuseFilesBesideFields(): void {
  const refuse = (event: DragEvent) => {
    if (event.dataTransfer?.types.includes("Files") === true) event.preventDefault();
  };
  addEventListener("dragover", refuse);
  addEventListener("drop", refuse);
}
