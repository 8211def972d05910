/** The log that a simulated server reads: rooms with events, and the actions of players. */

export interface LoggedEvent {
  /** A number that stays the same when the log moves. */
  readonly number: number;
  readonly offset: number;
  readonly key: string | null;
  readonly ts: number;
  readonly data: unknown;
}

export const ROOMS = ["score:1", "match:1", "match:2"];

export class Log {
  epoch = "E0-0-0";
  readonly rooms: Map<string, LoggedEvent[]> = new Map(ROOMS.map((room) => [room, []]));
  /** What players did, with the duplicates that sending again makes. */
  readonly actions: { readonly session: string; readonly id: number; readonly kind: string }[] = [];
  #count = 0;
  #moves = 0;
  #nextOffset = 0;

  eventsOf(room: string): readonly LoggedEvent[] {
    return this.rooms.get(room) ?? [];
  }

  append(room: string, key: string | null, data: unknown, ts: number): LoggedEvent {
    const event = { number: this.#count++, offset: this.#nextOffset, key, ts, data };
    this.#nextOffset += 1 + (this.#count % 3); // other records lie between
    this.rooms.get(room)?.push(event);
    return event;
  }

  /** The newest event of each key. */
  stateOf(room: string): LoggedEvent[] {
    const state = new Map<string, LoggedEvent>();
    for (const event of this.eventsOf(room)) {
      if (event.key === null) continue;
      if (event.data === null) state.delete(event.key);
      else state.set(event.key, event);
    }
    return [...state.values()];
  }

  /** A failover to a mirror: the same events at other offsets, in another epoch. */
  move(): void {
    this.#moves += 1;
    this.epoch = `E${this.#moves}-0-0`;
    const shift = 5 + this.#moves * 7;
    for (const [room, events] of this.rooms) {
      this.rooms.set(
        room,
        events.map((event) => ({ ...event, offset: event.offset + shift })),
      );
    }
    this.#nextOffset += shift;
  }
}
