/**
 * A small browser client of Touchline's protocol, version 1, over the JSON subprotocol.
 *
 * It keeps one connection, joins rooms on it, comes back after a loss with each room's cursor, and checks every event
 * against the one before it. It knows nothing of football and nothing of the page.
 *
 * It reports to `handlers`, all of them optional:
 *   status(state, detail)     "connecting" | "live" | "waiting" (detail: ms until the next try) | "closed" (detail: why)
 *   reset(room, state, recent)  the room starts over: forget it, `state` is the newest event of each key
 *   event(event, isFresh)     an event in order; isFresh is false for those that were caught up on
 *   gap(room, from, to)       offsets between these two are missing, and nobody said that they would be
 *   refused(room, message)    the room cannot be had
 */

const SUBPROTOCOL = "touchline.v1.json";
const BACKOFF_MS = 500;
const BACKOFF_MS_MAX = 15_000;
const WELCOME_MS_MAX = 10_000; // from the first try to connect to the welcome
const RETRY_ROOM_MS = 1_000;
const ROOMS_PER_SUBSCRIBE_MAX = 100;
const SILENT_HEARTBEATS = 2; // as long without a word, and the connection is dead, whatever the browser thinks
const GIVE_UP_CODES = new Set([1002, 1003, 1007, 1009]);

const givesUp = (code) => GIVE_UP_CODES.has(code) || (code >= 4500 && code <= 4999);

export class Touchline {
  #url;
  #handlers;
  #socket = null;
  #rooms = new Map(); // name -> {last, deliver, epoch, seen, told, head, joined}
  #attempt = 0;
  #welcomed = false;
  #goawayMs = null;
  #retryTimer = 0;
  #silenceTimer = 0;
  #silenceMs = WELCOME_MS_MAX;
  #isClosed = false;

  constructor(url, handlers) {
    this.#url = url;
    this.#handlers = handlers;
    addEventListener("online", () => this.#retryNow());
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (shown) => shown.persisted && this.#reopen());
    this.#connect();
  }

  /** Be in `room` from now on, over all reconnects. `last`: how many of its newest events to begin with. */
  join(room, { last = 0, deliver = "all" } = {}) {
    if (this.#rooms.has(room)) return;
    this.#rooms.set(room, { last, deliver, epoch: null, seen: -1, told: -1, head: -1, joined: false });
    if (this.#welcomed) this.#subscribe([room]);
  }

  leave(room) {
    if (this.#rooms.delete(room) && this.#welcomed) this.#send({ type: "unsubscribe", rooms: [room] });
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#retryTimer);
    this.#socket?.close(1000);
  }

  #reopen() {
    this.#isClosed = false;
    this.#retryNow();
  }

  #connect() {
    this.#report("connecting");
    this.#welcomed = false;
    this.#goawayMs = null;
    this.#silenceMs = WELCOME_MS_MAX;
    const socket = new WebSocket(this.#url, SUBPROTOCOL);
    this.#socket = socket;
    // A socket that was given up on may still have something to say: it is not listened to.
    const listen = (kind, listener) =>
      socket.addEventListener(kind, (happened) => socket === this.#socket && listener(happened));
    listen("open", () => this.#send({ type: "hello", agent: "touchline-page" }));
    listen("message", ({ data }) => this.#receive(JSON.parse(data)));
    listen("close", ({ code, reason }) => this.#lost(code, reason));
    this.#heard();
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #heard() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => {
      const silent = this.#socket;
      this.#lost(1006, "nothing was heard");
      silent?.close();
    }, this.#silenceMs);
  }

  #lost(code, reason) {
    clearTimeout(this.#silenceTimer);
    this.#socket = null;
    this.#welcomed = false;
    for (const room of this.#rooms.values()) room.joined = false;
    if (this.#isClosed) return;
    if (givesUp(code)) {
      this.#report("closed", `the server refused this page: ${code} ${reason}`);
      return;
    }
    this.#waitThenConnect(this.#goawayMs ?? this.#backoffMs());
  }

  #backoffMs() {
    const most = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** this.#attempt);
    this.#attempt += 1;
    return most * (0.5 + Math.random() / 2); // so that not all pages come back at once
  }

  #waitThenConnect(ms) {
    this.#report("waiting", ms);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), ms);
  }

  #retryNow() {
    if (this.#socket || this.#isClosed) return;
    clearTimeout(this.#retryTimer);
    this.#connect();
  }

  #receive(message) {
    this.#heard();
    switch (message.type) {
      case "welcome":
        return this.#welcome(message);
      case "subscribed":
        return this.#subscribed(message);
      case "event":
        return this.#event(message);
      case "skipped":
        return this.#skipped(message);
      case "error":
        return this.#error(message);
      case "goaway":
        this.#goawayMs = message.reconnect_ms;
        return undefined;
      default: // a beat, or something from a newer server
        return undefined;
    }
  }

  #welcome({ heartbeat_ms: heartbeatMs }) {
    this.#silenceMs = heartbeatMs * SILENT_HEARTBEATS + 1_000;
    this.#heard();
    this.#attempt = 0;
    this.#welcomed = true;
    this.#report("live");
    this.#subscribe([...this.#rooms.keys()]);
  }

  #subscribe(names) {
    const requests = names.map((name) => {
      const { last, deliver, epoch, seen } = this.#rooms.get(name);
      return epoch === null ? { room: name, last, deliver } : { room: name, epoch, after: seen, last, deliver };
    });
    for (let at = 0; at < requests.length; at += ROOMS_PER_SUBSCRIBE_MAX) {
      this.#send({ type: "subscribe", rooms: requests.slice(at, at + ROOMS_PER_SUBSCRIBE_MAX) });
    }
  }

  #subscribed({ room: name, epoch, head, recovered, state = [], recent = [] }) {
    const room = this.#rooms.get(name);
    if (!room) return;
    Object.assign(room, { epoch, head, joined: true });
    if (recovered) return;
    room.seen = room.told = head;
    this.#handlers.reset?.(name, state, recent);
  }

  #event(event) {
    const room = this.#rooms.get(event.room);
    if (!room?.joined || event.offset <= room.seen) return;
    const known = Math.max(room.seen, room.told);
    if (event.prev !== null && event.prev > known) this.#handlers.gap?.(event.room, known, event.prev);
    room.seen = event.offset;
    this.#handlers.event?.(event, event.offset > room.head);
  }

  /** The cursor stays: what was left out is vouched for only by the newer events, which are still to come. */
  #skipped({ room: name, to }) {
    const room = this.#rooms.get(name);
    if (room) room.told = Math.max(room.told, to);
  }

  #error({ code, message, room: name }) {
    if (!this.#rooms.has(name)) return;
    if (code === "unavailable") {
      setTimeout(() => this.#welcomed && this.#rooms.get(name)?.joined === false && this.#subscribe([name]), RETRY_ROOM_MS);
    } else if (code !== "already_subscribed") {
      this.#rooms.delete(name);
      this.#handlers.refused?.(name, message);
    }
  }

  #report(state, detail) {
    this.#handlers.status?.(state, detail);
  }
}
