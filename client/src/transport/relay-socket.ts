/**
 * One WebSocket to a relay as a `Wire`: binary frames, one per message. It reports being open and
 * being over, each at most once, and gives up on a handshake that takes too long.
 */
import type { Code } from "@skein/shared/protocol/codes.ts";
import type { Wire } from "@skein/shared/sync/connection.ts";

export interface SocketEvents {
  onOpen(wire: Wire): void;
  /** The bytes are the receiver's. */
  onFrame(frame: Uint8Array): void;
  /** @param code of the WebSocket close frame; 1006 if there was none. */
  onClosed(code: number, reason: string): void;
}

/** A handshake that got no answer: a host that drops packets answers nothing at all. */
const openWithinMs = 10_000;

const abnormal = 1006;

/** What is sent after the wire closed goes nowhere. Returns what ends it without a word. */
export function openRelaySocket(
  address: string,
  newSocket: (address: string) => WebSocket,
  events: SocketEvents,
): () => void {
  let socket: WebSocket;
  try {
    socket = newSocket(address);
  } catch (error) {
    // A content security policy or a malformed address: as final as a refused connection.
    queueMicrotask(() => events.onClosed(abnormal, String(error)));
    return () => {};
  }
  socket.binaryType = "arraybuffer";
  const quit = new AbortController();
  const { signal } = quit;
  const deadline = setTimeout(() => {
    over(abnormal, "no answer");
    socket.close();
  }, openWithinMs);

  function over(code: number, reason: string): void {
    if (signal.aborted) return;
    letGo();
    events.onClosed(code, reason);
  }
  function letGo(): void {
    clearTimeout(deadline);
    quit.abort();
  }

  const wire: Wire = {
    send(frame) {
      // Between a close and its event a send would only warn.
      if (socket.readyState === socket.OPEN) socket.send(frame as Uint8Array<ArrayBuffer>);
    },
    close(code) {
      letGo();
      socket.close(...closeArguments(code));
    },
  };

  socket.addEventListener(
    "open",
    () => {
      clearTimeout(deadline);
      events.onOpen(wire);
    },
    { signal },
  );
  socket.addEventListener(
    "message",
    ({ data }: MessageEvent<unknown>) => {
      // Text is no frame of ours: the empty frame it becomes ends the connection with a code.
      events.onFrame(data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(0));
    },
    { signal },
  );
  socket.addEventListener("close", ({ code, reason }) => over(code, reason), { signal });
  return () => {
    letGo();
    socket.close();
  };
}

/** Pages may close with 1000 and 3000–4999 only. */
const closeArguments = (code: Code): [] | [number] =>
  code === 1000 || code >= 3_000 ? [code] : [];
