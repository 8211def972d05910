/**
 * A room as its reader sees it: the state, and where to continue, as of the last event that was handed out.
 *
 * `state` is made when it is asked for, and stays the same object until an event changes it.
 */

import type { Members, Occupancy, RoomState } from "../../types.js";
import { formatCursor } from "./cursor.js";
import type { Event, Item, JoinedItem } from "./items.js";

/** What a view begins with: nothing, a cursor that the user gave, or what was kept in storage. */
export interface Beginning {
  readonly cursor: string | null;
  readonly state: readonly Event[];
  readonly stateComplete: boolean;
}

export class View {
  cursor: string | null;
  stateComplete: boolean;
  recovered: boolean | null = null;
  restarts = 0;
  moves = 0;
  skipped = 0;
  gaps = 0;
  occupancy: Occupancy | null = null;
  members: Members | null = null;
  #events: Map<string, Event>;
  #snapshot: ReadonlyMap<string, Event> | null = null;
  #recentLeft = 0;

  constructor({ cursor, state, stateComplete }: Beginning) {
    this.cursor = cursor;
    this.stateComplete = stateComplete;
    this.#events = byKey(state);
  }

  get state(): RoomState {
    this.#snapshot ??= new Map(this.#events);
    return this.#snapshot as unknown as RoomState; // TypeScript does not see that an event is under its own key
  }

  get(key: string): Event | undefined {
    return this.#events.get(key);
  }

  apply(item: Item): void {
    switch (item.type) {
      case "event":
        this.#event(item.event);
        break;
      case "joined":
        this.#join(item);
        break;
      case "skipped":
        this.skipped += item.count;
        break;
      case "gap":
        this.gaps += 1;
        break;
      case "occupancy":
        this.occupancy = item.occupancy;
        break;
      case "members":
        this.members = item.members;
    }
  }

  #join(joined: JoinedItem): void {
    this.recovered = joined.recovered;
    this.cursor = formatCursor(joined.cursor);
    this.moves += joined.moved ? 1 : 0;
    if (joined.recovered && !joined.replacesState) return;
    this.restarts += joined.restarted ? 1 : 0;
    this.stateComplete = joined.stateComplete;
    this.#events = byKey(joined.state);
    this.#snapshot = null;
    this.#recentLeft = joined.recent;
  }

  #event(event: Event): void {
    if (this.#recentLeft > 0) {
      this.#recentLeft -= 1; // the state and the cursor are already those of the head
      return;
    }
    this.cursor = event.cursor;
    if (event.key === null) return;
    if (event.data === null) this.#events.delete(event.key);
    else this.#events.set(event.key, event);
    this.#snapshot = null;
  }
}

const byKey = (events: readonly Event[]): Map<string, Event> =>
  new Map(events.flatMap((event) => (event.key === null ? [] : [[event.key, event] as const])));
