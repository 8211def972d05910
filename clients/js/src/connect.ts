/** `connect`: checks the options, and puts a connection together. */

import { BadArgument } from "./errors.js";
import { AGENT_CHARS_MAX } from "./limits.js";
import { Session } from "./machine/session.js";
import { createClock } from "./shell/clock.js";
import { RoomConnection } from "./shell/connection.js";
import { drive } from "./shell/driver.js";
import { loadedOnce } from "./shell/loaded-once.js";
import { listenToPage } from "./shell/page.js";
import { StorageRoomStore } from "./shell/room-store.js";
import { TokenSource } from "./shell/token-source.js";
import { TransportChoice } from "./transport/choice.js";
import { json } from "./transport/json.js";
import type { OpenLink } from "./transport/link.js";
import { createTransports } from "./transport/transports.js";
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
  const { token = null, backoff = {}, agent = "touchline-js" } = options;
  const { eventsBufferMax = EVENTS_BUFFER_MAX, actionsBufferMax = ACTIONS_BUFFER_MAX } = options;
  if (agent.length > AGENT_CHARS_MAX) throw new BadArgument(`agent has more than ${AGENT_CHARS_MAX} characters`);
  if (!(eventsBufferMax >= 1 && actionsBufferMax >= 1)) throw new BadArgument("a buffer must hold at least 1");
  const address = addressOf(url);
  const clock = createClock();
  const tokens = new TokenSource(token);
  const store = options.storage ? new StorageRoomStore(options.storage, address) : null;
  const choice = new TransportChoice(options.transport ?? "auto");
  const session = new Session({
    agent,
    backoff: { baseMs: backoff.baseMs ?? 500, maxMs: backoff.maxMs ?? 30_000 },
    random: Math.random,
    canRenewToken: tokens.canRenew,
  });
  const acting = loadedOnce(async () => {
    const { Acting } = await import("./shell/acting.js");
    return new Acting(session, actionsBufferMax, Math.random);
  });
  if (token !== null) acting().catch(() => {}); // `act` tries again, and reports it
  const connection = new RoomConnection({
    url: address,
    session,
    clock,
    store,
    eventsMax: eventsBufferMax,
    acting,
    transport: () => choice.current,
    wake: () => driver.wake(),
  });
  const openLink = openerOf(address, choice, options);
  const driver = drive({ session, clock, tokens, openLink, report: () => connection.report() });
  const tell = (happened: (now: number) => void) => (): void => {
    happened(clock());
    driver.step();
  };
  const stopListening = listenToPage({
    hidden: () => store?.save(),
    suspended: tell((now) => session.suspend(now)),
    awake: tell((now) => session.awake(now)),
    networkChanged: tell((now) => session.networkChanged(now)),
  });
  connection.on("status", (status) => {
    if (status.state !== "closed") return;
    stopListening();
    store?.save();
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
  throw new BadArgument(`${url} is not an address such as wss://live.example.org/ws`);
}

/** What opens links over the transport of choice. */
function openerOf(url: string, choice: TransportChoice, options: ConnectOptions): OpenLink {
  const { codec = json, fetch = globalThis.fetch?.bind(globalThis) } = options;
  const { WebSocket = globalThis.WebSocket as WebSocketConstructor | undefined } = options;
  if (WebSocket === undefined && choice.current === "websocket") {
    throw new BadArgument('this runtime has no WebSocket: pass one, such as { WebSocket } of the package "ws"');
  }
  const open: OpenLink = (events) =>
    openWebSocket({ url, codec, WebSocket: WebSocket as WebSocketConstructor }, events);
  return createTransports(choice, open, { url: url.replace("ws", "http"), fetch });
}
