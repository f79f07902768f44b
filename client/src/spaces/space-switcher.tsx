/** Which space this is, and the way to the others. */
import { Check, ChevronsUpDown, Link2, Plus } from "lucide-react";
import { Button as AriaButton } from "react-aria-components";
import { useSpace, useWays } from "../ui/app-context.ts";
import { hueClass } from "../ui/hue.ts";
import { initials } from "../ui/initials.ts";
import { useObservable } from "../ui/observable.ts";
import { Menu, type MenuEntry } from "../ui/overlay.tsx";
import "./space-switcher.css";

export function SpaceSwitcher() {
  const { app, go, show } = useWays();
  const space = useSpace();
  const name = useObservable(space.name);
  const spaces = useObservable(app.spaces);
  const unreadElsewhere = spaces.some(({ tag, unread }) => tag !== space.tag && unread > 0);
  const entries = spaces.map((entry): MenuEntry => ({
    id: entry.tag,
    label: entry.name,
    icon: <SpaceSign tag={entry.tag} name={entry.name} />,
    isCurrent: entry.tag === space.tag,
    aside:
      entry.tag === space.tag ? (
        <Check aria-hidden />
      ) : entry.unread > 0 ? (
        <span className="row-count">
          {entry.unread}
          <span className="visually-hidden"> unread</span>
        </span>
      ) : undefined,
    onAction: () => go({ kind: "space", space: entry.tag, list: undefined }),
  }));
  const more: MenuEntry[] = [
    {
      id: "new",
      label: "New space",
      icon: <Plus aria-hidden />,
      onAction: () => show({ kind: "new space" }),
    },
    {
      id: "join",
      label: "Join with a link",
      icon: <Link2 aria-hidden />,
      onAction: () => show({ kind: "join", link: undefined }),
    },
  ];
  return (
    <Menu label="Spaces" groups={[entries, more]}>
      <AriaButton className="switcher">
        <SpaceSign tag={space.tag} name={name} />
        <bdi className="switcher-name">{name}</bdi>
        {unreadElsewhere && (
          <>
            <span className="switcher-dot" aria-hidden="true" />
            <span className="visually-hidden">, unread in other spaces</span>
          </>
        )}
        <ChevronsUpDown aria-hidden />
        <span className="visually-hidden">, switch space</span>
      </AriaButton>
    </Menu>
  );
}

function SpaceSign({ tag, name }: { readonly tag: string; readonly name: string }) {
  return (
    <span className={`space-sign ${hueClass(tag)}`} aria-hidden="true">
      {initials(name)}
    </span>
  );
}
