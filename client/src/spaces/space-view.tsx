/** One space on the screen: the sidebar, what is open, and the right side; on phones one pane and tabs. */
import { useEffect, type ReactNode } from "react";
import { FileText, MessageSquare, Settings, Users } from "lucide-react";
import { Button as AriaButton, Link } from "react-aria-components";
import type { Space } from "../runtime/api.ts";
import { ChannelView } from "../chat/channel-view.tsx";
import { MessageInfoPanel } from "../chat/message-info.tsx";
import { NoteView } from "../notes/note-view.tsx";
import { MembersList, MembersPanel } from "../presence/members-panel.tsx";
import { SyncPanel } from "../sync/sync-panel.tsx";
import { SyncPill } from "../sync/sync-pill.tsx";
import { SpaceContext, useWays, type Side } from "../ui/app-context.ts";
import { attention } from "../ui/attention.ts";
import { Avatar } from "../ui/avatar.tsx";
import { Failure } from "../ui/failure.tsx";
import { useNarrow, usePhone } from "../ui/media.ts";
import { useObservable } from "../ui/observable.ts";
import { Dialog } from "../ui/overlay.tsx";
import { ChannelsList } from "./channels-list.tsx";
import { Home } from "./home.tsx";
import { InviteButton } from "./invite-button.tsx";
import { NotesList } from "./notes-list.tsx";
import { documentOf, pathOf, type List, type Place } from "./place.ts";
import { FindButton, Sidebar } from "./sidebar.tsx";
import { SpaceSwitcher } from "./space-switcher.tsx";
import { TrashView } from "./trash-view.tsx";
import { TroublesBar } from "./troubles-bar.tsx";
import "./space-view.css";

export interface SpaceViewProps {
  readonly space: Space;
  readonly place: Exclude<Place, { kind: "start" }>;
}

export function SpaceView({ space, place }: SpaceViewProps) {
  const phone = usePhone();
  const narrow = useNarrow();
  const { side } = useWays();
  useFocusOf(space, place);
  return (
    <SpaceContext value={space}>
      {phone ? (
        <Phone place={place} />
      ) : (
        <div className="frame">
          <Sidebar place={place} />
          <main className="main" data-region="content">
            <TroublesBar />
            <Content place={place} />
          </main>
          {!narrow && side !== undefined && (
            <aside className="side" data-region="side" aria-label={sideTitle(side)}>
              <SideContent side={side} />
            </aside>
          )}
        </div>
      )}
      {narrow && side !== undefined && <SideSheet side={side} />}
    </SpaceContext>
  );
}

/** Tells the space where this person is, while they are looking. */
function useFocusOf(space: Space, place: Place): void {
  const document = documentOf(place);
  const looking = useObservable(attention);
  useEffect(() => {
    space.setFocus(looking ? document : undefined);
  }, [space, document, looking]);
  useEffect(() => () => space.setFocus(undefined), [space]);
}

function Content({ place }: Pick<SpaceViewProps, "place">) {
  switch (place.kind) {
    case "note":
      return (
        <Failure key={place.note} what="This note">
          <NoteView id={place.note} />
        </Failure>
      );
    case "channel":
      return (
        <Failure key={place.channel} what="This channel">
          <ChannelView id={place.channel} />
        </Failure>
      );
    case "space":
      return place.list === "trash" ? <TrashView /> : <Home />;
  }
}

function sideTitle(side: Side): string {
  switch (side.kind) {
    case "members":
      return "Members";
    case "sync":
      return "Sync";
    case "message":
      return "Message info";
  }
}

function SideContent({ side }: { readonly side: Side }) {
  switch (side.kind) {
    case "members":
      return <MembersPanel />;
    case "sync":
      return <SyncPanel />;
    case "message":
      return <MessageInfoPanel message={side.message} />;
  }
}

function SideSheet({ side }: { readonly side: Side }) {
  const { setSide } = useWays();
  return (
    <Dialog title={sideTitle(side)} place="side" hidesTitle onClose={() => setSide(undefined)}>
      <SideContent side={side} />
    </Dialog>
  );
}

// Phones

const tabs: readonly {
  readonly list: List;
  readonly label: string;
  readonly icon: ReactNode;
}[] = [
  { list: "notes", label: "Notes", icon: <FileText aria-hidden /> },
  { list: "channels", label: "Channels", icon: <MessageSquare aria-hidden /> },
  { list: "members", label: "Members", icon: <Users aria-hidden /> },
];

function Phone({ place }: Pick<SpaceViewProps, "place">) {
  const isOpen = documentOf(place) !== undefined;
  const list = place.kind === "space" ? (place.list ?? "notes") : undefined;
  return (
    <div className="phone">
      <PhoneBar slim={isOpen} />
      <main className="phone-main" data-region="content">
        <TroublesBar />
        {isOpen || list === "trash" ? (
          <Content place={place} />
        ) : (
          <div className="phone-list">
            {list === "notes" && <NotesList place={place} heading />}
            {list === "channels" && <ChannelsList place={place} heading />}
            {list === "members" && <MembersList heading />}
            <InviteButton />
          </div>
        )}
      </main>
      <PhoneTabs place={place} />
    </div>
  );
}

/** Slim above what is open, which has a bar of its own. */
function PhoneBar({ slim }: { readonly slim: boolean }) {
  const { app, show } = useWays();
  const me = useObservable(app.me);
  return (
    <header className="phone-bar" data-region="bar">
      {!slim && (
        <div className="phone-bar-line">
          <SpaceSwitcher />
          <FindButton />
          <AriaButton className="icon-button" onPress={() => show({ kind: "settings" })}>
            {me === undefined ? (
              <Settings aria-hidden />
            ) : (
              <Avatar id={me.member} name={me.name} size={24} />
            )}
            <span className="visually-hidden">Settings</span>
          </AriaButton>
        </div>
      )}
      <SyncPill />
    </header>
  );
}

function PhoneTabs({ place }: Pick<SpaceViewProps, "place">) {
  const current: List =
    place.kind === "note"
      ? "notes"
      : place.kind === "channel"
        ? "channels"
        : place.list === undefined || place.list === "trash"
          ? "notes"
          : place.list;
  return (
    <nav className="phone-tabs" data-region="tabs" aria-label="Parts of the space">
      {tabs.map(({ list, label, icon }) => (
        <Link
          key={list}
          className="phone-tab"
          href={`#${pathOf({ kind: "space", space: place.space, list })}`}
          {...(current === list && { "aria-current": "page" as const })}
        >
          {icon}
          {label}
        </Link>
      ))}
    </nav>
  );
}
