/**
 * How far a client has read one room, and what the messages of the room's log mean for it.
 *
 * Rules:
 *
 * 1. `cursor` is the last event seen, or the head that the room began with. It only moves forward, except when the room
 *    starts over. An event at or before it is a duplicate.
 * 2. `#covered` is how far nothing can be missing: the cursor, or further if the server said that it skipped events. An
 *    event whose `prev` lies beyond it reveals a gap.
 * 3. After a gap the client asks for the room again from its cursor. If the same gap occurs again, the server does not
 *    have what is missing: the client then asks without a cursor, and the room starts over.
 * 4. A cursor of another log is answered with a replay, of which search.ts picks what is new; until then the cursor stays
 *    what it was.
 */

import type { EventMessage, Replayed, Skipped, Subscribed } from "../messages.js";
import { type Cursor, cursorAt, formatCursor } from "./cursor.js";
import { type Event, eventOf, type Item, type JoinedItem } from "./items.js";
import { SeenEvents } from "./seen.js";

/** What finds the client's place in another log: search.ts, whose code is loaded when it is needed. */
export interface Search {
  /** The place is known, or not worth a longer search. */
  readonly isOver: boolean;
  event(message: EventMessage): Item[];
  replayed(message: Replayed): Item[];
}

export type StartSearch = (reading: Reading, answer: Subscribed) => Search;

export class Reading {
  cursor: Cursor | null;
  /** The client has to leave the room and ask for it again. `Room` clears this. */
  asksAgain = false;
  covered = -1;
  head = -1;
  readonly seen: SeenEvents = new SeenEvents();
  #gapAt: string | null = null; // the cursor at which an event was missing
  #seenBefore: boolean;
  #search: Search | null = null;

  constructor(after: Cursor | null) {
    this.cursor = after;
    this.#seenBefore = after !== null;
  }

  /** Whether a start over is one of another log, in which the client may find its place. */
  mayGoOn({ recovered, epoch }: Subscribed): boolean {
    return !recovered && this.cursor?.ts != null && this.cursor.epoch !== epoch;
  }

  /** The client is not in the room any more. */
  leave(): void {
    this.#search = null;
  }

  /** Whether this answer asks for a search. */
  needsSearch({ recovered, after, by_time }: Subscribed): boolean {
    return !recovered && after !== null && this.cursor !== null && by_time;
  }

  /** The client joined the room, or starts over. */
  subscribed(message: Subscribed, startSearch?: StartSearch): Item[] {
    this.#search = null;
    const { cursor } = this;
    const { recovered, epoch, head, after } = message;
    if (recovered) {
      // Without a cursor there was nothing to recover. If a server says so all the same, the room begins at its head.
      return [this.#join(message, { ...(cursor ?? { offset: head, ts: null }), epoch }, { recovered })];
    }
    if (after === null || cursor === null) return this.begin(message);
    this.covered = after;
    if (!message.by_time) return [this.goOn(message, { epoch, offset: after, ts: cursor.ts })];
    this.#search = startSearch?.(this, message) ?? null;
    return [];
  }

  event(message: EventMessage): Item[] {
    const { cursor } = this;
    const search = this.#search;
    if (cursor === null || (search === null && message.offset <= cursor.offset)) return [];
    if (message.prev !== null && message.prev > this.covered) return [this.#gap()];
    this.covered = Math.max(this.covered, message.offset);
    if (search !== null) {
      const items = search.event(message);
      if (search.isOver) this.#search = null;
      return items;
    }
    this.cursor = cursorAt(message.epoch ?? cursor.epoch, message.offset, message.ts);
    this.#gapAt = null;
    this.seen.add(message);
    return [this.item(message)];
  }

  /** The cursor stays: events up to the end of what was skipped may follow. */
  skipped({ to, count }: Skipped): Item[] {
    this.covered = Math.max(this.covered, to);
    return [{ type: "skipped", count }];
  }

  /** All of a replay has been sent. */
  replayed(message: Replayed): Item[] {
    const search = this.#search;
    this.#search = null;
    return search?.replayed(message) ?? [];
  }

  #gap(): Item {
    const at = this.cursor === null ? null : formatCursor(this.cursor);
    const isTheSame = this.#gapAt === at;
    this.#gapAt = isTheSame ? null : at;
    if (isTheSame) this.cursor = null;
    this.asksAgain = true;
    return { type: "gap" };
  }

  /** The room begins, or starts over, at its head. */
  begin(message: Subscribed): Item[] {
    const { epoch, head, ts, state, recent } = message;
    const { cursor } = this;
    // A cursor beyond the head proves nothing about events: the log was cut back.
    const isNew = ({ offset }: EventMessage) =>
      cursor === null || cursor.epoch !== epoch || offset > cursor.offset || cursor.offset > head;
    this.seen.begin([...state, ...recent]);
    this.head = head;
    const news = recent.filter(isNew).map((event) => this.item(event, epoch));
    const joined = this.#join(
      message,
      { epoch, offset: head, ts },
      { restarted: this.#seenBefore, recent: news.length, state: this.state(state, epoch) },
    );
    return [joined, ...news];
  }

  /** Go on in another log: with all events behind the cursor, or with a state. */
  goOn(answer: Subscribed, cursor: Cursor, how: Partial<JoinedItem> = {}): Item {
    return this.#join(answer, cursor, { recovered: true, moved: true, ...how });
  }

  #join({ head, state_complete }: Subscribed, cursor: Cursor, how: Partial<JoinedItem>): JoinedItem {
    this.cursor = cursor;
    this.covered = cursor.offset;
    this.head = head;
    this.#seenBefore = true;
    const otherwise = { recovered: false, restarted: false, moved: false, state: [], recent: 0 };
    return { type: "joined", cursor, stateComplete: state_complete, ...otherwise, ...how };
  }

  state(events: readonly EventMessage[], epoch: string): Event[] {
    return events.map((event) => eventOf(event, epoch, this.head));
  }

  item(message: EventMessage, epoch: string = this.cursor?.epoch ?? ""): Item {
    return { type: "event", event: eventOf(message, epoch, this.head) };
  }
}
