/** The channels of a space, with how much is unread. */
import { Hash, Plus } from "lucide-react";
import { Link } from "react-aria-components";
import { useSpace, useWays } from "../ui/app-context.ts";
import { IconButton } from "../ui/button.tsx";
import { useObservable } from "../ui/observable.ts";
import type { ListProps } from "./notes-list.tsx";
import { pathOf } from "./place.ts";

export function ChannelsList({ place, heading = false }: ListProps) {
  const space = useSpace();
  const { show } = useWays();
  const channels = useObservable(space.channels);
  const Title = heading ? "h1" : "h2";
  return (
    <section aria-label="Channels">
      <div className="list-head">
        <Title className="list-title">Channels</Title>
        <IconButton label="New channel" onPress={() => show({ kind: "new channel" })}>
          <Plus aria-hidden />
        </IconButton>
      </div>
      {channels.length === 0 && <p className="list-empty">No channels yet. Make one with +.</p>}
      <ul>
        {channels.map(({ id, name, unread }) => (
          <li key={id} className="row">
            <Link
              className="row-link"
              href={`#${pathOf({ kind: "channel", space: space.tag, channel: id })}`}
              {...(place.kind === "channel" &&
                place.channel === id && { "aria-current": "page" as const })}
            >
              <Hash aria-hidden />
              <bdi className={`row-label${unread > 0 ? " row-unread" : ""}`}>{name}</bdi>
              {unread > 0 && (
                <span className="row-count">
                  {unread > 99 ? "99+" : unread}
                  <span className="visually-hidden"> unread</span>
                </span>
              )}
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
