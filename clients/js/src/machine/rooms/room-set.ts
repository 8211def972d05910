/**
 * All rooms that a client follows: what to ask a server for, and which room a message is about.
 *
 * Rules:
 *
 * 1. Unsubscribes go before subscribes, so that a room that was left and is wanted again ends up joined.
 * 2. A subscribe is split if the server would not take it whole.
 * 3. A room that needs code which is not loaded is not asked for before.
 * 4. A room that is refused for now is asked for again when the server says so, or else with backoff.
 */

import { AlreadySubscribed, type LoadFailed } from "../../errors.js";
import { RECOVERABLE_ERRORS } from "../../recovery-codes.js";
import type { ClientMessage, ErrorMessage } from "../messages.js";
import { bytesOf } from "../text.js";
import type { Cursor } from "./cursor.js";
import { type LoadedExtras, Room, type RoomMessage, type RoomWants } from "./room.js";

/** The longest wait that a server can ask for: a mistake there must not keep a client out for long. */
const RETRY_MS_MAX = 60_000;
const ROOMS_PER_SUBSCRIBE_MAX = 100;

export class RoomSet implements LoadedExtras {
  /** Null until the shell has loaded them. */
  extras: LoadedExtras["extras"] = null;
  readonly byName: Map<string, Room> = new Map();
  readonly #nextId: () => number;
  readonly #delayMs: (attempt: number) => number;
  #toLeave: string[] = [];

  /** `nextId` numbers the requests. `delayMs` is how long to wait after that many refusals of a room in a row. */
  constructor(nextId: () => number, delayMs: (attempt: number) => number) {
    this.#nextId = nextId;
    this.#delayMs = delayMs;
  }

  subscribe(name: string, after: Cursor | null, wants: RoomWants): Room {
    if (this.byName.has(name)) throw new AlreadySubscribed(name);
    const room = new Room(name, after, wants, this);
    this.byName.set(name, room);
    return room;
  }

  /** Leave a room. If it is closed already, this does nothing. */
  unsubscribe(room: Room): void {
    if (this.byName.get(room.name) !== room) return;
    this.byName.delete(room.name);
    if (room.isOnServer) this.#toLeave.push(room.name);
    room.move("closed");
  }

  /** The room's reader is behind: stay out of the room until it is not. */
  pause(room: Room, isBehind: boolean): void {
    if (room.isOnServer) this.#toLeave.push(room.name);
    if (isBehind) room.move("paused");
    else if (room.phase === "paused") room.move("wanted");
  }

  receive(message: RoomMessage): void {
    const room = this.byName.get(message.room);
    if (room === undefined) return;
    const wasOnServer = room.isOnServer;
    room.receive(message);
    if (wasOnServer && room.phase === "wanted") this.#toLeave.push(room.name);
  }

  /** An error answers the rooms that were requested under its id. Without one, the server has removed the client. */
  refused(error: ErrorMessage, now: number): void {
    for (const room of [...this.byName.values()]) {
      const isAbout = error.room === null || error.room === room.name;
      const isAnswer = error.id === null ? room.phase === "joined" : room.isOnServer && error.id === room.requestId;
      if (!isAbout || !isAnswer) continue;
      const retryAt = RECOVERABLE_ERRORS.has(error.code) ? now + this.#retryMs(error, room) : null;
      room.refused(error, retryAt);
      if (room.phase === "closed") this.byName.delete(room.name);
    }
  }

  /** The shell should load the extras now. */
  get lacksExtras(): boolean {
    return [...this.byName.values()].some(({ lacksExtras }) => lacksExtras);
  }

  /** The extras could not be loaded: the rooms that need them wait, and then ask for them again. */
  loadFailed(error: LoadFailed, now: number): void {
    for (const room of this.byName.values()) {
      if (room.lacksExtras) room.retry(now + this.#delayMs(room.retries), error);
    }
  }

  connectionLost(): void {
    this.#toLeave = [];
    for (const room of this.byName.values()) if (room.phase !== "paused") room.move("wanted");
  }

  /** When to call `tick`. */
  get deadline(): number {
    const waits = [...this.byName.values()].map((room) => (room.phase === "waiting" ? room.retryAt : Infinity));
    return Math.min(...waits, Infinity);
  }

  /** Ask again for the rooms whose wait is over. */
  tick(now: number): void {
    for (const room of this.byName.values()) {
      if (room.phase === "waiting" && now >= room.retryAt) room.move("wanted");
    }
  }

  /** The messages to send now. None is larger than `bytesMax`, unless one room alone takes more. */
  takeOutput(bytesMax: number): ClientMessage[] {
    const leaves = split(this.#toLeave.splice(0), bytesMax, (rooms) => ({ type: "unsubscribe" as const, rooms }));
    const wanted = [...this.byName.values()].filter(({ phase, lacksExtras }) => phase === "wanted" && !lacksExtras);
    const joins = split(wanted, bytesMax, (rooms) => ({
      type: "subscribe" as const,
      rooms: rooms.map(({ request }) => request),
      id: this.#nextId(),
    }));
    for (const [rooms, { id }] of joins) for (const room of rooms) room.requestSent(id);
    return [...leaves, ...joins].map(([, message]) => message);
  }

  #retryMs({ retry_ms }: ErrorMessage, room: Room): number {
    return retry_ms === null ? this.#delayMs(room.retries) : Math.min(retry_ms, RETRY_MS_MAX);
  }
}

/** The fewest messages for all elements, each with those that it is about. */
function split<T, M>(
  elements: readonly T[],
  bytesMax: number,
  messageOf: (some: readonly T[]) => M,
): [readonly T[], M][] {
  if (elements.length === 0) return [];
  const message = messageOf(elements);
  const fits = elements.length <= ROOMS_PER_SUBSCRIBE_MAX && bytesOf(JSON.stringify(message)) <= bytesMax;
  if (fits || elements.length === 1) return [[elements, message]];
  const middle = Math.ceil(elements.length / 2);
  return [
    ...split(elements.slice(0, middle), bytesMax, messageOf),
    ...split(elements.slice(middle), bytesMax, messageOf),
  ];
}
