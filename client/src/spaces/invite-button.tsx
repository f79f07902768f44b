/** The one primary button while a person is alone in a space; a quiet one afterwards. */
import { UserPlus } from "lucide-react";
import { useSpace, useWays } from "../ui/app-context.ts";
import { Button } from "../ui/button.tsx";
import { useObservable } from "../ui/observable.ts";

export function InviteButton() {
  const space = useSpace();
  const { show } = useWays();
  const members = useObservable(space.members);
  const role = useObservable(space.myRole);
  if (role === "reader") return null;
  const alone = members.length <= 1;
  return (
    <Button
      look={alone ? "primary" : "plain"}
      size="small"
      wide
      icon={<UserPlus aria-hidden />}
      onPress={() => show({ kind: "invite" })}
    >
      Invite
    </Button>
  );
}
