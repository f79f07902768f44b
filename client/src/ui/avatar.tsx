/** Two letters on a person's colour, with the shape of their presence where it matters. */
import type { MemberRow } from "../runtime/api.ts";
import { hueClass } from "./hue.ts";
import { initials } from "./initials.ts";
import { Shape } from "./shape.tsx";
import "./avatar.css";

export interface AvatarProps {
  /** Undefined for an author whose member is not known. */
  readonly id: string | undefined;
  readonly name: string;
  readonly size?: 20 | 24 | 32 | 36 | 56;
  readonly presence?: MemberRow["presence"];
}

/** Decoration: the name always stands beside it. */
export function Avatar({ id, name, size = 32, presence }: AvatarProps) {
  return (
    <span className={`avatar avatar-${size} ${id === undefined ? "avatar-unknown" : hueClass(id)}`}>
      <span className="avatar-letters" aria-hidden="true">
        {id === undefined ? "?" : initials(name)}
      </span>
      {presence !== undefined && (
        <span className="avatar-presence">
          <Shape of={presence} />
        </span>
      )}
    </span>
  );
}
