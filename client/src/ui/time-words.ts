/**
 * Times as people say them. Words are English like the rest of the app; only whether hours run to 12
 * or to 24 follows the person's own settings. All functions take the moment "now" and never ask for it.
 */

/** `sv` writes dates as ISO does, which makes days comparable. */
const dayKey = new Intl.DateTimeFormat("sv", { dateStyle: "short" });
const weekday = new Intl.DateTimeFormat("en-GB", { weekday: "long" });
const dayOfYear = new Intl.DateTimeFormat("en-GB", {
  weekday: "long",
  day: "numeric",
  month: "long",
});
const wholeDay = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "long",
  year: "numeric",
});
const shortDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

const hour12 = new Intl.DateTimeFormat(undefined, { hour: "numeric" }).resolvedOptions().hour12;
const clock =
  hour12 === true
    ? new Intl.DateTimeFormat("en-US", { hour: "numeric", minute: "2-digit" })
    : new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** Whether two moments lie on one day where this device is. */
export function sameDay(aMs: number, bMs: number): boolean {
  return dayKey.format(aMs) === dayKey.format(bMs);
}

/** "14:05", or "2:05 PM" where people say so. */
export function clockTime(atMs: number): string {
  return clock.format(atMs);
}

/** "Today", "Yesterday", "Monday", "Monday 3 March", "3 March 2024". */
export function dayWords(atMs: number, nowMs: number): string {
  if (sameDay(atMs, nowMs)) return "Today";
  if (sameDay(atMs, nowMs - dayMs)) return "Yesterday";
  const agoMs = nowMs - atMs;
  if (agoMs > 0 && agoMs < 6 * dayMs) return weekday.format(atMs);
  const sameYear = new Date(atMs).getFullYear() === new Date(nowMs).getFullYear();
  return sameYear ? dayOfYear.format(atMs) : wholeDay.format(atMs);
}

/** A moment in full, for tooltips and lists: "Today, 14:05". */
export function momentWords(atMs: number, nowMs: number): string {
  return `${dayWords(atMs, nowMs)}, ${clockTime(atMs)}`;
}

/** A checkpoint: by when something was known. "by 14:05", "by Monday, 14:05". */
export function byWords(atMs: number, nowMs: number): string {
  return sameDay(atMs, nowMs)
    ? `by ${clockTime(atMs)}`
    : `by ${momentWords(atMs, nowMs).replace(/^Y/, "y")}`;
}

/** How long ago: "just now", "2 min ago", "3 h ago", "yesterday", "4 days ago", "3 Mar". */
export function agoWords(atMs: number, nowMs: number): string {
  const agoMs = nowMs - atMs;
  if (agoMs < minuteMs) return "just now";
  if (agoMs < hourMs) return `${Math.floor(agoMs / minuteMs)} min ago`;
  if (agoMs < dayMs) return `${Math.floor(agoMs / hourMs)} h ago`;
  if (sameDay(atMs, nowMs - dayMs)) return "yesterday";
  const days = Math.floor(agoMs / dayMs);
  if (days < 7) return `${Math.max(2, days)} days ago`;
  return shortDay.format(atMs);
}

/** How long until: "8 s", "3 min", "2 h". Never less than one second. */
export function untilWords(atMs: number, nowMs: number): string {
  const leftMs = Math.max(secondMs, atMs - nowMs);
  if (leftMs < 90 * secondMs) return `${Math.ceil(leftMs / secondMs)} s`;
  if (leftMs < 90 * minuteMs) return `${Math.round(leftMs / minuteMs)} min`;
  return `${Math.round(leftMs / hourMs)} h`;
}

/** "in 6 days", "in 3 h", or "expired": for invites. */
export function expiryWords(atMs: number | undefined, nowMs: number): string {
  if (atMs === undefined) return "never expires";
  if (atMs <= nowMs) return "expired";
  const leftMs = atMs - nowMs;
  if (leftMs >= 2 * dayMs) return `expires in ${Math.round(leftMs / dayMs)} days`;
  return `expires in ${untilWords(atMs, nowMs)}`;
}
