/**
 * Where the person in this tab is and whether they type, told to the leader, who tells the others. Typing
 * ends by itself; while somebody is there it is said again now and then, so that a tab that dies is forgotten.
 */
import type { DocumentId, SpaceTag } from "@skein/shared/id/id.ts";
import type { LeaderLink } from "./leader-link.ts";
import { sameValue } from "./observable.ts";
import type { Page } from "./platform.ts";
import type { Attention } from "./tabs.ts";

/** Without a key for so long somebody has stopped typing. */
const typingForMs = 4_000;
/** Half of what the leader waits before it forgets a tab. */
const sayAgainMs = 15_000;
export const forgottenAfterMs = 35_000;

export class AttentionDesk {
  readonly #link: LeaderLink;
  readonly #page: Page;
  readonly #undo: (() => void)[];
  readonly #again: ReturnType<typeof setInterval>;
  #focus: { readonly space: SpaceTag; readonly document: DocumentId } | undefined;
  #typingIn: DocumentId | undefined;
  #typingTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #said = new Map<SpaceTag, Attention>();
  readonly #spaces: () => readonly SpaceTag[];

  constructor(link: LeaderLink, page: Page, spaces: () => readonly SpaceTag[]) {
    this.#link = link;
    this.#page = page;
    this.#spaces = spaces;
    this.#undo = [
      page.active.subscribe(() => this.say()),
      page.visible.subscribe(() => this.say()),
      page.onHide(() => this.say()),
      link.onLeader.on(() => this.sayAll()),
      page.onLeave(() => link.wish({ kind: "gone" })),
    ];
    this.#again = setInterval(() => {
      this.#said.clear();
      if (page.visible.get()) this.say();
    }, sayAgainMs);
  }

  setFocus(space: SpaceTag, document: DocumentId | undefined): void {
    if (document === undefined && this.#focus?.space !== space) return;
    this.#focus = document === undefined ? undefined : { space, document };
    if (this.#typingIn !== document) this.#stopTyping();
    this.say();
  }

  setTyping(space: SpaceTag, document: DocumentId, typing: boolean): void {
    if (!typing) {
      if (this.#typingIn === document) this.#stopTyping();
      return this.say();
    }
    clearTimeout(this.#typingTimer);
    this.#typingIn = document;
    this.#focus ??= { space, document };
    this.#typingTimer = setTimeout(() => {
      this.#stopTyping();
      this.say();
    }, typingForMs);
    this.say();
  }

  /** Says what is not known of it yet, to every space: elsewhere means nowhere. */
  say(): void {
    const visible = this.#page.visible.get();
    for (const space of this.#spaces()) {
      const here = visible && this.#focus?.space === space ? this.#focus.document : undefined;
      const attention: Attention = {
        where: here,
        typing: here !== undefined && this.#typingIn === here,
        active: this.#page.active.get(),
        visible,
      };
      if (sameValue(this.#said.get(space), attention)) continue;
      this.#said.set(space, attention);
      this.#link.wish({ kind: "attention", space, attention });
    }
  }

  /** Another leader has heard nothing yet. */
  sayAll(): void {
    this.#said.clear();
    this.say();
  }

  close(): void {
    clearInterval(this.#again);
    clearTimeout(this.#typingTimer);
    for (const undo of this.#undo) undo();
  }

  #stopTyping(): void {
    clearTimeout(this.#typingTimer);
    this.#typingIn = undefined;
  }
}
