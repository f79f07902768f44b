/** Who has read a message, who has got it, who is still without it; with checkpoints and devices. */
import { useMemo } from "react";
import { X } from "lucide-react";
import type { MessageInfo, OpenChannel } from "../runtime/api.ts";
import { storageCaution } from "../spaces/trouble-words.ts";
import { useApp, useWays } from "../ui/app-context.ts";
import { Avatar } from "../ui/avatar.tsx";
import { IconButton } from "../ui/button.tsx";
import { counted } from "../ui/list-words.ts";
import { useNow, useObservable } from "../ui/observable.ts";
import { Shape } from "../ui/shape.tsx";
import { byWords, momentWords } from "../ui/time-words.ts";
import { openChannels } from "./open-channels.ts";
import { tickOf } from "./tick.ts";
import "./message-info.css";

export function MessageInfoPanel({ message }: { readonly message: string }) {
  const { setSide } = useWays();
  const channels = useObservable(openChannels);
  const channel = channels.find((open) => open.messages.get().some(({ key }) => key === message));
  return (
    <>
      <div className="panel-head">
        <h2 className="panel-title">Message info</h2>
        <IconButton label="Close message info" onPress={() => setSide(undefined)}>
          <X aria-hidden />
        </IconButton>
      </div>
      <div className="panel-body">
        {channel === undefined ? (
          <p className="panel-quiet">Choose a message in an open channel.</p>
        ) : (
          <Details channel={channel} message={message} />
        )}
      </div>
    </>
  );
}

const groups = [
  { level: "read", title: "Read", shape: "read" },
  { level: "delivered", title: "Delivered", shape: "double tick" },
  { level: "waiting", title: "Waiting", shape: "clock" },
] as const;

function Details({
  channel,
  message,
}: {
  readonly channel: OpenChannel;
  readonly message: string;
}) {
  const messages = useObservable(channel.messages);
  const info = useObservable(useMemo(() => channel.info(message), [channel, message]));
  const nowMs = useNow(30_000);
  const shown = messages.find(({ key }) => key === message);
  return (
    <>
      {shown !== undefined && (
        <blockquote className="info-quote" dir="auto">
          {shown.text}
          <footer className="info-when">{momentWords(shown.atMs, nowMs)}</footer>
        </blockquote>
      )}
      {shown?.isMine === true && <Level channel={channel} message={message} info={info} />}
      {groups.map(({ level, title, shape }) => {
        const members = info.members.filter((member) => member.level === level);
        if (members.length === 0) return null;
        return (
          <section key={level} className="panel-section" aria-label={title}>
            <h3 className="panel-heading info-heading">
              <Shape of={shape} />
              {title} ({members.length})
            </h3>
            <ul className="sync-list">
              {members.map((member) => (
                <li key={member.member} className="sync-line">
                  <Avatar id={member.member} name={member.name} size={24} />
                  <span className="sync-words">
                    <bdi className="sync-label">{member.name}</bdi>
                    <span className="sync-aside">{memberWords(member, nowMs)}</span>
                  </span>
                </li>
              ))}
            </ul>
          </section>
        );
      })}
      {info.members.length === 0 && (
        <p className="panel-quiet">Nobody else was in this space when it was written.</p>
      )}
    </>
  );
}

function Level({
  channel,
  message,
  info,
}: {
  readonly channel: OpenChannel;
  readonly message: string;
  readonly info: MessageInfo;
}) {
  const nowMs = useNow(30_000);
  const receipt = useObservable(useMemo(() => channel.receipt(message), [channel, message]));
  const { glyph, sentence } = tickOf(receipt);
  const storage = useObservable(useApp().storage);
  const caution = glyph === "clock" ? storageCaution(storage) : undefined;
  const mine = info.myOtherDevices.filter(({ level }) => level !== "waiting").length;
  return (
    <p className="sync-line">
      <Shape of={glyph} />
      <span className="sync-words">
        {sentence}
        {caution !== undefined && <span className="sync-aside">{caution}</span>}
        {info.sentByMs !== undefined && (
          <span className="sync-aside">Safe {byWords(info.sentByMs, nowMs)}</span>
        )}
        {info.myOtherDevices.length > 0 && (
          <span className="sync-aside">
            On {mine} of {counted(info.myOtherDevices.length, "other device")} of mine
          </span>
        )}
      </span>
    </p>
  );
}

function memberWords(member: MessageInfo["members"][number], nowMs: number): string {
  const when = member.byMs === undefined ? "" : byWords(member.byMs, nowMs);
  const have = member.devices.filter(({ level }) => level !== "waiting").length;
  const devices = member.devices.length > 1 ? `on ${have} of ${member.devices.length} devices` : "";
  const words = [when, devices].filter((part) => part !== "").join(", ");
  return words || (member.level === "waiting" ? "not on a device yet" : "");
}
