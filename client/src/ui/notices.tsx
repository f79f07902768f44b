/**
 * One short notice at a time, at the bottom: what was done, and how to undo it. Never the only place
 * where something is said that matters later.
 */
import { useEffect } from "react";
import { X } from "lucide-react";
import { Button, IconButton } from "./button.tsx";
import { Cell } from "../runtime/observable.ts";
import { useObservable } from "./observable.ts";
import "./notices.css";

interface Notice {
  readonly words: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

const noticeMs = 8_000;
const current = new Cell<Notice | undefined>(undefined);

export function tell(words: string, action?: Notice["action"]): void {
  current.set(action === undefined ? { words } : { words, action });
}

export function Notices() {
  const notice = useObservable(current);
  useEffect(() => {
    if (notice === undefined) return;
    const timer = setTimeout(() => current.set(undefined), noticeMs);
    return () => clearTimeout(timer);
  }, [notice]);
  return (
    <output className="notices">
      {notice !== undefined && (
        <div className="notice">
          <span>{notice.words}</span>
          {notice.action !== undefined && (
            <Button
              size="small"
              look="quiet"
              onPress={() => {
                current.set(undefined);
                notice.action?.run();
              }}
            >
              {notice.action.label}
            </Button>
          )}
          <IconButton label="Close notice" onPress={() => current.set(undefined)}>
            <X aria-hidden />
          </IconButton>
        </div>
      )}
    </output>
  );
}
