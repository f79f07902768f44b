/** The left side: which space, what is in it, who is in it, and how far everything has come. */
import { Search, Settings } from "lucide-react";
import { Button as AriaButton } from "react-aria-components";
import { MembersList } from "../presence/members-panel.tsx";
import { SyncPill } from "../sync/sync-pill.tsx";
import { useWays } from "../ui/app-context.ts";
import { Avatar } from "../ui/avatar.tsx";
import { IconButton } from "../ui/button.tsx";
import { mod } from "../ui/keys.ts";
import { useObservable } from "../ui/observable.ts";
import { ChannelsList } from "./channels-list.tsx";
import { InviteButton } from "./invite-button.tsx";
import { NotesList } from "./notes-list.tsx";
import type { Place } from "./place.ts";
import { SpaceSwitcher } from "./space-switcher.tsx";
import "./sidebar.css";

export function Sidebar({ place }: { readonly place: Place }) {
  return (
    <nav className="sidebar" data-region="sidebar" aria-label="Space">
      <div className="sidebar-head">
        <SpaceSwitcher />
        <FindButton />
      </div>
      <div className="sidebar-lists">
        <NotesList place={place} />
        <ChannelsList place={place} />
        <MembersList />
        <InviteButton />
      </div>
      <div className="sidebar-foot">
        <MeButton />
        <SyncPill />
      </div>
    </nav>
  );
}

export function FindButton() {
  const { show } = useWays();
  return (
    <IconButton label="Find" keys={mod("K")} onPress={() => show({ kind: "find" })}>
      <Search aria-hidden />
    </IconButton>
  );
}

function MeButton() {
  const { app, show } = useWays();
  const me = useObservable(app.me);
  if (me === undefined) return null;
  return (
    <AriaButton className="me" onPress={() => show({ kind: "settings" })}>
      <Avatar id={me.member} name={me.name} size={24} />
      <bdi className="me-name">{me.name}</bdi>
      <Settings aria-hidden />
      <span className="visually-hidden">, settings</span>
    </AriaButton>
  );
}
