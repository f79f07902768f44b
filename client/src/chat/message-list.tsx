/**
 * The messages of a channel: virtualised, steady while older ones are loaded above, at the bottom when
 * newer ones arrive and the reader was there. Arrow keys lead from message to message.
 */
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { ArrowDown } from "lucide-react";
import { Virtualizer, type VirtualizerHandle } from "virtua";
import type { OpenChannel } from "../runtime/api.ts";
import { announce } from "../ui/announce.tsx";
import { useWays } from "../ui/app-context.ts";
import { attempt } from "../ui/attempt.ts";
import { Button } from "../ui/button.tsx";
import { counted } from "../ui/list-words.ts";
import { useLate, useNow, useObservable } from "../ui/observable.ts";
import { dayWords } from "../ui/time-words.ts";
import { MessageRow } from "./message-row.tsx";
import { ReadWatch } from "./read-watch.ts";
import { rowsOf, type Row } from "./rows.ts";
import "./message-list.css";

export interface MessageListProps {
  readonly channel: OpenChannel;
  readonly name: string;
  /** Counts what this person sent here: after each the list is at the bottom. */
  readonly sent: number;
}

/** So near the bottom counts as being there. */
const bottomPx = 48;
const none: readonly number[] = [];
/** By then the list stands where it was sent; virtua waits for sizes on the way. */
const placedAfterMs = 200;
/** So near the top loads what is older. */
const topPx = 800;

export function MessageList({ channel, name, sent }: MessageListProps) {
  const { setSide } = useWays();
  const messages = useObservable(channel.messages);
  const hasOlder = useObservable(channel.hasOlder);
  const olderComing = useObservable(channel.olderComing);
  const rows = useMemo(() => rowsOf(messages, channel.firstUnread), [messages, channel]);
  const nowMs = useNow(60_000);

  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<VirtualizerHandle>(null);
  const shift = useGrowsAtTop(rows);
  const [watch] = useState(() => new ReadWatch((key) => channel.markRead(key)));

  // Where the reader is

  const atBottom = useRef(true);
  const [far, setFar] = useState(false);
  const [away, setAway] = useState(false);
  const settled = useLate(1_000);
  const [unseen, setUnseen] = useState(0);
  // Not virtua's `scrollToIndex`, which goes on for a while and would pull back who scrolls away.
  const toBottom = useCallback(() => {
    const element = scroller.current;
    if (element === null) return;
    atBottom.current = true;
    element.scrollTop = element.scrollHeight;
  }, []);
  const keepBottom = useCallback(() => {
    if (atBottom.current) toBottom();
  }, [toBottom]);

  const placed = useRef(false);
  useLayoutEffect(() => {
    if (placed.current || rows.length === 0) return;
    placed.current = true;
    const unread = rows.findIndex((row) => row.kind === "unread");
    if (unread < 0) {
      toBottom();
    } else {
      atBottom.current = false;
      list.current?.scrollToIndex(Math.max(0, unread - 1), { align: "start" });
    }
  }, [rows, toBottom]);

  const lastKey = messages.at(-1)?.key;
  const previousLast = useRef(lastKey);
  useLayoutEffect(() => {
    if (previousLast.current === lastKey) return;
    const wasAt = messages.findIndex(({ key }) => key === previousLast.current);
    previousLast.current = lastKey;
    const arrived = messages.slice(wasAt + 1).filter(({ isMine }) => !isMine).length;
    if (atBottom.current) toBottom();
    else if (arrived > 0) {
      setUnseen((count) => count + arrived);
      announce(`${counted(arrived, "new message")} below`);
    }
  }, [lastKey, messages, toBottom]);

  useLayoutEffect(() => {
    if (sent > 0) toBottom();
  }, [sent, toBottom]);

  const loading = useRef(false);
  /** Rows above would move the place that the list is still on its way to. */
  const mayLoad = useRef(false);
  const loadOlder = useCallback(() => {
    const element = scroller.current;
    if (!mayLoad.current || loading.current || element === null) return;
    if (element.scrollTop >= topPx || !channel.hasOlder.get()) return;
    loading.current = true;
    const older = channel.loadOlder().finally(() => {
      loading.current = false;
    });
    attempt(older, "Older messages could not be read. Scroll again to try once more.");
  }, [channel]);

  const onScroll = () => {
    const element = scroller.current;
    if (element === null) return;
    const below = element.scrollHeight - element.scrollTop - element.clientHeight;
    atBottom.current = below <= bottomPx;
    setAway(!atBottom.current);
    setFar(below > element.clientHeight);
    if (atBottom.current) setUnseen(0);
    loadOlder();
  };
  // Those who are near the top already, or whose window is taller than the list, never scroll.
  useEffect(() => {
    const timer = setTimeout(() => {
      mayLoad.current = true;
      loadOlder();
    }, placedAfterMs);
    return () => clearTimeout(timer);
  }, [rows, olderComing, loadOlder]);

  // From message to message

  const [active, setActive] = useState<string>();
  const activeKey =
    active !== undefined && rows.some(({ key }) => key === active) ? active : lastKey;
  const activeIndex = rows.findIndex(({ key }) => key === activeKey);
  /** The message that takes the focus as soon as it is drawn; being active keeps it mounted. */
  const [wanted, setWanted] = useState<string>();
  const focusRow = (index: number) => {
    const row = rows[index];
    if (row === undefined || row.kind !== "message") return;
    setActive(row.key);
    setWanted(row.key);
    list.current?.scrollToIndex(index, { align: "nearest" });
  };
  useEffect(() => {
    if (wanted === undefined) return;
    let frame = 0;
    // A message far away is drawn, and then made visible, a few frames after the list scrolled to it.
    const focus = (triesLeft: number) => {
      const row = scroller.current?.querySelector<HTMLElement>(
        `[data-message="${CSS.escape(wanted)}"]`,
      );
      row?.focus({ preventScroll: true });
      if (triesLeft === 0 || (row && row === document.activeElement)) setWanted(undefined);
      else frame = requestAnimationFrame(() => focus(triesLeft - 1));
    };
    focus(30);
    return () => cancelAnimationFrame(frame);
  }, [wanted]);
  const onKeyDown = (event: React.KeyboardEvent) => {
    const step = { ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity }[event.key];
    if (step !== undefined && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      focusRow(nextMessage(rows, activeIndex, step));
    } else if (event.key === "V" && event.shiftKey && activeKey !== undefined) {
      event.preventDefault();
      setSide({ kind: "message", message: activeKey });
    }
  };

  return (
    <div className="log-frame">
      {/* Moving through the list is the list's own business; rows are its stops. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <div
        ref={scroller}
        className="log"
        role="log"
        aria-label={`Messages in ${name}`}
        // Rows that are drawn because somebody scrolls are no news; those that arrive at the bottom are.
        aria-live={settled && !away ? "polite" : "off"}
        aria-relevant="additions"
        onScroll={onScroll}
        onKeyDown={onKeyDown}
      >
        <div className="log-fill">
          {!hasOlder && <Beginning name={name} empty={messages.length === 0} />}
          {olderComing && <OlderComing empty={messages.length === 0} />}
        </div>
        <Virtualizer
          ref={list}
          data={rows}
          shift={shift}
          scrollRef={scroller}
          keepMounted={activeIndex < 0 ? none : [activeIndex]}
          // Rows were measured, the composer grew, a keyboard opened: stay at the bottom.
          onResize={keepBottom}
        >
          {(row) => {
            switch (row.kind) {
              case "day":
                return (
                  <div key={row.key} className="log-day">
                    <span>{dayWords(row.atMs, nowMs)}</span>
                  </div>
                );
              case "unread":
                return (
                  <div key={row.key} className="log-unread">
                    <span>New</span>
                  </div>
                );
              case "message":
                return (
                  <MessageRow
                    key={row.key}
                    channel={channel}
                    message={row.message}
                    opensRun={row.opensRun}
                    isStop={row.key === activeKey}
                    watch={watch}
                    onFocus={setActive}
                  />
                );
            }
          }}
        </Virtualizer>
      </div>
      {(far || unseen > 0) && (
        <div className="log-jump">
          <Button size="small" icon={<ArrowDown aria-hidden />} onPress={toBottom}>
            {unseen > 0 ? `${unseen} new` : "Newest"}
          </Button>
        </div>
      )}
    </div>
  );
}

function Beginning({ name, empty }: { readonly name: string; readonly empty: boolean }) {
  return (
    <div className="log-beginning">
      <p className="log-beginning-title">
        This is the beginning of <bdi>#{name}</bdi>
      </p>
      <p>{empty ? "Say hello: it is kept here, and goes out when there is a connection." : ""}</p>
    </div>
  );
}

function OlderComing({ empty }: { readonly empty: boolean }) {
  return (
    <div className="log-beginning">
      <p>
        {empty ? "The messages here are" : "Older messages are"} on their way to this device. They
        come while there is a connection.
      </p>
    </div>
  );
}

function nextMessage(rows: readonly Row[], here: number, step: number): number {
  if (step === -Infinity) return rows.findIndex(({ kind }) => kind === "message");
  if (step === Infinity) return rows.findLastIndex(({ kind }) => kind === "message");
  for (let index = here + step; index >= 0 && index < rows.length; index += step) {
    if (rows[index]?.kind === "message") return index;
  }
  return here;
}

/** Whether these rows differ from those before by what stands above. */
function useGrowsAtTop(rows: readonly Row[]): boolean {
  const [seen, setSeen] = useState({ rows, grew: false });
  if (seen.rows === rows) return seen.grew;
  const before = seen.rows;
  const grew =
    before.length > 0 && rows.length > before.length && rows.at(-1)?.key === before.at(-1)?.key;
  setSeen({ rows, grew });
  return grew;
}
