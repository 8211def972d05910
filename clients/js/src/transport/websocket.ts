/** A link over a WebSocket. */

import type { Codec, WebSocketConstructor } from "../types.js";
import type { Link, LinkEvents } from "./link.js";

const NORMAL = 1000;

export interface WebSocketEndpoint {
  readonly url: string;
  readonly codec: Codec;
  readonly WebSocket: WebSocketConstructor;
}

export function openWebSocket({ url, codec, WebSocket }: WebSocketEndpoint, events: LinkEvents): Link {
  const socket = new WebSocket(url, `touchline.v1.${codec.name}`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => events.opened();
  socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => events.received(decode(codec, data));
  socket.onerror = () => {}; // a close follows, which browsers say no more about either
  socket.onclose = ({ code, reason }: { code: number; reason: string }) => events.closed(code, reason);
  return {
    send: (message) => socket.send(codec.encode(message)),
    close() {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(NORMAL);
    },
  };
}

function decode(codec: Codec, data: string | ArrayBuffer): unknown {
  try {
    return codec.decode(typeof data === "string" ? data : new Uint8Array(data));
  } catch {
    return undefined;
  }
}
