/**
 * The events that a client has of one room, and how it recognises them in another log.
 *
 * After a failover to a mirror the offsets are others, so an event is known by what it says: its key, its time and its
 * data. A mirror keeps the order of a partition: everything up to the last event that is recognised is old, whether or
 * not the client has it, and everything behind it is new. The protocol has the rules, under "The feed moves to another
 * cluster".
 */

import type { EventMessage, Subscribed } from "../messages.js";

/** Events of a room that are remembered: a mirror may lag by that many, and the client still finds its place. */
const SEEN_EVENTS_MAX = 256;
/** Events that are remembered if older ones are equal to the newest, 16 bytes each. */
const EQUAL_EVENTS_MAX = 4_096;
/** Events held back in a replay, mostly below a kilobyte each; beyond that the client starts over. */
const HELD_EVENTS_MAX = 100_000;
/** By how much producers' clocks may differ: the server's `move_margin_s` by default. */
const CLOCKS_DIFFER_MS = 10_000;

/** A number for an event, equal for equal ones: 53 bits of two multiplicative hashes (after cyrb53, public domain). */
function identity({ key, ts, data }: EventMessage): number {
  const text = JSON.stringify([key, ts, data]);
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return 4294967296 * (2097151 & low) + (high >>> 0);
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

/**
 * The replay of another log: which of its events are new to the client.
 *
 * Once it `isKnown`, all further events are new. Until then `held` has those that are new if no later one is recognised.
 * `isSameLog`: something was recognised, so this is the log of before. `seenTs` is the time of the client's cursor: a
 * client that remembers no events takes the first one of that time for its own, and rather receives one twice than
 * misses one.
 *
 * As many of the remembered events as possible are recognised, in their order: their longest common subsequence with
 * the replay, in bits (Hyyrö 2004). The clear bits of `#open` are where it grows by one.
 */
export class Replay {
  readonly answer: Subscribed;
  isKnown: boolean;
  isSameLog: boolean;
  held: EventMessage[] = [];
  readonly #seenTs: number | null;
  readonly #places = new Map<number, bigint>();
  readonly #all: bigint;
  readonly #needed: bigint;
  readonly #state: Map<string | null, EventMessage>;
  #open: bigint;

  constructor(answer: Subscribed, seen: SeenEvents, seenTs: number | null) {
    const events = seen.trim();
    const since = (events.at(-1)?.ts ?? 0) - CLOCKS_DIFFER_MS;
    const old = Math.max(
      0,
      events.findIndex(({ ts }) => ts >= since),
    );
    events.forEach(({ is }, index) => {
      this.#places.set(is, (this.#places.get(is) ?? 0n) | (1n << BigInt(index)));
    });
    this.#open = this.#all = (1n << BigInt(events.length)) - 1n;
    this.#needed = (this.#all >> BigInt(old)) << BigInt(old);
    this.#seenTs = seenTs;
    this.#state = new Map(answer.state.map((event) => [event.key, event]));
    this.answer = answer;
    this.isKnown = !answer.by_time;
    this.isSameLog = answer.state.some((event) => this.#places.has(identity(event)));
  }

  /** The newest event of each key, up to the last one that was recognised or the head of the answer. */
  get state(): readonly EventMessage[] {
    return [...this.#state.values()];
  }

  get isTooLong(): boolean {
    return this.held.length > HELD_EVENTS_MAX;
  }

  /** Take the next event, while the place is not known. */
  take(event: EventMessage): void {
    if (!this.#recognises(event)) {
      this.held.push(event);
      return;
    }
    for (const old of [...this.held, event]) this.#keep(old);
    this.held = [];
    this.isSameLog = true;
  }

  #keep(old: EventMessage): void {
    if (old.key === null || old.offset <= this.answer.head) return;
    if (old.data === null) this.#state.delete(old.key);
    else this.#state.set(old.key, old);
  }

  #recognises(event: EventMessage): boolean {
    if (this.#all === 0n) {
      this.isKnown = event.ts === this.#seenTs;
      return this.isKnown;
    }
    const before = this.#open;
    const matched = before & (this.#places.get(identity(event)) ?? 0n);
    const sum = before + matched;
    this.#open = (sum | (before - matched)) & this.#all;
    this.isKnown = (this.#open & this.#needed) === 0n;
    return sum > this.#all; // it grew: a bit was carried out
  }
}
