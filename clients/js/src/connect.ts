/** `connect`: checks the options, and puts a connection together. */

import { checkOptions, invalid } from "./checks.js";
import { Session } from "./machine/session.js";
import { createClock } from "./shell/clock.js";
import { RoomConnection } from "./shell/connection.js";
import { Driver } from "./shell/driver.js";
import { loadedOnce } from "./shell/loaded-once.js";
import { listenToPage } from "./shell/page.js";
import { tokenSource } from "./shell/token-source.js";
import { TransportChoice } from "./transport/choice.js";
import { json } from "./transport/json.js";
import { transports } from "./transport/transports.js";
import { openWebSocket } from "./transport/websocket.js";
import type { Connection, ConnectOptions, WebSocketConstructor } from "./types.js";

/** Events that may wait for an iterator: a few seconds of a busy match. */
const EVENTS_BUFFER_MAX = 10_000;
/** Actions that may wait for their answers: minutes of a busy player, and more than a lost connection should cost. */
const ACTIONS_BUFFER_MAX = 256;

/**
 * Connect to a server, such as `wss://live.example.org/ws`. In a page, `url` may be relative: `/ws`.
 *
 * Throws `BadArgument` if an option cannot be right, or the runtime has no WebSocket and none is given.
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Connection {
  checkOptions(options);
  const token = options.token ?? null;
  const fetch = options.fetch ?? globalThis.fetch?.bind(globalThis);
  const WebSocket = options.WebSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
  const address = addressOf(url);
  const choice = new TransportChoice(options.transport ?? "auto");
  if (WebSocket === undefined && choice.current === "websocket") throw invalid("WebSocket", 'none: pass that of "ws"');
  const store = options.storage?.(address) ?? null;
  const session = new Session({
    agent: options.agent ?? "touchline-js",
    backoff: options.backoff ?? {},
    random: Math.random,
    canRenewToken: typeof token === "function",
  });
  const acting = loadedOnce(async () => {
    const { Acting } = await import("./shell/acting.js");
    return new Acting(session, options.actionsBufferMax ?? ACTIONS_BUFFER_MAX, Math.random);
  });
  const endpoint = { url: address, codec: options.codec ?? json, WebSocket: WebSocket as WebSocketConstructor };
  const parts = {
    url: address,
    session,
    clock: createClock(),
    store,
    eventsMax: options.eventsBufferMax ?? EVENTS_BUFFER_MAX,
    acting,
    token: tokenSource(token),
    choice,
    opener: transports(choice, (events) => openWebSocket(endpoint, events), {
      url: address.replace("ws", "http"),
      fetch,
    }),
  };
  const connection = new RoomConnection(parts, () => driver.wake());
  const driver = new Driver(parts, () => connection.report());
  const save = (): void => store?.save();
  const stopListening = listenToPage(driver, save);
  if (token !== null) acting().catch(() => {}); // `act` tries again, and reports it
  connection.on("status", (status) => {
    if (status.state !== "closed") return;
    stopListening();
    save();
  });
  if (options.onStatus) connection.on("status", options.onStatus);
  if (options.onVerdict) connection.on("verdict", options.onVerdict);
  driver.wake();
  // The types of rooms are the user's own assurance: what arrives is not checked against them.
  return connection as unknown as Connection;
}

/** The address of the WebSocket. That of a page is the base. */
function addressOf(url: string | URL): string {
  try {
    const address = new URL(url, globalThis.location?.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.hash = "";
    if (/^wss?:$/.test(address.protocol)) return address.href;
  } catch {
    // said below
  }
  throw invalid("url", url);
}
