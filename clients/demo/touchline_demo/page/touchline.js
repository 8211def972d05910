/**
 * A small browser client of Touchline's protocol, version 1, over the JSON subprotocol.
 *
 * It keeps one connection, joins rooms on it, reconnects with each room's cursor after a loss, and checks every event
 * against the one before it. The rules are in "Following a room" in protocol/README.md. With a token it can also act:
 * acting.js. It knows nothing about football or about the page.
 *
 * `getToken`, if given, is called for a token for each connection, and for a newer one before that expires. It receives
 * the previous token and returns a promise.
 *
 * It reports to `handlers`, all of them optional:
 *   status(state, detail)     "connecting" | "live" | "waiting" (detail: ms until the next attempt) | "closed" (detail: why)
 *   reset(room, state, recent)  the room starts over: forget it, `state` is the newest event of each key
 *   event(event, isFresh)     an event in order; isFresh is false for events from a catch-up
 *   gap(room, from, to)       events after `from`, up to `to`, are missing: they are requested again before any later one
 *   healed(room)              the missing events have arrived; if the server no longer has them, there is a reset instead
 *   refused(room, message)    the room cannot be joined
 *   occupancy(message)        how many connections are in a room that was joined with `occupancy`: room and viewers
 *   player(name)              who this page is now, null without a token
 *   verdict(verdict)          what was decided about the player: kind, reason and, if it expires, until
 */

import { Outbox } from "./acting.js";
import { Replay, goOn, newRoom, remember, requestOf, startOver } from "./room.js";

const SUBPROTOCOL = "touchline.v1.json";
const BACKOFF_MS = 500; // the longest first wait; each further wait may be twice as long
const BACKOFF_MS_MAX = 30_000;
const STABLE_MS = 5_000; // a connection that lasted this long was a success: the next wait is short again
const GOAWAY_MS_MAX = 300_000; // no drain takes longer, and a mistake must not keep pages away for days
const WELCOME_MS_MAX = 10_000; // from the start of the connection to its welcome
const SILENT_HEARTBEATS = 2; // after this much silence the connection is dead, whatever the browser thinks
const ROOMS_PER_SUBSCRIBE_MAX = 100;
const REFRESH_MS_BEFORE = 60_000; // before a token expires: time for several attempts
const REFRESH_MS_MIN = 1_000; // with less time left there can be no answer
const TIMER_MS_MAX = 2 ** 31 - 1; // a longer timer fires at once
const GIVE_UP_CLOSES = new Set([1002, 1003, 1007, 1009]);
const GIVE_UP_ERRORS = new Set(["bad_message", "unknown_type", "out_of_order"]); // about a message, not about a room in it

const givesUp = (code) => GIVE_UP_CLOSES.has(code) || (code >= 4500 && code <= 4999);
const now = () => performance.now(); // unlike the time of day it never jumps back
const bytesOf = (text) => new TextEncoder().encode(text).length;

/** How long to wait before the next attempt, with full jitter so that pages do not all come back at once. */
const backoffMs = (triesBefore) => Math.random() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** triesBefore);

export class Touchline {
  #url;
  #handlers;
  #getToken;
  #token = null;
  #session = null; // actions are numbered within it; that of the first welcome
  #outbox = new Outbox((message) => this.#send(message));
  #refreshTimer = 0;
  #clockMs = Date.now() - now(); // how far the server's time of day is ahead of our even clock
  #socket = null;
  #rooms = new Map(); // by name
  #requestId = 0;
  #messageBytesMax = 0;
  #attempt = 0;
  #welcomedAt = null; // null: there is no connection, or no welcome yet
  #leaveAt = null; // when to reconnect, from a goaway
  #retryTimer = 0;
  #silenceTimer = 0;
  #silenceMs = WELCOME_MS_MAX;
  #isClosed = false; // for good: by the user, or because the server would only refuse again
  #isAway = false; // the visitor left the page; the browser may keep it and show it again

  constructor(url, handlers, { getToken = null } = {}) {
    this.#url = url;
    this.#handlers = handlers;
    this.#getToken = getToken;
    addEventListener("online", () => this.#retryNow());
    addEventListener("pagehide", () => this.#goAway());
    addEventListener("pageshow", (shown) => shown.persisted && this.#return());
    this.#connect();
  }

  /** Join `room` and stay in it. `last`: how many newest events to begin with. `occupancy`: ask how many are in it. */
  join(room, { last = 0, deliver = "all", occupancy = false } = {}) {
    if (this.#rooms.has(room)) return;
    this.#rooms.set(room, newRoom(last, deliver, occupancy));
    this.#subscribe([room]);
  }

  leave(room) {
    if (this.#rooms.get(room)?.asked) this.#send({ type: "unsubscribe", rooms: [room] });
    this.#rooms.delete(room);
  }

  /** Act in `room`. Resolves once the action is in the log; rejects with an error that has a `code`. */
  act(room, kind, data = null) {
    return this.#outbox.add({ room, kind, data });
  }

  /** The time of day by the server's clock, in milliseconds since 1970. The visitor's own clock may be wrong. */
  get serverTime() {
    return now() + this.#clockMs;
  }

  close() {
    this.#isClosed = true;
    this.#hangUp();
    this.#outbox.end("the connection was closed for good");
  }

  // The connection: opened, lost, and opened again.

  #connect() {
    this.#hangUp();
    this.#report("connecting");
    this.#leaveAt = null;
    this.#silenceMs = WELCOME_MS_MAX;
    const socket = new WebSocket(this.#url, SUBPROTOCOL);
    this.#socket = socket;
    // A socket that was given up may still fire events: ignore them.
    const listen = (kind, listener) =>
      socket.addEventListener(kind, (event) => socket === this.#socket && listener(event));
    listen("open", () => this.#hello(socket));
    listen("message", ({ data }) => this.#receive(JSON.parse(data)));
    listen("close", ({ code, reason }) => (givesUp(code) ? this.#giveUp(`${code} ${reason}`) : this.#comeBack()));
    this.#heard();
  }

  async #hello(socket) {
    const hello = { type: "hello", agent: "touchline-page" };
    if (this.#getToken) {
      try {
        this.#token = await this.#getToken(this.#token);
      } catch {
        if (socket === this.#socket) this.#comeBack();
        return;
      }
      if (socket !== this.#socket) return;
      if (this.#token) hello.token = this.#token;
      if (this.#session) hello.session = this.#session;
    }
    this.#send(hello);
  }

  #hangUp() {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#silenceTimer);
    clearTimeout(this.#refreshTimer);
    this.#outbox.lost();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    // A welcome alone is not a success: an edge that welcomes and fails at once must not be asked again and again.
    if (this.#welcomedAt !== null && now() - this.#welcomedAt >= STABLE_MS) this.#attempt = 0;
    this.#welcomedAt = null;
    for (const room of this.#rooms.values()) Object.assign(room, { asked: 0, isJoined: false });
  }

  /** This connection is useless now: open another one, at the time of the goaway or after a while. */
  #comeBack() {
    this.#hangUp();
    const ms = this.#leaveAt === null ? backoffMs(this.#attempt++) : this.#untilLeaveMs();
    this.#report("waiting", ms);
    this.#connectIn(ms);
  }

  #connectIn(ms) {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), ms);
  }

  #untilLeaveMs() {
    return Math.max(0, (this.#leaveAt ?? 0) - now());
  }

  /** The network is back: stop waiting, unless the server asked for it. */
  #retryNow() {
    if (this.#socket === null && !this.#isClosed && !this.#isAway) this.#connectIn(this.#untilLeaveMs());
  }

  #goAway() {
    this.#isAway = true;
    this.#hangUp();
  }

  #return() {
    this.#isAway = false;
    this.#retryNow();
  }

  #giveUp(why) {
    this.close();
    this.#report("closed", `the server refused this page: ${why}`);
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #heard() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.#comeBack(), this.#silenceMs);
  }

  // Messages from the server.

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
      case "occupancy":
        return this.#rooms.get(message.room)?.isJoined && this.#handlers.occupancy?.(message);
      case "replayed":
        return this.#replayed(message);
      case "error":
        return this.#error(message);
      case "ack":
        return this.#outbox.ack(message);
      case "nack":
        return this.#outbox.nack(message);
      case "verdict":
        return this.#handlers.verdict?.(message);
      case "refreshed":
        return this.#refreshIn(message.expires - this.serverTime);
      case "goaway":
        return this.#goaway(message);
      default: // a beat, or a message type of a newer server
        return undefined;
    }
  }

  #welcome(message) {
    const { heartbeat_ms: heartbeatMs, limits, session, player = null, expires = null, time } = message;
    this.#silenceMs = heartbeatMs * SILENT_HEARTBEATS;
    this.#messageBytesMax = limits.message_bytes_max;
    this.#welcomedAt = now();
    this.#heard();
    this.#report("live");
    this.#subscribe([...this.#rooms.keys()]);
    this.#clockMs = time - now();
    if (!this.#getToken) return;
    this.#session ??= session;
    if (expires !== null) this.#refreshIn(expires - time);
    this.#handlers.player?.(player);
    this.#outbox.welcome(message);
  }

  /** The token expires in `ms`: present a newer one before. If there is none, try again after half the time left. */
  #refreshIn(ms) {
    clearTimeout(this.#refreshTimer);
    const waitMs = Math.min(Math.max(ms - REFRESH_MS_BEFORE, ms / 2), TIMER_MS_MAX);
    if (waitMs < REFRESH_MS_MIN) return; // the server will close the connection, and the next one gets a new token
    const socket = this.#socket;
    this.#refreshTimer = setTimeout(async () => {
      const token = await this.#getToken(this.#token).catch(() => null);
      if (socket !== this.#socket) return;
      this.#refreshIn(ms - waitMs); // unless the server accepts the newer one first
      if (token) this.#send({ type: "refresh", token });
      this.#token = token ?? this.#token;
    }, waitMs);
  }

  /** Subscribe to rooms, each from its cursor. Without a connection this waits for the welcome. */
  #subscribe(names) {
    if (this.#welcomedAt === null || names.length === 0) return;
    const rooms = names.map((name) => requestOf(name, this.#rooms.get(name)));
    const message = { type: "subscribe", rooms, id: this.#requestId + 1 };
    const isTooMuch = names.length > ROOMS_PER_SUBSCRIBE_MAX || bytesOf(JSON.stringify(message)) > this.#messageBytesMax;
    if (isTooMuch && names.length > 1) {
      const half = names.length >> 1;
      this.#subscribe(names.slice(0, half));
      this.#subscribe(names.slice(half));
      return;
    }
    this.#requestId = message.id;
    for (const name of names) this.#rooms.get(name).asked = message.id;
    this.#send(message);
  }

  #subscribed(message) {
    const { room: name, epoch, head, recovered, after = null, id = null } = message;
    const room = this.#rooms.get(name);
    // With an id this answers the subscribe with that id, and only the newest counts. Without one the room starts over.
    if (!room || (id === null ? !room.isJoined : id !== room.asked)) return;
    Object.assign(room, { isJoined: true, retries: 0, replay: null });
    if (recovered) {
      Object.assign(room, { epoch, head, covered: room.cursor }); // the events up to the head are still to come
    } else if (id === null && room.ts !== null && epoch !== room.epoch) {
      this.#askAgain(name, room); // perhaps the place can be found in the other log
    } else if (after !== null && room.epoch !== null) {
      room.covered = after;
      room.replay = new Replay(message, room);
      if (room.replay.isKnown) goOn(room, epoch, after);
    } else {
      this.#startOver(name, room, message);
    }
  }

  #startOver(name, room, message) {
    startOver(room, message);
    this.#handlers.reset?.(name, message.state ?? [], message.recent ?? []);
  }

  #askAgain(name, room) {
    room.isJoined = false;
    this.#send({ type: "unsubscribe", rooms: [name] });
    this.#subscribe([name]);
  }

  #event(event) {
    const room = this.#rooms.get(event.room);
    const isSearching = room?.replay && !room.replay.isKnown;
    if (!room?.isJoined || (!isSearching && event.offset <= room.cursor)) return;
    if (event.prev !== null && event.prev > room.covered) {
      return this.#missed(event.room, room, event.prev);
    }
    room.covered = Math.max(room.covered, event.offset);
    if (isSearching) return this.#search(room, event);
    room.cursor = event.offset;
    room.epoch = event.epoch ?? room.epoch;
    remember(room, [event]);
    this.#handlers.event?.(event, event.offset > room.head);
    if (room.gap && room.covered >= room.gap.to) {
      room.gap = null;
      this.#handlers.healed?.(event.room);
    }
  }

  /** An event of another log, while it is not known which of its events are new. */
  #search(room, event, { replay } = room) {
    replay.take(event);
    if (replay.isKnown) {
      goOn(room, event.epoch ?? replay.answer.epoch, event.offset);
    } else if (replay.isTooLong) {
      this.#startOver(event.room, room, replay.answer);
      this.#askAgain(event.room, room);
    }
  }

  /** All has been sent. If the place is not known, the log lacks events that the page has, so it begins with its state. */
  #replayed({ room: name, ts = null }) {
    const room = this.#rooms.get(name);
    const replay = room?.replay;
    if (!room?.isJoined || !replay || replay.isKnown) return;
    const covered = Math.max(room.covered, replay.answer.head);
    this.#startOver(name, room, { ...replay.answer, state: replay.state, recent: replay.recent });
    room.covered = covered;
    replay.later.forEach((event) => this.#event(event));
    room.ts = ts ?? room.ts;
  }

  /** A gap: reconnect and continue from the cursor. If that brings the same gap, the events are gone: start over. */
  #missed(name, room, to) {
    if (room.gap === null) this.#handlers.gap?.(name, room.covered, to);
    if (room.gap?.cursor === room.cursor) room.epoch = null;
    room.gap = { cursor: room.cursor, to };
    this.#comeBack();
  }

  /** The cursor stays: only the newer events, still to come, prove that nothing else was left out. */
  #skipped({ room: name, to }) {
    const room = this.#rooms.get(name);
    if (room?.isJoined) room.covered = Math.max(room.covered, to);
  }

  /** An error is about the rooms requested under its id. Without room and id it is about everything this page sends. */
  #error({ code, message, room: about = null, id = null }) {
    if (about === null && id === null) {
      if (GIVE_UP_ERRORS.has(code)) this.#giveUp(`${message} (${code})`);
      return;
    }
    for (const [name, room] of [...this.#rooms]) {
      if (room.asked === id && (about === null || about === name)) this.#refused(name, room, code, message);
    }
  }

  #refused(name, room, code, message) {
    if (code !== "unavailable") {
      this.#rooms.delete(name);
      this.#handlers.refused?.(name, message);
      return;
    }
    Object.assign(room, { asked: 0, isJoined: false });
    const isStillWanted = () => this.#rooms.get(name) === room && room.asked === 0;
    setTimeout(() => isStillWanted() && this.#subscribe([name]), backoffMs(room.retries++));
  }

  /** The edge serves this page until it leaves, at its own time. If the edge closes first, that time still holds. */
  #goaway({ reconnect_ms: ms }) {
    this.#leaveAt = now() + Math.min(Math.max(ms, 0), GOAWAY_MS_MAX);
    this.#connectIn(this.#untilLeaveMs());
  }

  #report(state, detail) {
    this.#handlers.status?.(state, detail);
  }
}
