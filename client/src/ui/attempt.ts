/** For what a view sets off and does not wait for: a failure is told, never swallowed. */
import { tell } from "./notices.tsx";

export function attempt(work: Promise<unknown>, failed: string): void {
  work.catch(() => tell(failed));
}
