/**
 * What lies on top of the app: dialogs in the middle, sheets from the side, menus beside what opened
 * them. All of them hold the attention while open, so that nothing below counts as read.
 */
import { useEffect, type ReactNode } from "react";
import {
  Dialog as AriaDialog,
  Heading,
  Menu as AriaMenu,
  MenuItem,
  MenuTrigger,
  Modal,
  ModalOverlay,
  Popover,
} from "react-aria-components";
import { X } from "lucide-react";
import { useCovers } from "./attention.ts";
import { IconButton } from "./button.tsx";
import "./overlay.css";

function Covers() {
  useCovers();
  return null;
}

/** Escape closes a dialog also when the focus is not in it yet, or was on something that has gone. */
function useEscape(onClose: () => void): void {
  useEffect(() => {
    const press = ({ key, defaultPrevented }: KeyboardEvent) => {
      const inside = document.activeElement?.closest('[role="dialog"], [role="menu"]');
      if (key === "Escape" && !defaultPrevented && !inside) onClose();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [onClose]);
}

export interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  readonly place?: "middle" | "side";
  readonly size?: "small" | "wide";
  readonly hidesTitle?: boolean;
}

/** Open as long as it is rendered. */
export function Dialog({
  title,
  onClose,
  children,
  place = "middle",
  size = "small",
  hidesTitle = false,
}: DialogProps) {
  useEscape(onClose);
  return (
    <ModalOverlay
      className={`scrim scrim-${place}`}
      isOpen
      isDismissable
      onOpenChange={(open) => {
        if (!open) onClose();
      }}
    >
      <Modal className={place === "side" ? "sheet" : `dialog dialog-${size}`}>
        <AriaDialog className="dialog-body" aria-label={title}>
          <Covers />
          {!hidesTitle && (
            <div className="dialog-head">
              <Heading slot="title" level={2} className="dialog-title">
                {title}
              </Heading>
              <IconButton label="Close" keys="Esc" onPress={onClose}>
                <X aria-hidden />
              </IconButton>
            </div>
          )}
          {children}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  );
}

export interface MenuEntry {
  readonly id: string;
  readonly label: string;
  readonly icon?: ReactNode;
  readonly aside?: ReactNode;
  readonly isCurrent?: boolean;
  readonly isDangerous?: boolean;
  readonly onAction: () => void;
}

export interface MenuProps {
  /** What opens it. */
  readonly children: ReactNode;
  readonly label: string;
  readonly groups: readonly (readonly MenuEntry[])[];
  readonly placement?: "bottom start" | "bottom end" | "top start";
}

export function Menu({ children, label, groups, placement = "bottom start" }: MenuProps) {
  return (
    <MenuTrigger>
      {children}
      <Popover className="popover" placement={placement} offset={4}>
        <Covers />
        <AriaMenu className="menu" aria-label={label}>
          {groups.flatMap((entries, group) =>
            entries.map((entry, index) => (
              <MenuItem
                key={entry.id}
                id={entry.id}
                textValue={entry.label}
                className={`menu-item${group > 0 && index === 0 ? " menu-item-apart" : ""}${
                  entry.isDangerous ? " menu-item-danger" : ""
                }`}
                onAction={entry.onAction}
                {...(entry.isCurrent && { "aria-current": "true" as const })}
              >
                {entry.icon}
                <span className="menu-label">{entry.label}</span>
                {entry.aside}
              </MenuItem>
            )),
          )}
        </AriaMenu>
      </Popover>
    </MenuTrigger>
  );
}
