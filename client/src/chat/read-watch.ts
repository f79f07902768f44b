/**
 * Watches which messages are in view and reports those that have been looked at for a second. The rule
 * is in read-timer.ts; this is its eyes: an IntersectionObserver, the page's attention, one timer. It
 * watches as long as there is something to watch.
 */
import { attention } from "../ui/attention.ts";
import { ReadTimer } from "./read-timer.ts";

/** A message counts as in view when this much of it is, or when it fills half of the list. */
const shareMin = 0.6;

export class ReadWatch {
  readonly #onRead: (key: string) => void;
  readonly #timer = new ReadTimer(attention.get());
  readonly #keyByMessage = new Map<Element, string>();
  #observer: IntersectionObserver | undefined;
  #unwatch: (() => void) | undefined;
  #wake: ReturnType<typeof setTimeout> | undefined;

  constructor(onRead: (key: string) => void) {
    this.#onRead = onRead;
  }

  /** Returns its own undo. */
  watch(message: Element, key: string): () => void {
    this.#open();
    this.#keyByMessage.set(message, key);
    this.#observer?.observe(message);
    return () => {
      this.#observer?.unobserve(message);
      this.#keyByMessage.delete(message);
      this.#timer.disappear(key);
      if (this.#keyByMessage.size === 0) this.#close();
    };
  }

  #open(): void {
    if (this.#observer !== undefined) return;
    // The list cuts off what scrolled out of it, so the window serves as the frame.
    this.#observer = new IntersectionObserver((entries) => this.#look(entries), {
      threshold: [0, 0.25, shareMin, 1],
    });
    const attend = () => {
      this.#timer.look(attention.get(), performance.now());
      this.#check();
    };
    this.#unwatch = attention.subscribe(attend);
    attend();
  }

  #close(): void {
    this.#observer?.disconnect();
    this.#observer = undefined;
    this.#unwatch?.();
    clearTimeout(this.#wake);
  }

  #look(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting, intersectionRatio, intersectionRect } of entries) {
      const key = this.#keyByMessage.get(target);
      if (key === undefined) continue;
      const list = target.closest("[role=log]");
      const fills = list !== null && intersectionRect.height >= list.clientHeight / 2;
      if (isIntersecting && (intersectionRatio >= shareMin || fills)) {
        this.#timer.appear(key, performance.now());
      } else {
        this.#timer.disappear(key);
      }
    }
    this.#check();
  }

  #check(): void {
    clearTimeout(this.#wake);
    const nowMs = performance.now();
    for (const key of this.#timer.take(nowMs)) this.#onRead(key);
    const next = this.#timer.nextAtMs();
    if (next !== undefined)
      this.#wake = setTimeout(() => this.#check(), Math.max(0, next - nowMs) + 1);
  }
}
