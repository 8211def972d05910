/** Opens links over the transport of choice. */

import type { TransportChoice } from "./choice.js";
import type { Link, LinkEvents, OpenLink } from "./link.js";
import type { StreamEndpoint } from "./sse.js";

const ABNORMAL = 1006;

export function createTransports(choice: TransportChoice, openWebSocket: OpenLink, streams: StreamEndpoint): OpenLink {
  return (events) => {
    let wasOpen = false;
    const watched: LinkEvents = {
      opened() {
        wasOpen = true;
        choice.opened();
        events.opened();
      },
      received: events.received,
      closed(...how) {
        if (!wasOpen) choice.failed();
        events.closed(...how);
      },
    };
    const link = choice.current === "sse" ? openLater(streams, choice, openWebSocket, watched) : openWebSocket(watched);
    return {
      send: link.send,
      close() {
        if (!wasOpen) choice.failed(); // it took too long
        link.close();
      },
    };
  };
}

/** Server-sent events, whose code is loaded now. If it cannot be, that is a failed attempt to connect. */
function openLater(...[streams, choice, openWebSocket, events]: Parameters<OpenFallback>): Link {
  let link: Link | null = null;
  let isClosed = false;
  import("./fallback.js").then(
    ({ openFallback }) => {
      if (!isClosed) link = openFallback(streams, choice, openWebSocket, events);
    },
    (error: unknown) => {
      if (!isClosed) events.closed(ABNORMAL, `the code for server-sent events did not load: ${error}`);
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

type OpenFallback = typeof import("./fallback.js").openFallback;
