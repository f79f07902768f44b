/** What is mine and goes with me: name and theme. What belongs to this device alone: installing it. */
import { useState } from "react";
import { Label, RadioButton, RadioField, RadioGroup } from "react-aria-components";
import { install } from "../install.ts";
import { useApp } from "../ui/app-context.ts";
import { attempt } from "../ui/attempt.ts";
import { Avatar } from "../ui/avatar.tsx";
import { Button } from "../ui/button.tsx";
import { TextField } from "../ui/field.tsx";
import { tell } from "../ui/notices.tsx";
import { useObservable } from "../ui/observable.ts";
import { Dialog } from "../ui/overlay.tsx";
import { showTheme, themeOf, themeSetting, type Theme } from "../ui/theme.ts";
import "./settings-dialog.css";

const themes: readonly { readonly value: Theme; readonly label: string }[] = [
  { value: "system", label: "As the system" },
  { value: "light", label: "Light" },
  { value: "dark", label: "Dark" },
];

export interface SettingsDialogProps {
  readonly onClose: () => void;
  readonly onShortcuts: () => void;
}

export function SettingsDialog({ onClose, onShortcuts }: SettingsDialogProps) {
  const app = useApp();
  const me = useObservable(app.me);
  const theme = themeOf(useObservable(app.setting(themeSetting)));
  const installs = useObservable(install);
  const [name, setName] = useState(me?.name ?? "");
  const trimmed = name.trim();
  const changed = trimmed !== "" && trimmed !== me?.name;
  return (
    <Dialog title="Settings" onClose={onClose}>
      <div className="dialog-content">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (!changed) return;
            app.rename(trimmed).then(
              () => tell("Your new name goes to everyone in your spaces."),
              () => tell("The name could not be saved. Please try again."),
            );
          }}
        >
          <TextField
            label="My name"
            value={name}
            onChange={setName}
            maxLength={60}
            autoComplete="nickname"
            hint="Members of your spaces see it."
            after={
              <Button submits look={changed ? "primary" : "plain"} isDisabled={!changed}>
                Save
              </Button>
            }
          />
        </form>
        <RadioGroup
          className="field"
          value={theme}
          onChange={(value) => {
            const chosen = themeOf(value);
            showTheme(chosen);
            attempt(app.setSetting(themeSetting, chosen), "The theme could not be saved.");
          }}
        >
          <Label className="field-label">Colours</Label>
          <div className="segments">
            {themes.map(({ value, label }) => (
              <RadioField key={value} value={value}>
                <RadioButton className="segment">{label}</RadioButton>
              </RadioField>
            ))}
          </div>
        </RadioGroup>
        {me !== undefined && (
          <p className="settings-me">
            <Avatar id={me.member} name={trimmed || me.name} size={36} />
            <span>
              Your colour comes from your key and stays the same everywhere. This device is{" "}
              <code>{me.device.slice(0, 8)}</code>.
            </span>
          </p>
        )}
        <div className="dialog-actions">
          {installs !== undefined && <Button onPress={() => void installs()}>Install Skein</Button>}
          <Button look="quiet" onPress={onShortcuts}>
            Keyboard shortcuts
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
