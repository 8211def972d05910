/** Opens links over the transport of choice. */

import type { TransportChoice } from "./choice.js";

import type { OpenLink } from "./link.js";
import type { StreamEndpoint } from "./sse.js";

/** Returns what loads the code for the transport of choice. */
export function transports(
  choice: TransportChoice,
  openWebSocket: OpenLink,
  streams: StreamEndpoint,
): () => Promise<OpenLink> {
  return async () => {
    if (choice.current === "websocket") return openWebSocket;
    const { openFallback } = await import("./fallback.js");
    return (events) => openFallback(streams, choice, openWebSocket, events);
  };
}
