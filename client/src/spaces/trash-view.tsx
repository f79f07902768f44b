/** Notes that were binned: nothing is gone, each can come back. */
import { RotateCcw, Trash2 } from "lucide-react";
import { useSpace, useWays } from "../ui/app-context.ts";
import { attempt } from "../ui/attempt.ts";
import { Button } from "../ui/button.tsx";
import { useObservable } from "../ui/observable.ts";
import "./trash-view.css";

export function TrashView() {
  const space = useSpace();
  const { go } = useWays();
  const notes = useObservable(space.notes).filter((note) => note.trashed);
  return (
    <>
      <header className="bar">
        <Trash2 className="bar-icon" aria-hidden />
        <h1 className="bar-title">Trash</h1>
      </header>
      <div className="trash">
        {notes.length === 0 ? (
          <p className="panel-quiet">
            Nothing here. Notes that you move to the trash can come back.
          </p>
        ) : (
          <ul>
            {notes.map((note) => {
              const name = note.title.trim() === "" ? "Untitled" : note.title;
              return (
                <li key={note.id} className="trash-row">
                  <bdi className="row-label">{name}</bdi>
                  <Button
                    size="small"
                    icon={<RotateCcw aria-hidden />}
                    label={`Restore ${name}`}
                    onPress={() => {
                      attempt(space.trashNote(note.id, false), "The note could not be restored.");
                      go({ kind: "note", space: space.tag, note: note.id });
                    }}
                  >
                    Restore
                  </Button>
                </li>
              );
            })}
          </ul>
        )}
      </div>
    </>
  );
}
