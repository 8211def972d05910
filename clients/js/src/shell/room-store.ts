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

import { parseCursor } from "../machine/rooms/cursor.js";
import type { Event } from "../machine/rooms/items.js";
import type { Beginning } from "../machine/rooms/view.js";
import type { CursorStorage } from "../types.js";
import type { RoomStore } from "./connection.js";
import type { RoomSubscription } from "./subscription.js";

/** Browsers allow about five million characters to all pages of an origin. */
const CHARS_MAX = 1_000_000;
/** How much may be lost if a browser ends a page without a word. */
const SAVE_MS = 1_000;

/** A room as it is kept. */
type StoredRoom = [cursor: string, stateComplete: boolean, state: Event[]];

export class StorageRoomStore implements RoomStore {
  readonly #storage: CursorStorage;
  readonly #key: string;
  /** Each room's JSON, in the order of their changes. */
  #rooms = new Map<string, string>();
  readonly #changed = new Set<RoomSubscription>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(storage: CursorStorage, url: string) {
    this.#storage = storage;
    this.#key = `touchline:1:${url}`; // 1 is the version of what is kept
    try {
      this.#rooms = new Map(JSON.parse(storage.getItem(this.#key) ?? "[]"));
    } catch {
      // nothing is kept
    }
  }

  load(room: string): Beginning | null {
    try {
      return beginningOf(JSON.parse(this.#rooms.get(room) ?? "") as StoredRoom);
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
    let chars = 0;
    const newest = [...this.#rooms].reverse().filter((entry) => {
      chars += entry.join().length;
      return chars < CHARS_MAX;
    });
    try {
      this.#storage.setItem(this.#key, JSON.stringify(newest.reverse()));
    } catch {
      this.#forget();
    }
  }

  #put({ room, cursor, state, stateComplete, status }: RoomSubscription): void {
    this.#rooms.delete(room);
    if (cursor === null || (status.state === "closed" && status.error !== null)) return;
    const json = JSON.stringify([cursor, stateComplete, [...state.values()]]);
    if (json.length < CHARS_MAX) this.#rooms.set(room, json);
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

/** Throws if this is not what `#put` writes. */
function beginningOf([cursor, stateComplete, events]: StoredRoom): Beginning {
  const state = events.map((event) => ({ ...event, live: false, traceparent: null }));
  const isRight = state.every(
    ({ room, key, offset, ts, cursor }) =>
      [room, key].every((text) => typeof text === "string") &&
      [offset, ts].every(Number.isInteger) &&
      parseCursor(cursor),
  );
  const parsed = parseCursor(cursor);
  if (parsed === null || !isRight) throw new Error("damaged");
  return { cursor: parsed, state, stateComplete: stateComplete === true };
}
