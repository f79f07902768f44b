/** What may lie over the app, as one part of it that the first paint does without. */
import { useWays, type Overlay } from "../ui/app-context.ts";
import { FindDialog } from "./find-dialog.tsx";
import { InviteDialog } from "./invite-dialog.tsx";
import { SettingsDialog } from "./settings-dialog.tsx";
import { JoinDialog, NewChannelDialog, NewSpaceDialog, ShortcutsDialog } from "./small-dialogs.tsx";

export interface DialogsProps {
  readonly overlay: Overlay;
  readonly onClose: () => void;
}

export function Dialogs({ overlay, onClose }: DialogsProps) {
  const { show } = useWays();
  switch (overlay.kind) {
    case "invite":
      return <InviteDialog onClose={onClose} />;
    case "settings":
      return <SettingsDialog onClose={onClose} onShortcuts={() => show({ kind: "shortcuts" })} />;
    case "find":
      return <FindDialog onClose={onClose} />;
    case "shortcuts":
      return <ShortcutsDialog onClose={onClose} />;
    case "new space":
      return <NewSpaceDialog onClose={onClose} />;
    case "join":
      return <JoinDialog link={overlay.link} onClose={onClose} />;
    case "new channel":
      return <NewChannelDialog onClose={onClose} />;
  }
}
