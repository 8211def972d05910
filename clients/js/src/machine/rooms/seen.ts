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

/**
 * A number for an event, equal for equal ones: its time, and a multiplicative hash of the rest. Others of the same time
 * are few, so 32 bits tell them apart.
 */
export function identity({ key, ts, data }: EventMessage): number {
  let hash = 0;
  for (const char of JSON.stringify([key, data])) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x9e3779b1);
  return (ts % 2 ** 20) * 2 ** 32 + (hash >>> 0);
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
