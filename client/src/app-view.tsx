/**
 * The whole app on the screen: which place is shown, what lies over it, and the keys that work
 * everywhere. Dialogs are parts of their own and load when they are first asked for.
 */
import {
  lazy,
  Suspense,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { useHashLocation } from "wouter/use-hash-location";
import type { App } from "./runtime/api.ts";
import { FirstMinute } from "./spaces/first-minute.tsx";
import { documentOf, isInvite, pathOf, placeOf, takeInvite, type Place } from "./spaces/place.ts";
import { SpaceView } from "./spaces/space-view.tsx";
import { SpaceContext, WaysContext, type Overlay, type Side, type Ways } from "./ui/app-context.ts";
import { Announcer } from "./ui/announce.tsx";
import { Failure } from "./ui/failure.tsx";
import { hasMod, isTyping } from "./ui/keys.ts";
import { Notices } from "./ui/notices.tsx";
import { useMaybeObservable, useObservable } from "./ui/observable.ts";
import { showTheme, themeOf, themeSetting } from "./ui/theme.ts";

const Dialogs = lazy(async () => {
  const { Dialogs: view } = await import("./spaces/dialogs.tsx");
  return { default: view };
});

export interface AppViewProps {
  readonly app: App;
  /** The invite link that this page was opened with, already gone from the address bar. */
  readonly invite: string | undefined;
}

export function AppView({ app, invite }: AppViewProps) {
  const me = useObservable(app.me);
  const spaces = useObservable(app.spaces);
  useTheme(app);

  // The first minute lasts until it says so, though the first space appears in its midst.
  const [beginning, setBeginning] = useState(me === undefined || spaces.length === 0);
  /** An invite for the first minute; later ones are a dialog over what was open. */
  const [link, setLink] = useState(beginning ? invite : undefined);
  const [overlay, setOverlay] = useState<Overlay | undefined>(
    beginning || invite === undefined ? undefined : { kind: "join", link: invite },
  );
  const [side, setSide] = useState<Side>();

  const onInvite = useCallback(
    (opened: string) => {
      if (beginning) setLink(opened);
      else setOverlay({ kind: "join", link: opened });
    },
    [beginning],
  );
  const [path, navigate] = usePathWithoutInvites(onInvite);
  const place = placeOf(path);

  const go = useCallback<Ways["go"]>(
    (to, options) => {
      setBeginning(false);
      navigate(pathOf(to), options?.replace === true ? { replace: true } : undefined);
    },
    [navigate],
  );
  const ways = useMemo<Ways>(
    () => ({ app, go, show: setOverlay, side, setSide }),
    [app, go, side, setOverlay, setSide],
  );

  useKeys(setOverlay, me !== undefined && spaces.length > 0);
  const home = spaces[0]?.tag;
  const space = place.kind === "start" ? undefined : app.space(place.space);
  useEffect(() => {
    if (beginning || home === undefined || space !== undefined) return;
    navigate(pathOf({ kind: "space", space: home, list: undefined }), { replace: true });
  }, [beginning, home, space, navigate]);
  useFocusBack(overlay === undefined);
  useLastPlace(place, space !== undefined, go);
  useDocumentTitle(app, place);

  return (
    <WaysContext value={ways}>
      <Failure what="This page">
        {beginning || home === undefined ? (
          <FirstMinute link={link} onLinkDone={() => setLink(undefined)} />
        ) : (
          space !== undefined &&
          place.kind !== "start" && <SpaceView key={space.tag} space={space} place={place} />
        )}
      </Failure>
      {overlay !== undefined && !beginning && (
        <SpaceContext value={space}>
          <Failure key={overlay.kind} what="This dialog">
            <Suspense fallback={null}>
              <Dialogs overlay={overlay} onClose={() => setOverlay(undefined)} />
            </Suspense>
          </Failure>
        </SpaceContext>
      )}
      <Notices />
      <Announcer />
    </WaysContext>
  );
}

function useTheme(app: App): void {
  const theme = useObservable(useMemo(() => app.setting(themeSetting), [app]));
  useEffect(() => {
    if (theme !== undefined) showTheme(themeOf(theme));
  }, [theme]);
}

/**
 * The path, and the way to another. A link that is pasted into the address bar of an open app changes
 * nothing but the fragment: it is taken out at once, and the person stays where they were.
 */
function usePathWithoutInvites(
  onInvite: (link: string) => void,
): readonly [path: string, navigate: ReturnType<typeof useHashLocation>[1]] {
  const [path, navigate] = useHashLocation();
  const [last, setLast] = useState("/");
  const isLink = isInvite(path);
  if (!isLink && path !== last) setLast(path);
  useLayoutEffect(() => {
    if (!isLink) return;
    const link = takeInvite({ location, history });
    navigate(last, { replace: true });
    if (link !== undefined) onInvite(link);
  }, [isLink, last, navigate, onInvite]);
  return [isLink ? last : path, navigate];
}

function useKeys(show: (overlay: Overlay) => void, ready: boolean): void {
  useEffect(() => {
    if (!ready) return;
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing) return;
      if (hasMod(event) && !event.shiftKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        show({ kind: "find" });
      } else if (event.key === "?" && !isTyping(event.target)) {
        event.preventDefault();
        show({ kind: "shortcuts" });
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [show, ready]);
}

/**
 * Where the focus was before dialogs were open, one after the other maybe, it is again when all are
 * closed. Each dialog by itself only knows the one before it, which has gone by then.
 */
function useFocusBack(isFree: boolean): void {
  const before = useRef<HTMLElement>(undefined);
  useEffect(() => {
    const remember = ({ target }: FocusEvent) => {
      if (!(target instanceof HTMLElement)) return;
      if (target.closest('[role="dialog"], [role="menu"]') === null) before.current = target;
    };
    document.addEventListener("focusin", remember);
    return () => document.removeEventListener("focusin", remember);
  }, []);
  useEffect(() => {
    if (!isFree) return undefined;
    // After whatever takes the focus itself.
    const timer = setTimeout(() => {
      if (document.activeElement === document.body) before.current?.focus({ preventScroll: true });
    }, 60);
    return () => clearTimeout(timer);
  }, [isFree]);
}

/** Opens a space where it was left on this device, on screens that show list and content side by side. */
function useLastPlace(place: Place, exists: boolean, go: Ways["go"]): void {
  const started = useRef(new Set<string>());
  const document = documentOf(place);
  const tag = place.kind === "start" ? undefined : place.space;
  const path = pathOf(place);
  const isRoot = place.kind === "space" && place.list === undefined;
  useEffect(() => {
    if (tag === undefined || !exists) return;
    const key = `skein.place.${tag}`;
    try {
      if (document !== undefined) localStorage.setItem(key, path);
      else if (isRoot && !started.current.has(tag) && matchMedia("(width >= 640px)").matches) {
        const last = placeOf(localStorage.getItem(key) ?? "");
        if (last.kind !== "start" && last.space === tag) go(last, { replace: true });
      }
    } catch {
      // Without localStorage a space opens at its beginning.
    }
    started.current.add(tag);
  }, [tag, exists, document, path, isRoot, go]);
}

function useDocumentTitle(app: App, place: Place): void {
  const spaces = useObservable(app.spaces);
  const space = place.kind === "start" ? undefined : app.space(place.space);
  const notes = useMaybeObservable(space?.notes);
  const channels = useMaybeObservable(space?.channels);
  const document = documentOf(place);
  const note = notes?.find(({ id }) => id === document);
  const channel = channels?.find(({ id }) => id === document);
  const name =
    note !== undefined
      ? note.title.trim() || "Untitled"
      : channel !== undefined
        ? `#${channel.name}`
        : spaces.find(({ tag }) => tag === space?.tag)?.name;
  const unread = spaces.reduce((sum, entry) => sum + entry.unread, 0);
  useEffect(() => {
    const count = unread > 0 ? `(${unread}) ` : "";
    globalThis.document.title = `${count}${name === undefined ? "Skein" : `${name} – Skein`}`;
  }, [name, unread]);
}
