/**
 * The events that a client has of one room, and how it recognises them in another log.
 *
 * After a failover to a mirror the offsets are others, so an event is known by what it says: its key, its time and its
 * data: search.ts.
 */

import type { EventMessage } from "../messages.js";

/** Events of a room that are remembered: a mirror may lag by that many, and the client still finds its place. */
const SEEN_EVENTS_MAX = 256;
/** Events that are remembered if older ones are equal to the newest, 16 bytes each. */
const EQUAL_EVENTS_MAX = 4_096;

/** A number for an event, equal for equal ones: the upper 53 bits of two multiplicative hashes. */
export function identity({ key, ts, data }: EventMessage): number {
  const text = JSON.stringify([key, ts, data]);
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  return 2 ** 21 * (high >>> 0) + (low >>> 11);
}

/** The newest events that a client has of one room, oldest first. */
export class SeenEvents {
  #events: { is: number; ts: number }[] = [];
  #trimAt = 2 * SEEN_EVENTS_MAX;

  add(event: EventMessage): void {
    if (this.#events.length === this.#trimAt) this.trim();
    this.#events.push({ is: identity(event), ts: event.ts });
  }

  /** The client starts over with these events, in any order, some of them twice. */
  begin(events: readonly EventMessage[]): void {
    this.#events = [];
    const once = new Map(events.map((event) => [event.offset, event]));
    for (const event of [...once.values()].sort((one, other) => one.offset - other.offset)) this.add(event);
  }

  /** Forgets old events, but none before a newer one that is equal: so equal events can be counted. */
  trim(): readonly { is: number; ts: number }[] {
    const kept = new Set(this.#events.slice(-SEEN_EVENTS_MAX).map(({ is }) => is));
    this.#events = this.#events.filter(({ is }) => kept.has(is)).slice(-EQUAL_EVENTS_MAX);
    this.#trimAt = 2 * Math.max(SEEN_EVENTS_MAX, this.#events.length);
    return this.#events;
  }
}
