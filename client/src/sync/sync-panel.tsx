/**
 * Everything behind the pill: the connection, every device of the space, what exists only here and for how
 * long, and how safe this device's storage is.
 */
import { useState } from "react";
import { X } from "lucide-react";
import type { MemberRow, Network, OutboxItem } from "../runtime/api.ts";
import { install } from "../install.ts";
import { behindWords, presenceWords } from "../presence/presence-words.ts";
import { storageCaution } from "../spaces/trouble-words.ts";
import { useSpace, useWays } from "../ui/app-context.ts";
import { attempt } from "../ui/attempt.ts";
import { Avatar } from "../ui/avatar.tsx";
import { Button, IconButton } from "../ui/button.tsx";
import { copyText } from "../ui/clipboard.ts";
import { Switch } from "../ui/field.tsx";
import { bytesInWords, counted } from "../ui/list-words.ts";
import { tell } from "../ui/notices.tsx";
import { useNow, useObservable } from "../ui/observable.ts";
import { Shape } from "../ui/shape.tsx";
import { agoWords, untilWords } from "../ui/time-words.ts";
import "./sync-panel.css";

export function SyncPanel() {
  const { setSide } = useWays();
  return (
    <>
      <div className="panel-head">
        <h2 className="panel-title">Sync</h2>
        <IconButton label="Close sync" onPress={() => setSide(undefined)}>
          <X aria-hidden />
        </IconButton>
      </div>
      <div className="panel-body">
        <Connection />
        <Outbox />
        <Devices />
        <Storage />
        <Diagnostics />
      </div>
    </>
  );
}

function Connection() {
  const { app } = useWays();
  const space = useSpace();
  const network = useObservable(app.network);
  const { coming } = useObservable(space.sync);
  const nowMs = useNow(network.kind === "waiting" ? 500 : 60_000);
  return (
    <section className="panel-section" aria-label="Connection">
      <h3 className="panel-heading">Relay</h3>
      <p className="sync-line">
        <Shape of={shapeOf(network)} />
        <span className="sync-words">
          {networkWords(network, nowMs)}
          {"relay" in network && <bdi className="sync-aside">{hostOf(network.relay)}</bdi>}
        </span>
        {network.kind === "waiting" && (
          <Button size="small" onPress={() => app.connectNow()}>
            Now
          </Button>
        )}
      </p>
      {coming > 0 && (
        <p className="panel-quiet">
          {counted(coming, "part")} of this space’s history {coming === 1 ? "is" : "are"} still on
          the way to this device. You can use everything that is here.
        </p>
      )}
      <Switch
        isOn={network.kind === "off"}
        onChange={(off) => attempt(app.setOffline(off), "The switch could not be saved.")}
      >
        Work offline
      </Switch>
      <Button
        size="small"
        isDisabled={network.kind === "off"}
        onPress={() => {
          app.connectNow();
          space.syncNow();
        }}
      >
        Sync now
      </Button>
    </section>
  );
}

/** The relay's name comes as an address or as a bare host, which parses as an address without one. */
function hostOf(relay: string): string {
  return URL.parse(relay)?.host || relay;
}

function shapeOf(network: Network): "equal" | "saving" | "alert" | "offline" {
  if (network.kind === "connected") return "equal";
  if (network.kind === "refused") return "alert";
  return network.kind === "off" ? "offline" : "saving";
}

function networkWords(network: Network, nowMs: number): string {
  switch (network.kind) {
    case "off":
      return "Working offline, by your choice";
    case "connecting":
      return "Connecting";
    case "connected":
      return "Connected";
    case "waiting":
      return `Not reachable, next try in ${untilWords(network.retryAtMs, nowMs)}`;
    case "refused":
      return `Refused: ${network.reason || `code ${network.code}`}`;
  }
}

const kinds: Readonly<Record<OutboxItem["kind"], string>> = {
  message: "Message",
  note: "Note",
  structure: "List of notes and channels",
  membership: "Members",
  unreadable: "Can no longer be read",
};

/** What it is about, as far as it can be told. */
const labelOf = ({ label, kind }: OutboxItem): string =>
  label || (kind === "unreadable" ? "A change made here" : kinds[kind]);

/** More than this nobody reads; the count is in the heading. */
const outboxShownMax = 50;

function Outbox() {
  const { app } = useWays();
  const space = useSpace();
  const outbox = useObservable(space.outbox);
  const storage = useObservable(app.storage);
  const nowMs = useNow(5_000);
  const caution = storageCaution(storage);
  const shown = outbox.slice(0, outboxShownMax);
  return (
    <section className="panel-section" aria-label="Only on this device">
      <h3 className="panel-heading">Only on this device ({outbox.length})</h3>
      {outbox.length === 0 ? (
        <p className="panel-quiet">Nothing: everything you wrote is held by somebody else, too.</p>
      ) : (
        <>
          {caution !== undefined && <p className="panel-quiet">{caution}</p>}
          <ul className="sync-list">
            {shown.map((item) => (
              <li key={item.key} className="sync-line">
                <Shape of="clock" />
                <span className="sync-words">
                  <bdi className="sync-label">{labelOf(item)}</bdi>
                  <span className="sync-aside">
                    {kinds[item.kind]}, {agoWords(item.sinceMs, nowMs)}
                  </span>
                </span>
              </li>
            ))}
          </ul>
          {outbox.length > shown.length && (
            <p className="panel-quiet">and {outbox.length - shown.length} more</p>
          )}
        </>
      )}
    </section>
  );
}

function Devices() {
  const space = useSpace();
  const members = useObservable(space.members);
  const sync = useObservable(space.sync);
  const nowMs = useNow(15_000);
  return (
    <section className="panel-section" aria-label="Devices">
      <h3 className="panel-heading">Devices</h3>
      <ul className="sync-list">
        {members.flatMap((member) =>
          member.devices.map((device, index) => (
            <li key={device.replica} className="sync-line">
              <Avatar id={member.id} name={member.name} size={24} presence={device.presence} />
              <span className="sync-words">
                <bdi className="sync-label">{deviceName(member, index)}</bdi>
                <span className="sync-aside">
                  {behindWords(device)}
                  {!device.isThis &&
                    `, ${presenceWords(
                      { ...member, isMe: false, presence: device.presence },
                      nowMs,
                    ).toLowerCase()}`}
                </span>
              </span>
            </li>
          )),
        )}
      </ul>
      {sync.unknownDevices > 0 && (
        <p className="panel-quiet">
          {counted(sync.unknownDevices, "unknown device")}: what they wrote is kept, and shown once
          it is known whose they are.
        </p>
      )}
    </section>
  );
}

function deviceName({ name, isMe, devices }: MemberRow, index: number): string {
  const whose = isMe ? "You" : name;
  return devices.length > 1 ? `${whose}, device ${index + 1}` : whose;
}

function Storage() {
  const { app } = useWays();
  const { usedBytes, quotaBytes, persistent, isPrivate } = useObservable(app.storage);
  const installs = useObservable(install);
  const [refused, setRefused] = useState(false);
  return (
    <section className="panel-section" aria-label="Storage">
      <h3 className="panel-heading">Storage on this device</h3>
      <p className="panel-quiet">
        {usedBytes === undefined
          ? "The browser does not tell how much is used"
          : bytesInWords(usedBytes)}
        {usedBytes !== undefined && " used"}
        {quotaBytes !== undefined && ` of at most ${bytesInWords(quotaBytes)}`}
        {persistent ? ". The browser will not erase it." : "."}
      </p>
      {!persistent && (
        <>
          <p className="panel-quiet">{storageCaution({ isPrivate, persistent })}</p>
          {refused && (
            <p className="panel-quiet">
              The browser did not agree. Installing the app or bookmarking it often helps.
            </p>
          )}
          {!isPrivate && (
            <Button
              size="small"
              onPress={() => {
                app.askToPersist().then(
                  (agreed) => setRefused(!agreed),
                  () => setRefused(true),
                );
              }}
            >
              Make storage persistent
            </Button>
          )}
        </>
      )}
      {installs !== undefined && (
        <Button size="small" onPress={() => void installs()}>
          Install Skein
        </Button>
      )}
    </section>
  );
}

function Diagnostics() {
  const { app } = useWays();
  return (
    <section className="panel-section" aria-label="Diagnostics">
      <h3 className="panel-heading">When something is wrong</h3>
      <p className="panel-quiet">Versions, counts and states, without content, names or keys.</p>
      <Button
        size="small"
        onPress={() => {
          app
            .diagnostics()
            .then(copyText)
            .then(
              (copied) =>
                tell(copied ? "Diagnostics are on the clipboard." : "The browser refused to copy."),
              () => tell("The diagnostics could not be made."),
            );
        }}
      >
        Copy diagnostics
      </Button>
    </section>
  );
}
