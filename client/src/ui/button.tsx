/** Buttons: one primary at most on a screen, quiet ones for the rest, icons always with words. */
import type { ReactNode } from "react";
import { Button as AriaButton, Tooltip, TooltipTrigger } from "react-aria-components";
import "./button.css";

export interface ButtonProps {
  readonly children: ReactNode;
  readonly onPress?: () => void;
  readonly look?: "primary" | "plain" | "quiet" | "danger";
  readonly size?: "normal" | "small";
  readonly icon?: ReactNode;
  readonly isDisabled?: boolean;
  /** Works already: stays where it is and does nothing more. */
  readonly isBusy?: boolean;
  readonly submits?: boolean;
  readonly wide?: boolean;
  readonly startsFocused?: boolean;
  readonly label?: string;
}

export function Button({
  children,
  onPress,
  look = "plain",
  size = "normal",
  icon,
  isDisabled = false,
  isBusy = false,
  submits = false,
  wide = false,
  startsFocused = false,
  label,
}: ButtonProps) {
  return (
    <AriaButton
      className={`button button-${look} button-${size}${wide ? " button-wide" : ""}`}
      type={submits && !isBusy ? "submit" : "button"}
      isDisabled={isDisabled}
      data-busy={isBusy || undefined}
      // oxlint-disable-next-line jsx-a11y/no-autofocus -- only where a dialog or page begins
      autoFocus={startsFocused}
      {...(onPress && !isBusy && { onPress })}
      {...(label !== undefined && { "aria-label": label })}
    >
      {icon}
      <span>{children}</span>
    </AriaButton>
  );
}

export interface IconButtonProps {
  /** What it does; spoken, and shown as a tooltip. */
  readonly label: string;
  readonly children: ReactNode;
  readonly onPress?: () => void;
  /** Keys that do the same, for the tooltip. */
  readonly keys?: string;
  readonly isPressed?: boolean;
  readonly isDisabled?: boolean;
  readonly className?: string;
  readonly excludeFromTabOrder?: boolean;
}

export function IconButton({
  label,
  children,
  onPress,
  keys,
  isPressed,
  isDisabled = false,
  className = "",
  excludeFromTabOrder = false,
}: IconButtonProps) {
  return (
    <WithTooltip words={label} keys={keys}>
      <AriaButton
        className={`icon-button ${className}`}
        aria-label={label}
        isDisabled={isDisabled}
        excludeFromTabOrder={excludeFromTabOrder}
        {...(isPressed !== undefined && { "aria-pressed": isPressed })}
        {...(onPress && { onPress })}
      >
        {children}
      </AriaButton>
    </WithTooltip>
  );
}

/** A word or two about something that can be focused; never the only place where it stands. */
export function WithTooltip({
  words,
  keys,
  children,
}: {
  readonly words: string;
  readonly keys?: string | undefined;
  readonly children: ReactNode;
}) {
  return (
    <TooltipTrigger delay={500} closeDelay={80}>
      {children}
      <Tooltip className="tooltip" offset={6}>
        {words}
        {keys !== undefined && <span className="tooltip-keys">{keys}</span>}
      </Tooltip>
    </TooltipTrigger>
  );
}
