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
 * 4. A cursor of another log is answered with a replay, of which `Replay` picks what is new; until then the cursor stays
 *    what it was.
 */

import type { EventMessage, Replayed, Skipped, Subscribed } from "../messages.js";
import { type Cursor, cursorAt, formatCursor } from "./cursor.js";
import { type Event, eventOf, type Item, type JoinedItem } from "./items.js";
import { Replay, SeenEvents } from "./seen.js";

export class Reading {
  cursor: Cursor | null;
  /** The client has to leave the room and ask for it again. `Room` clears this. */
  asksAgain = false;
  #covered = -1;
  #head = -1;
  #gapAt: string | null = null; // the cursor at which an event was missing
  #seenBefore: boolean;
  #replay: Replay | null = null;
  readonly #seen = new SeenEvents();

  constructor(after: Cursor | null) {
    this.cursor = after;
    this.#seenBefore = after !== null;
  }

  /** Whether a start over is one of another log, in which the client may find its place. */
  mayGoOn({ recovered, epoch }: Subscribed): boolean {
    return !recovered && this.cursor !== null && this.cursor.ts !== null && this.cursor.epoch !== epoch;
  }

  /** The client is not in the room any more. */
  leave(): void {
    this.#replay = null;
  }

  /** The client joined the room, or starts over. */
  subscribed(message: Subscribed): Item[] {
    this.#replay = null;
    const { cursor } = this;
    if (message.recovered) {
      // Without a cursor there was nothing to recover. If a server says so all the same, the room begins at its head.
      const from = cursor ?? { epoch: message.epoch, offset: message.head, ts: null };
      return [this.#join(message, { ...from, epoch: message.epoch }, { recovered: true })];
    }
    if (message.after === null || cursor === null) return this.#begin(message);
    this.#replay = new Replay(message, this.#seen, cursor.ts);
    this.#covered = message.after;
    if (!this.#replay.isKnown) return [];
    return [this.#goOn(message, { epoch: message.epoch, offset: message.after, ts: cursor.ts })];
  }

  event(message: EventMessage): Item[] {
    const { cursor } = this;
    if (cursor === null) return [];
    const replay = this.#replay?.isKnown === false ? this.#replay : null;
    if (replay === null && message.offset <= cursor.offset) return [];
    if (message.prev !== null && message.prev > this.#covered) return [this.#gap()];
    this.#covered = Math.max(this.#covered, message.offset);
    if (replay !== null) return this.#search(replay, message);
    this.cursor = cursorAt(message.epoch ?? cursor.epoch, message.offset, message.ts);
    this.#gapAt = null;
    this.#seen.add(message);
    return [this.#item(message)];
  }

  /** The cursor stays: events up to the end of what was skipped may follow. */
  skipped({ to, count }: Skipped): Item[] {
    this.#covered = Math.max(this.#covered, to);
    return [{ type: "skipped", count }];
  }

  /** All of a replay has been sent. If the place is not known, the log lacks events that the client has. */
  replayed(message: Replayed): Item[] {
    const replay = this.#replay;
    this.#replay = null;
    if (replay === null || replay.isKnown) return [];
    const { head } = replay.answer;
    const covered = Math.max(this.#covered, head);
    const items = replay.isSameLog ? this.#goOnWithState(replay) : this.#begin(replay.answer);
    this.#covered = covered;
    for (const event of replay.held) if (event.offset > head) items.push(...this.event(event));
    const { epoch, offset, ts } = this.cursor as unknown as Cursor; // both ways to go on set it
    this.cursor = { epoch, offset: Math.max(offset, message.to), ts: message.ts ?? ts };
    return items;
  }

  /** An event of another log, while it is not known which of its events are new. */
  #search(replay: Replay, message: EventMessage): Item[] {
    replay.take(message);
    if (replay.isTooLong) {
      this.asksAgain = true; // for the events behind the head
      return this.#begin(replay.answer);
    }
    if (!replay.isKnown) return [];
    const epoch = message.epoch ?? replay.answer.epoch;
    return [this.#goOn(replay.answer, cursorAt(epoch, message.offset, message.ts))];
  }

  #gap(): Item {
    const at = this.cursor === null ? null : formatCursor(this.cursor);
    const isTheSame = this.#gapAt === at;
    this.#gapAt = isTheSame ? null : at;
    if (isTheSame) this.cursor = null;
    this.asksAgain = true;
    return { type: "gap" };
  }

  #begin(message: Subscribed): Item[] {
    const { epoch, head, ts, state, recent } = message;
    const { cursor } = this;
    // A cursor beyond the head proves nothing about events: the log was cut back.
    const isNew = ({ offset }: EventMessage) =>
      cursor === null || cursor.epoch !== epoch || offset > cursor.offset || cursor.offset > head;
    this.#seen.begin([...state, ...recent]);
    this.#head = head;
    const news = recent.filter(isNew).map((event) => this.#item(event, epoch));
    const joined = this.#join(
      message,
      { epoch, offset: head, ts },
      { restarted: this.#seenBefore, recent: news.length, state: this.#state(state, epoch) },
    );
    return [joined, ...news];
  }

  /** Go on in another log, with all events behind a cursor. */
  #goOn(answer: Subscribed, cursor: Cursor): Item {
    return this.#join(answer, cursor, { recovered: true, moved: true });
  }

  /** Go on in another log that lacks events which the client has: with its state, and the events that are new. */
  #goOnWithState({ answer, state, held }: Replay): Item[] {
    const { epoch, head } = answer;
    const news = held.filter(({ offset }) => offset <= head);
    for (const event of news) this.#seen.add(event);
    this.#head = head;
    const ts = news.at(-1)?.ts ?? this.cursor?.ts ?? -1;
    const joined = this.#join(answer, cursorAt(epoch, head, ts), {
      recovered: true,
      moved: true,
      replacesState: true,
      recent: news.length,
      state: this.#state(state, epoch),
    });
    return [joined, ...news.map((event) => this.#item(event, epoch))];
  }

  #join({ head, state_complete }: Subscribed, cursor: Cursor, how: Partial<JoinedItem>): JoinedItem {
    this.cursor = cursor;
    this.#covered = cursor.offset;
    this.#head = head;
    this.#seenBefore = true;
    const otherwise = { recovered: false, restarted: false, moved: false, replacesState: false, state: [], recent: 0 };
    return { type: "joined", cursor, stateComplete: state_complete, ...otherwise, ...how };
  }

  #state(events: readonly EventMessage[], epoch: string): Event[] {
    return events.map((event) => eventOf(event, epoch, this.#head));
  }

  #item(message: EventMessage, epoch = this.cursor?.epoch ?? ""): Item {
    return { type: "event", event: eventOf(message, epoch, this.#head) };
  }
}
