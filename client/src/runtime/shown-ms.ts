/**
 * Times that members claim, made fit to be shown: a `Date` ends at 8.64e15 ms (ECMA-262, time values)
 * and formatting throws beyond it, so one message from a far future would blank everybody's channel.
 */
const lastMs = 8.64e15;

export const shownMs = (claimedMs: number): number => Math.min(claimedMs, lastMs);
