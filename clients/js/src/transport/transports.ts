/** Opens links over the transport of choice, and returns to WebSockets once they work. */

import { CloseCode } from "../codes.js";
import type { TransportChoice } from "./choice.js";
import type { Link, LinkEvents, OpenLink } from "./link.js";
import type { StreamEndpoint } from "./sse.js";

/** How long a WebSocket may take to open that is tried on the side. */
const TRIAL_MS_MAX = 15_000;

/** What the server would say if it wanted the client elsewhere: the session then connects again at once. */
const COME_BACK = { type: "goaway", reconnect_ms: 0, reason: "WebSockets work here" };

export function createTransports(choice: TransportChoice, openWebSocket: OpenLink, streams: StreamEndpoint): OpenLink {
  return (events) => {
    const isStream = choice.current === "sse";
    const trial = new Trial(choice, openWebSocket, () => events.received(COME_BACK));
    let wasOpen = false;
    const watched: LinkEvents = {
      opened() {
        wasOpen = true;
        trial.start(choice.opened());
        events.opened();
      },
      received: events.received,
      closed(...how) {
        trial.end();
        if (!wasOpen) choice.failed();
        events.closed(...how);
      },
    };
    const link = isStream ? openLater(streams, watched) : openWebSocket(watched);
    return {
      send: (message) => link.send(message),
      close() {
        trial.end();
        if (!wasOpen) choice.failed(); // it took too long
        link.close();
      },
    };
  };
}

/** Server-sent events, whose code is loaded now. */
function openLater(streams: StreamEndpoint, events: LinkEvents): Link {
  let link: Link | null = null;
  let isClosed = false;
  import("./sse.js").then(
    ({ openEventStreams }) => {
      if (!isClosed) link = openEventStreams(streams, events);
    },
    (error: unknown) => {
      if (!isClosed) events.closed(CloseCode.ABNORMAL, String(error));
    },
  );
  return {
    send: (message) => link?.send(message),
    close() {
      isClosed = true;
      link?.close();
    },
  };
}

/** Tries a WebSocket on the side, again and again, until one opens. */
class Trial {
  readonly #choice: TransportChoice;
  readonly #open: OpenLink;
  readonly #onSuccess: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #link: Link | null = null;

  constructor(choice: TransportChoice, open: OpenLink, onSuccess: () => void) {
    this.#choice = choice;
    this.#open = open;
    this.#onSuccess = onSuccess;
  }

  start(waitMs: number): void {
    if (waitMs !== Infinity) this.#timer = setTimeout(() => this.#try(), waitMs);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#link?.close();
    this.#link = null;
  }

  #try(): void {
    this.#timer = setTimeout(() => this.#tried(false), TRIAL_MS_MAX);
    this.#link = this.#open({
      opened: () => this.#tried(true),
      received: () => {},
      closed: () => this.#tried(false),
    });
  }

  #tried(isOpen: boolean): void {
    this.end();
    this.start(this.#choice.tried(isOpen));
    if (isOpen) this.#onSuccess();
  }
}
