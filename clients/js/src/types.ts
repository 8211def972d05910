/**
 * The public API of the package `touchline`, as types: `connect`'s options, `Connection`, `Subscription`, and what they
 * report.
 *
 * Rules:
 *
 * 1. Everything that is handed out is read-only and never changes: a newer state is another object. So `===` tells
 *    whether something is new, as React's `useSyncExternalStore` needs it.
 * 2. Names are those of the protocol and of the Python SDK, in camel case, with units last. Times are Unix milliseconds.
 * 3. Callbacks are called synchronously, one at a time, in the order of the log. One that throws ends nothing: its error
 *    is reported as uncaught.
 */

import type { ConnectionFailed, LoadFailed, RoomRefused } from "./errors.js";
import type { ActionArguments, AnyRoom, RoomEvent, RoomState, RoomTypes, StateEvent, StateKey } from "./room-types.js";

export type * from "./room-types.js";

// What a room reports.

/** The client joined the room, came back to it, or has to start it over. */
export interface Joined<R extends RoomTypes = AnyRoom> {
  readonly room: string;
  /** True: it goes on from its cursor, and what was missed follows. False: it begins with `state`. */
  readonly recovered: boolean;
  /** You had seen the room before, and it starts over: events may have been missed. */
  readonly restarted: boolean;
  /** The room goes on in another log, such as a mirror after a failover. */
  readonly moved: boolean;
  /** The state now. Redraw from it if `recovered` is false, or `moved` is true. */
  readonly state: RoomState<R>;
  /** False: keys may be missing from `state`. Those that it has are right. */
  readonly stateComplete: boolean;
}

/** How many connections are in a room, on all servers. Unless `complete`, that is an estimate. */
export interface Occupancy {
  readonly room: string;
  readonly viewers: number;
  readonly complete: boolean;
}

/** The players in a room, in order of their names; null if they are too many to list. */
export interface Members {
  readonly room: string;
  readonly players: readonly string[] | null;
  /** What has changed since the `Members` before. */
  readonly joined: readonly string[];
  readonly left: readonly string[];
  /** False: not all servers can be reached, so `players` is an estimate. */
  readonly complete: boolean;
}

/**
 * Where a subscription is.
 *
 * - `joining`: asked for, or waiting for a connection. Before the first answer; and after a lost connection.
 * - `joined`: events arrive.
 * - `waiting`: the server cannot serve the room now, or the reader is behind; the client asks again by itself. With an
 *   error, code that the room needs did not load, which is tried again.
 * - `closed`: for good. `error` says why; null if you closed it.
 */
export type RoomStatus =
  | { readonly state: "joining" | "joined"; readonly error: null }
  | { readonly state: "waiting"; readonly error: LoadFailed | null }
  | { readonly state: "closed"; readonly error: RoomRefused | ConnectionFailed | null };

/** What can be listened to with `subscription.on`. */
export interface SubscriptionEvents<R extends RoomTypes = AnyRoom> {
  /** Each event of the room, in order, once. */
  event: (event: RoomEvent<R>) => void;
  /** The room was joined, again or for the first time, or starts over. */
  joined: (joined: Joined<R>) => void;
  /** The room starts over, and events may have been missed. Called after `joined`. */
  restart: (joined: Joined<R>) => void;
  occupancy: (occupancy: Occupancy) => void;
  members: (members: Members) => void;
  /** `subscription.status` is another. */
  status: (status: RoomStatus) => void;
  /** Anything that the subscription reports may have changed: once for everything that one message brought. */
  change: () => void;
}

/** How to subscribe, and what to call. */
export interface SubscribeOptions<R extends RoomTypes = AnyRoom> {
  /** A cursor to continue from, as events and subscriptions have it. It wins over one in `storage`. */
  readonly after?: string | null;
  /** How many of the newest events to begin with if there is no cursor, or it is not honoured. 0 to 1,000; default 0. */
  readonly last?: number;
  /** `latest`: after a break, of events with the same key only the newest one. Default `all`. */
  readonly deliver?: "all" | "latest";
  /** Ask how many connections are in the room. `onOccupancy` asks by itself. */
  readonly occupancy?: boolean;
  /** Ask which players are in the room, which takes a token that allows it. `onMembers` asks by itself. */
  readonly members?: boolean;
  /** False: do not keep this room in the connection's `storage`. Default true. */
  readonly persist?: boolean;
  readonly onEvent?: SubscriptionEvents<R>["event"];
  readonly onJoined?: SubscriptionEvents<R>["joined"];
  readonly onRestart?: SubscriptionEvents<R>["restart"];
  readonly onOccupancy?: SubscriptionEvents<R>["occupancy"];
  readonly onMembers?: SubscriptionEvents<R>["members"];
  readonly onStatus?: SubscriptionEvents<R>["status"];
}

/**
 * One room that the connection follows, until `close`. `Connection.subscribe` creates it.
 *
 * It is an async iterable of its events. Each iteration begins with what arrives after it; if you pass no `onEvent` and
 * listen to nothing, the first iteration begins with all that arrived before. It ends when the subscription or the
 * connection is closed, and throws `RoomRefused` or `ConnectionFailed` after the events that had arrived. `break` ends
 * the iteration, not the subscription. For a reader that falls behind by `eventsBufferMax` events, the client leaves
 * the room and continues from there later, so nothing is lost.
 */
export interface Subscription<R extends RoomTypes = AnyRoom> extends AsyncIterable<RoomEvent<R>> {
  readonly room: string;
  readonly status: RoomStatus;
  /** The newest event of each key: another object whenever something in it has changed. */
  readonly state: RoomState<R>;
  /** False: keys may be missing from `state`, as far as the server can tell. */
  readonly stateComplete: boolean;
  /** Where to continue: everything before it was handed out. Null before joining. */
  readonly cursor: string | null;
  /** How the room was last joined: true from a cursor, false with the state, null not yet. */
  readonly recovered: boolean | null;
  /** How often the room had to start over, so that events may have been missed. */
  readonly restarts: number;
  /** How often the room went on in another log without starting over. */
  readonly moves: number;
  /** How many events the server left out because newer ones with their keys followed. */
  readonly skipped: number;
  /** How often an event was found missing. The client asked for it again. */
  readonly gaps: number;
  /** How many connections are in the room, as the server said last. Null before it has said so. */
  readonly occupancy: Occupancy | null;
  /** Which players are in the room, as the server said last. Null before it has said so. */
  readonly members: Members | null;

  /** The newest event of one key, without building a whole `state`. */
  get<K extends StateKey<R>>(key: K): StateEvent<R, K> | undefined;
  /** Resolves once the server has answered. Rejects with `RoomRefused`, `ConnectionFailed` or `ConnectionClosed`. */
  joined(): Promise<Subscription<R>>;
  /** Call `listener`, until the function that is returned is called. */
  on<N extends keyof SubscriptionEvents<R>>(name: N, listener: SubscriptionEvents<R>[N]): () => void;
  /** Act in this room: see `Connection.act`. */
  act(...action: ActionArguments<R>): Promise<Receipt>;
  /** Leave the room, and drop what was not read. Closing again does nothing. */
  close(): void;
}

// The connection.

/** The action is in the log, durably. There, the player, `session` and `id` identify it. */
export interface Receipt {
  readonly session: string;
  readonly id: number;
}

/** What was decided about the player, and the reason given. */
export interface Verdict {
  /** `warn` has no consequence, `mute` refuses actions, `ban` closes the connection, `pardon` lifts both. */
  readonly kind: "warn" | "mute" | "ban" | "pardon";
  readonly reason: string;
  /** When it ends by itself; null means never. */
  readonly until: number | null;
}

/**
 * Why a connection is not open, or not over a WebSocket. `code` is the name of a close, such as `too_slow`, or one of:
 *
 * - `goaway`: the server is stopping or restarting, and said when to come back
 * - `silent`: nothing arrived for two heartbeats, so the link is dead
 * - `unreachable`: no connection could be made
 * - `token_unavailable`: the function given as `token` failed, or took longer than 30 s
 * - `suspended`: the browser has frozen the page; the client comes back with it
 * - `network_changed`: the computer was offline, or uses another network
 * - `websocket_failed`: the connection is open, but only for watching: no WebSocket could be opened
 */
export interface Reason {
  readonly code: string;
  readonly message: string;
}

export type TransportName = "websocket" | "sse";

/**
 * Where the connection is.
 *
 * - `connecting`: an attempt is under way. `reason` says why, null for the first one.
 * - `open`: rooms are served. `leaving` is true while the server drains: it still serves, and the client leaves in time.
 * - `waiting`: until `retryAt`, for the next attempt; null while the page is suspended.
 * - `closed`: for good. `error` says why; null if you closed it.
 */
export type Status =
  | { readonly state: "connecting"; readonly reason: Reason | null }
  | {
      readonly state: "open";
      readonly transport: TransportName;
      /** The name of the server. */
      readonly edge: string;
      /** The player that the token names; null without one. */
      readonly player: string | null;
      readonly leaving: boolean;
      /** Why the transport is not a WebSocket: `websocket_failed`. Null if it is one, or you asked for another. */
      readonly reason: Reason | null;
    }
  | { readonly state: "waiting"; readonly reason: Reason; readonly retryAt: number | null }
  | { readonly state: "closed"; readonly error: ConnectionFailed | null };

/** What can be listened to with `connection.on`. */
export interface ConnectionEvents {
  /** `connection.status` is another. */
  status: (status: Status) => void;
  verdict: (verdict: Verdict) => void;
}

/** Returns a token, within 30 s. It is called for each connection, and again before a token expires. */
export type TokenFunction = () => string | Promise<string>;

/** Where cursors and states can be kept: `sessionStorage`, or anything with these methods. */
export interface CursorStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** A room as it was when it was kept. */
export interface KeptRoom {
  readonly cursor: string;
  readonly state: readonly StateEvent[];
  readonly stateComplete: boolean;
}

/** Keeps the rooms of a connection from one load of a page to the next. Nothing here may throw. */
export interface RoomStore {
  /** Null if the room was not kept. */
  load(room: string): KeptRoom | null;
  /** The room has changed. This is called often, and what it says is worth saving a moment later. */
  changed(room: Pick<Subscription, "room" | "cursor" | "state" | "stateComplete" | "status">): void;
  /** Save now: the page may be gone after this. */
  save(): void;
}

/** Returns what keeps the rooms of the server at `url`. */
export type RoomStorage = (url: string) => RoomStore;

/** What the client needs of a WebSocket: those of browsers, Node, Deno, Bun and the package `ws` have it. */
export interface WebSocketLike {
  binaryType: string;
  readonly protocol: string;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
}

export type WebSocketConstructor = new (url: string, protocols?: string | string[]) => WebSocketLike;

/** The encoding of messages on a WebSocket. `touchline/msgpack` has the other one. */
export interface Codec {
  /** Part of the WebSocket's subprotocol. */
  readonly name: "json" | "msgpack";
  encode(message: object): string | Uint8Array<ArrayBuffer>;
  /** May throw. */
  decode(payload: string | Uint8Array): unknown;
}

/**
 * The waits between attempts: attempt n, from 0, waits a random time up to `baseMs * 2**n`, at most `maxMs`, and at
 * least 10 ms. Both are at least 1.
 */
export interface Backoff {
  /** Default 500. */
  readonly baseMs?: number;
  /** Default 30,000. */
  readonly maxMs?: number;
}

export interface ConnectOptions {
  /** Names the player: a token, or a function that returns one. Without it the client only watches. */
  readonly token?: string | TokenFunction | null;
  /**
   * What keeps each room's cursor and state, such as `keepIn(sessionStorage)` of `touchline/storage`: a reload then shows
   * the state at once and goes on where it was. Default none.
   */
  readonly storage?: RoomStorage | null;
  /**
   * `auto` (default): a WebSocket, and server-sent events for watching where WebSockets are blocked, until they work.
   * `websocket` and `sse` force one of them.
   */
  readonly transport?: "auto" | TransportName;
  /** Default JSON. `import { msgpack } from "touchline/msgpack"` has the other one. */
  readonly codec?: Codec;
  /** The WebSocket to use, for runtimes without one: on Node 20, that of the package `ws`. */
  readonly WebSocket?: WebSocketConstructor;
  /** The `fetch` to use for server-sent events. Default that of the runtime. */
  readonly fetch?: typeof fetch;
  readonly backoff?: Backoff;
  /** How many events may wait for an iterator before the client leaves the room until they are read. Default 10,000. */
  readonly eventsBufferMax?: number;
  /** How many actions may wait for their answers. Default 256. */
  readonly actionsBufferMax?: number;
  /** Name and version of your application, for the server's log. At most 128 characters. */
  readonly agent?: string;
  readonly onStatus?: ConnectionEvents["status"];
  readonly onVerdict?: ConnectionEvents["verdict"];
}

/** A connection that is made again whenever it is lost, until `close`. `connect` creates it. */
export interface Connection {
  readonly url: string;
  readonly status: Status;
  /** The newest verdict about the player; null before the first. */
  readonly verdict: Verdict | null;
  /** The time by the server's clock, as far as known: the visitor's own clock may be wrong. */
  readonly serverTime: number;

  /** Resolves once a server has welcomed the client. Rejects with `ConnectionFailed` or `ConnectionClosed`. */
  opened(): Promise<Connection>;

  /**
   * Follow `room`, with or without a connection.
   *
   * Throws `AlreadySubscribed`, `BadArgument`, `ConnectionClosed` or the `ConnectionFailed` of a connection that has
   * given up.
   */
  subscribe<R extends RoomTypes = AnyRoom>(room: string, options?: SubscribeOptions<R>): Subscription<R>;

  /**
   * Act in `room`, which need not be followed. Resolves once the action is in the log, durably. Actions are done in the
   * order of the calls, each once, across lost connections.
   *
   * Rejects with `ActionRefused`, `ActionInDoubt`, `ActionsFull`, `BadArgument`, `ConnectionClosed` or
   * `ConnectionFailed`.
   */
  act<R extends RoomTypes = AnyRoom>(room: string, ...action: ActionArguments<R>): Promise<Receipt>;

  /** Call `listener`, until the function that is returned is called. */
  on<N extends keyof ConnectionEvents>(name: N, listener: ConnectionEvents[N]): () => void;

  /** Close the connection for good: subscriptions end, and waiting actions reject. */
  close(): void;
}

/**
 * Connect to a server, such as `wss://live.example.org/ws`. In a page, `url` may be relative: `/ws`.
 *
 * Throws `BadArgument` if an option cannot be right, or the runtime has no WebSocket and none is given.
 */
export type Connect = (url: string | URL, options?: ConnectOptions) => Connection;
