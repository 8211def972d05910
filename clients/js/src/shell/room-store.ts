/**
 * Keeps each room's cursor and state in a storage such as `sessionStorage`, from one load of a page to the next.
 *
 * Rules:
 *
 * 1. Both are saved together, so a room goes on from the state that it shows.
 * 2. An entry that cannot be read (of another version, damaged, somebody else's) counts as absent.
 * 3. All rooms of a connection share one entry of at most `CHARS_MAX` characters. The rooms that changed last are kept.
 *    A room whose state alone is too large is not kept.
 * 4. A storage that fails (it is full, or forbidden) is not an error: then nothing is kept.
 */

import { formatCursor, parseCursor } from "../machine/rooms/cursor.js";
import type { Event } from "../machine/rooms/items.js";
import type { Beginning } from "../machine/rooms/view.js";
import type { CursorStorage } from "../types.js";
import type { RoomStore } from "./connection.js";
import type { RoomSubscription } from "./subscription.js";

/** The version of the entry, part of its key. */
const VERSION = 1;
/** Browsers allow about five million characters to all pages of an origin. */
const CHARS_MAX = 1_000_000;
/** How much may be lost if a browser ends a page without a word. */
const SAVE_MS = 1_000;

/** A room as it is kept: its cursor, whether its state is complete, and its state. */
type StoredEvent = [key: string, offset: number, ts: number, data: unknown, cursor: string];
type StoredRoom = [cursor: string, stateComplete: boolean, state: StoredEvent[]];

export class StorageRoomStore implements RoomStore {
  readonly #storage: CursorStorage;
  readonly #key: string;
  /** Each room's JSON, in the order of their changes. */
  readonly #rooms: Map<string, string>;
  readonly #changed = new Set<RoomSubscription>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(storage: CursorStorage, url: string) {
    this.#storage = storage;
    this.#key = `touchline:${VERSION}:${url}`;
    this.#rooms = new Map(this.#read());
  }

  load(room: string): Beginning | null {
    try {
      return beginningOf(room, JSON.parse(this.#rooms.get(room) ?? "null") as StoredRoom);
    } catch {
      return null;
    }
  }

  changed(subscription: RoomSubscription): void {
    this.#changed.add(subscription);
    this.#timer ??= setTimeout(() => this.save(), SAVE_MS);
  }

  /** Save now what is to be saved. */
  save(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#changed.size === 0) return;
    for (const subscription of this.#changed) this.#put(subscription);
    this.#changed.clear();
    try {
      this.#storage.setItem(this.#key, JSON.stringify(this.#kept()));
    } catch {
      this.#forget();
    }
  }

  #put({ room, cursor, state, stateComplete, status }: RoomSubscription): void {
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

/** Throws, or returns null, if this is not what `#put` writes. */
function beginningOf(room: string, [text, stateComplete, stored]: StoredRoom): Beginning | null {
  const cursor = parseCursor(text);
  const state = stored.map(([key, offset, ts, data, at]): Event => {
    const isRight = typeof key === "string" && Number.isInteger(offset) && Number.isInteger(ts) && parseCursor(at);
    if (!isRight) throw new Error("damaged");
    return { room, key, offset, ts, data, cursor: at, live: false, traceparent: null };
  });
  if (cursor === null || formatCursor(cursor) !== text) return null;
  return { cursor, state, stateComplete: stateComplete === true };
}
