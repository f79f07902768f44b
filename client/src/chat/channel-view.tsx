/** A channel: its messages, who is typing, and the composer. */
import { useCallback, useEffect, useState } from "react";
import { ChevronLeft, Hash, Users } from "lucide-react";
import { Button as AriaButton } from "react-aria-components";
import type { DocumentId } from "@skein/shared/id/id.ts";
import type { OpenChannel } from "../runtime/api.ts";
import { usePhone } from "../ui/media.ts";
import { IconButton } from "../ui/button.tsx";
import { useSpace, useWays } from "../ui/app-context.ts";
import { useLate, useObservable } from "../ui/observable.ts";
import { useOpen } from "../ui/use-open.ts";
import { Composer } from "./composer.tsx";
import { MessageList } from "./message-list.tsx";
import { openChannels } from "./open-channels.ts";
import { typingWords } from "./typing-words.ts";
import "./channel-view.css";

export function ChannelView({ id }: { readonly id: DocumentId }) {
  const space = useSpace();
  const { go, side, setSide } = useWays();
  const phone = usePhone();
  const channels = useObservable(space.channels);
  const members = useObservable(space.members);
  const name = channels.find((channel) => channel.id === id)?.name;
  const open = useCallback(() => space.openChannel(id), [space, id]);
  const channel = useOpen(open, close);
  return (
    <>
      <header className="bar">
        {phone && (
          <AriaButton
            className="icon-button bar-back"
            aria-label="Back to channels"
            onPress={() => go({ kind: "space", space: space.tag, list: "channels" })}
          >
            <ChevronLeft aria-hidden />
          </AriaButton>
        )}
        <Hash className="bar-icon" aria-hidden />
        <h1 className="bar-title">
          <bdi>{name ?? "Channel"}</bdi>
        </h1>
        <span className="bar-space" />
        <IconButton
          label={`Members (${members.length})`}
          isPressed={side?.kind === "members"}
          onPress={() => setSide(side?.kind === "members" ? undefined : { kind: "members" })}
        >
          <Users aria-hidden />
        </IconButton>
      </header>
      {channel.kind === "open" && <Conversation channel={channel.value} name={name ?? "channel"} />}
      {channel.kind === "opening" && <Skeleton />}
      {channel.kind === "failed" && <Raise error={channel.error} />}
    </>
  );
}

function close(channel: OpenChannel): void {
  channel.close();
}

function Raise({ error }: { readonly error: Error }): never {
  throw error;
}

function Conversation({ channel, name }: { readonly channel: OpenChannel; readonly name: string }) {
  const [sent, setSent] = useState(0);
  // So that the message info on the right side can ask the channel that is open.
  useEffect(() => openChannels.add(channel), [channel]);
  return (
    <div className="conversation">
      <MessageList channel={channel} name={name} sent={sent} />
      <TypingLine channel={channel.id} />
      <Composer channel={channel} name={name} onSent={() => setSent((count) => count + 1)} />
    </div>
  );
}

function TypingLine({ channel }: { readonly channel: DocumentId }) {
  const members = useObservable(useSpace().members);
  const names = members
    .filter(({ typingIn, isMe }) => typingIn === channel && !isMe)
    .map(({ name }) => name);
  return (
    <p className="typing" aria-live="polite">
      {typingWords(names)}
    </p>
  );
}

function Skeleton() {
  const late = useLate();
  return (
    <div className="conversation" aria-busy="true">
      <div className="log-skeleton" aria-hidden="true">
        {late &&
          ["70%", "45%", "62%", "30%"].map((width) => <span key={width} style={{ width }} />)}
      </div>
    </div>
  );
}
