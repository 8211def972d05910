/** What links are made of where WebSockets are blocked. Its code is loaded when it is needed. */

import type { TransportChoice } from "./choice.js";
import type { Link, LinkEvents, OpenLink } from "./link.js";
import { openEventStreams, type StreamEndpoint } from "./sse.js";
import { Trial } from "./trial.js";

/** What the server would say if it wanted the client elsewhere: the session then connects again at once. */
const COME_BACK = { type: "goaway", reconnect_ms: 0, reason: "WebSockets work here" };

/** A link over server-sent events, until a WebSocket opens on the side. */
export function openFallback(
  endpoint: StreamEndpoint,
  choice: TransportChoice,
  openWebSocket: OpenLink,
  events: LinkEvents,
): Link {
  const trial = new Trial(choice, openWebSocket, () => events.received(COME_BACK));
  const link = openEventStreams(endpoint, {
    opened() {
      trial.start();
      events.opened();
    },
    received: events.received,
    closed(...how) {
      trial.end();
      events.closed(...how);
    },
  });
  return {
    send: (message) => link.send(message),
    close() {
      trial.end();
      link.close();
    },
  };
}
