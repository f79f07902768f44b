/** Fields with a visible label, a hint below and, when something is wrong, the reason in its place. */
import type { ReactNode, Ref } from "react";
import {
  FieldError,
  Input,
  Label,
  SwitchButton,
  SwitchField,
  Text,
  TextField as AriaTextField,
} from "react-aria-components";
import "./field.css";

export interface TextFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly hint?: ReactNode;
  /** What is wrong, as a sentence; the field keeps what was typed. */
  readonly problem?: string | undefined;
  readonly placeholder?: string;
  readonly startsFocused?: boolean;
  readonly autoComplete?: string;
  readonly maxLength?: number;
  readonly isReadOnly?: boolean;
  readonly spellCheck?: boolean;
  readonly inputRef?: Ref<HTMLInputElement>;
  readonly after?: ReactNode;
  readonly hidesLabel?: boolean;
}

export function TextField({
  label,
  value,
  onChange,
  hint,
  problem,
  placeholder,
  startsFocused = false,
  autoComplete = "off",
  maxLength,
  isReadOnly = false,
  spellCheck = false,
  inputRef,
  after,
  hidesLabel = false,
}: TextFieldProps) {
  return (
    <AriaTextField
      className="field"
      value={value}
      onChange={onChange}
      isInvalid={problem !== undefined}
      isReadOnly={isReadOnly}
      validationBehavior="aria"
      autoComplete={autoComplete}
      // oxlint-disable-next-line jsx-a11y/no-autofocus -- only where a dialog or page begins
      autoFocus={startsFocused}
      {...(maxLength !== undefined && { maxLength })}
    >
      <Label className={hidesLabel ? "visually-hidden" : "field-label"}>{label}</Label>
      <div className="field-line">
        <Input
          className="input"
          spellCheck={spellCheck}
          dir="auto"
          {...(placeholder !== undefined && { placeholder })}
          {...(inputRef !== undefined && { ref: inputRef })}
        />
        {after}
      </div>
      {problem === undefined && hint !== undefined && (
        <Text slot="description" className="field-hint">
          {hint}
        </Text>
      )}
      <FieldError className="field-problem">{problem}</FieldError>
    </AriaTextField>
  );
}

export interface SwitchProps {
  readonly children: ReactNode;
  readonly isOn: boolean;
  readonly onChange: (isOn: boolean) => void;
}

export function Switch({ children, isOn, onChange }: SwitchProps) {
  return (
    <SwitchField isSelected={isOn} onChange={onChange}>
      <SwitchButton className="switch">
        <span className="switch-words">{children}</span>
        <span className="switch-track" aria-hidden="true">
          <span className="switch-thumb" />
        </span>
      </SwitchButton>
    </SwitchField>
  );
}

export interface ChoiceProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly { readonly value: T; readonly label: string }[];
  readonly onChange: (value: T) => void;
}

/** One of a few short choices: a native select, which every platform makes reachable in its own way. */
export function Choice<T extends string>({ label, value, options, onChange }: ChoiceProps<T>) {
  return (
    <label className="field">
      <span className="field-label">{label}</span>
      <select
        className="input select"
        value={value}
        onChange={(event) => {
          const chosen = options.find((option) => option.value === event.target.value);
          if (chosen !== undefined) onChange(chosen.value);
        }}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
    </label>
  );
}
