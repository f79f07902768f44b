/**
 * The quiet vocabulary of status: clock, tick, double tick, dot, ring and their kin. Each differs in
 * shape before it differs in colour, so that all can be told apart in greyscale. Words always stand
 * beside them or in the label of what holds them.
 */
import type { Glyph } from "../chat/tick.ts";
import "./shape.css";

export type ShapeName = Glyph | "online" | "away" | "offline" | "syncing" | "equal";

const outline = {
  fill: "none",
  stroke: "currentColor",
  strokeWidth: 1.6,
  strokeLinecap: "round",
  strokeLinejoin: "round",
} as const;

const drawings: Readonly<Record<ShapeName, React.ReactNode>> = {
  saving: <circle cx="8" cy="8" r="5" {...outline} strokeDasharray="2.2 2.4" />,
  clock: (
    <g {...outline}>
      <circle cx="8" cy="8" r="5.6" />
      <path d="M8 4.9V8l2.1 1.5" />
    </g>
  ),
  tick: <path d="m3.6 8.6 3 3 5.8-6.8" {...outline} />,
  "double tick": (
    <g {...outline}>
      <path d="m1.2 8.6 3 3 5.8-6.8" />
      <path d="m7.4 11.2.5.4 5.8-6.8" />
    </g>
  ),
  read: (
    <g {...outline} strokeWidth={2.1}>
      <path d="m1.2 8.6 3 3 5.8-6.8" />
      <path d="m7.4 11.2.5.4 5.8-6.8" />
    </g>
  ),
  alert: (
    <g {...outline}>
      <circle cx="8" cy="8" r="6.2" />
      <path d="M8 4.8v3.7M8 11.1v.1" strokeWidth={1.9} />
    </g>
  ),
  online: <circle cx="8" cy="8" r="6" fill="currentColor" />,
  away: (
    <g>
      <circle cx="8" cy="8" r="5" {...outline} strokeWidth={2.4} />
      <path d="M8 3a5 5 0 0 1 0 10Z" fill="currentColor" />
    </g>
  ),
  offline: <circle cx="8" cy="8" r="5" {...outline} strokeWidth={2.4} />,
  syncing: (
    <g {...outline}>
      <path d="M12.9 6.6A5.2 5.2 0 0 0 3.4 5.7M3.1 9.4a5.2 5.2 0 0 0 9.5.9" />
      <path d="M3.2 3v2.9h2.9M12.8 13v-2.9H9.9" />
    </g>
  ),
  equal: (
    <g {...outline}>
      <circle cx="8" cy="8" r="6.2" />
      <path d="m5.4 8.3 1.8 1.8 3.4-4" />
    </g>
  ),
};

export function Shape({ of }: { readonly of: ShapeName }) {
  return (
    <svg className={`shape shape-${of.replace(" ", "-")}`} viewBox="0 0 16 16" aria-hidden="true">
      {drawings[of]}
    </svg>
  );
}
