/**
 * The entry `touchline/storage`: keeps each room's cursor and state in a storage such as `sessionStorage`, from one load
 * of a page to the next.
 *
 * ```ts
 * import { connect } from "touchline";
 * import { keepIn } from "touchline/storage";
 * const connection = connect("wss://live.example.org/ws", { storage: keepIn(sessionStorage) });
 * ```
 *
 * Rules:
 *
 * 1. Both are saved together, so a room goes on from the state that it shows.
 * 2. An entry that cannot be read (of another version, damaged, somebody else's) counts as absent.
 * 3. All rooms of a connection share one entry of at most `CHARS_MAX` characters. The rooms that changed last are kept.
 *    A room whose state alone is too large is not kept.
 * 4. A storage that fails (it is full, or forbidden) is not an error: then nothing is kept.
 */

import { parseCursor } from "../machine/rooms/cursor.js";
import type { CursorStorage, KeptRoom, RoomStorage, RoomStore, StateEvent } from "../types.js";

/** The version of the entry, part of its key. */
const VERSION = 1;
/** Browsers allow about five million characters to all pages of an origin. */
const CHARS_MAX = 1_000_000;
/** How much may be lost if a browser ends a page without a word. */
const SAVE_MS = 1_000;

type Room = Parameters<RoomStore["changed"]>[0];
/** A room as it is kept: its cursor, whether its state is complete, and its state. */
type StoredEvent = [key: string, offset: number, ts: number, data: unknown, cursor: string];
type StoredRoom = [cursor: string, stateComplete: boolean, state: StoredEvent[]];

/** What `storage` of `connect` takes: keeps rooms in `storage`, apart for each server. */
export const keepIn =
  (storage: CursorStorage): RoomStorage =>
  (url) =>
    new StorageRoomStore(storage, url);

class StorageRoomStore implements RoomStore {
  readonly #storage: CursorStorage;
  readonly #key: string;
  /** Each room's JSON, in the order of their changes. */
  readonly #rooms: Map<string, string>;
  readonly #changed = new Set<Room>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(storage: CursorStorage, url: string) {
    this.#storage = storage;
    this.#key = `touchline:${VERSION}:${url}`;
    this.#rooms = new Map(this.#read());
  }

  load(room: string): KeptRoom | null {
    try {
      return keptRoom(room, JSON.parse(this.#rooms.get(room) ?? "null") as StoredRoom);
    } catch {
      return null;
    }
  }

  changed(room: Room): void {
    this.#changed.add(room);
    this.#timer ??= setTimeout(() => this.save(), SAVE_MS);
  }

  /** Save now what is to be saved. */
  save(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#changed.size === 0) return;
    for (const room of this.#changed) this.#put(room);
    this.#changed.clear();
    try {
      this.#storage.setItem(this.#key, JSON.stringify(this.#kept()));
    } catch {
      this.#forget();
    }
  }

  #put({ room, cursor, state, stateComplete, status }: Room): void {
    this.#rooms.delete(room);
    if (cursor === null || (status.state === "closed" && status.error !== null)) return;
    const events = [...state.values()].map((event): StoredEvent => {
      return [event.key, event.offset, event.ts, event.data, event.cursor];
    });
    const stored: StoredRoom = [cursor, stateComplete, events];
    this.#rooms.set(room, JSON.stringify(stored));
  }

  /** The newest rooms that fit, oldest first. */
  #kept(): [string, string][] {
    let chars = 0;
    const newest = [...this.#rooms].reverse().filter(([room, json]) => {
      const sum = chars + room.length + json.length;
      if (sum > CHARS_MAX) return false;
      chars = sum;
      return true;
    });
    return newest.reverse();
  }

  #read(): [string, string][] {
    try {
      const entry: unknown = JSON.parse(this.#storage.getItem(this.#key) ?? "[]");
      const isPair = (pair: unknown): boolean => Array.isArray(pair) && pair.length === 2 && pair.every(isText);
      return Array.isArray(entry) ? entry.filter(isPair) : [];
    } catch {
      return [];
    }
  }

  /** Something older than what was shown must not be shown after a reload. */
  #forget(): void {
    try {
      this.#storage.removeItem(this.#key);
    } catch {
      // then there is nothing to be done
    }
  }
}

const isText = (value: unknown): boolean => typeof value === "string";

/** Throws if this is not what `#put` writes. */
function keptRoom(room: string, [cursor, stateComplete, stored]: StoredRoom): KeptRoom {
  const state = stored.map(([key, offset, ts, data, at]): StateEvent => {
    const isRight = typeof key === "string" && Number.isInteger(offset) && Number.isInteger(ts) && parseCursor(at);
    if (!isRight) throw new Error("damaged");
    return { room, key, offset, ts, data, cursor: at, live: false, traceparent: null };
  });
  if (parseCursor(cursor) === null) throw new Error("damaged");
  return { cursor, state, stateComplete: stateComplete === true };
}
