/** One message: plain text with links, and on my own how far it has come. */
import { memo, useEffect, useMemo, useRef } from "react";
import { Button as AriaButton } from "react-aria-components";
import type { Message, OpenChannel } from "../runtime/api.ts";
import { useWays } from "../ui/app-context.ts";
import { Avatar } from "../ui/avatar.tsx";
import { WithTooltip } from "../ui/button.tsx";
import { hueClass } from "../ui/hue.ts";
import { useObservable } from "../ui/observable.ts";
import { Shape } from "../ui/shape.tsx";
import { clockTime } from "../ui/time-words.ts";
import { segmentsOf } from "./linkify.ts";
import type { ReadWatch } from "./read-watch.ts";
import { tickOf } from "./tick.ts";
import "./message-row.css";

export interface MessageRowProps {
  readonly channel: OpenChannel;
  readonly message: Message;
  readonly opensRun: boolean;
  /** The one message that Tab stops at; the arrow keys move it. */
  readonly isStop: boolean;
  readonly watch: ReadWatch;
  readonly onFocus: (key: string) => void;
}

export const MessageRow = memo(function MessageRow({
  channel,
  message,
  opensRun,
  isStop,
  watch,
  onFocus,
}: MessageRowProps) {
  const element = useRef<HTMLElement>(null);
  const { key, isMine, author, authorName, atMs } = message;
  useEffect(() => {
    if (isMine || element.current === null) return;
    return watch.watch(element.current, key);
  }, [watch, key, isMine]);
  const time = clockTime(atMs);
  const unknown = author === undefined;
  return (
    // The focus tells the list where the reader is.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <article
      ref={element}
      className={`message${opensRun ? " message-opens" : ""}${isMine ? " message-mine" : ""}`}
      data-message={key}
      aria-label={`${isMine ? "You" : authorName}, ${time}`}
      // A stop of the list, as the pattern for feeds has it.
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={isStop ? 0 : -1}
      onFocus={() => onFocus(key)}
    >
      <div className="message-gutter">
        {opensRun ? (
          <Avatar id={author} name={authorName} size={36} />
        ) : (
          <time className="message-time" dateTime={new Date(atMs).toISOString()}>
            {time}
          </time>
        )}
      </div>
      <div className="message-body">
        {opensRun && (
          <p className={`message-head${unknown ? "" : ` ${hueClass(author)}`}`}>
            <bdi className="message-author">{authorName}</bdi>
            <time className="message-time" dateTime={new Date(atMs).toISOString()}>
              {time}
            </time>
          </p>
        )}
        <Words text={message.text} />
      </div>
      {isMine && (
        <div className="message-tick">
          <TickButton channel={channel} message={key} isStop={isStop} />
        </div>
      )}
    </article>
  );
});

const Words = memo(function Words({ text }: { readonly text: string }) {
  return (
    <p className="message-text" dir="auto">
      {segmentsOf(text).map(({ text: words, href }, index) =>
        href === undefined ? (
          words
        ) : (
          // The text never changes, so its parts stay where they are.
          <a key={index} href={href} target="_blank" rel="noopener noreferrer nofollow">
            {words}
          </a>
        ),
      )}
    </p>
  );
});

interface TickButtonProps {
  readonly channel: OpenChannel;
  readonly message: string;
  readonly isStop: boolean;
}

function TickButton({ channel, message, isStop }: TickButtonProps) {
  const { setSide } = useWays();
  const receipt = useObservable(useMemo(() => channel.receipt(message), [channel, message]));
  const { glyph, label, sentence } = tickOf(receipt);
  return (
    <WithTooltip words={sentence}>
      <AriaButton
        className={`tick tick-${glyph.replace(" ", "-")}`}

        excludeFromTabOrder={!isStop}
        onPress={() => setSide({ kind: "message", message })}
      >
        {label !== undefined && (
          <span className="tick-label" aria-hidden="true">
            {label}
          </span>
        )}
        <Shape of={glyph} />
        <span className="visually-hidden">{sentence}. Message info</span>
      </AriaButton>
    </WithTooltip>
  );
}
