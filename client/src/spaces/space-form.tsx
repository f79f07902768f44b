/** Names a new space and founds it. */
import { useState } from "react";
import { useApp } from "../ui/app-context.ts";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { foundSpace, type Founded } from "./found-space.ts";

export function SpaceForm({ onFounded }: { readonly onFounded: (founded: Founded) => void }) {
  const app = useApp();
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const trimmed = name.trim();
  return (
    <form
      className="first-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (trimmed === "" || busy) return;
        setBusy(true);
        foundSpace(app, trimmed).then(onFounded, () => {
          setBusy(false);
          setProblem("The browser could not save the space. Please try again.");
        });
      }}
    >
      <TextField
        label="Name of the space"
        value={name}
        onChange={setName}
        placeholder="Garden, Family, Team …"
        maxLength={60}
        startsFocused
        problem={problem}
      />
      <Button submits look="primary" wide isDisabled={trimmed === ""} isBusy={busy}>
        Create space
      </Button>
    </form>
  );
}
