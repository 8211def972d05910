/**
 * Finds a client's place in another log, in the replay with which a server answers a cursor of the log before.
 *
 * A mirror keeps the order of a partition: everything up to the last event that is recognised is old, whether or not the
 * client has it, and everything behind it is new. The protocol has the rules, under "The feed moves to another cluster".
 */

import type { EventMessage, Replayed, Subscribed } from "../messages.js";
import { type Cursor, cursorAt } from "./cursor.js";
import type { Item } from "./items.js";
import type { Reading, Search } from "./reading.js";
import { identity, type SeenEvents } from "./seen.js";

/** Events held back in a replay, mostly below a kilobyte each; beyond that the client starts over. */
const HELD_EVENTS_MAX = 100_000;
/** By how much producers' clocks may differ: the server's `move_margin_s` by default. */
const CLOCKS_DIFFER_MS = 10_000;

export class PlaceSearch implements Search {
  readonly #reading: Reading;
  readonly #replay: Replay;

  constructor(reading: Reading, answer: Subscribed) {
    this.#reading = reading;
    this.#replay = new Replay(answer, reading.seen, reading.cursor?.ts ?? null);
  }

  get isOver(): boolean {
    return this.#replay.isKnown || this.#replay.isTooLong;
  }

  event(message: EventMessage): Item[] {
    const replay = this.#replay;
    const { answer } = replay;
    replay.take(message);
    if (replay.isTooLong) {
      this.#reading.asksAgain = true; // for the events behind the head
      return this.#reading.begin(answer);
    }
    if (!replay.isKnown) return [];
    return [this.#reading.goOn(answer, cursorAt(message.epoch ?? answer.epoch, message.offset, message.ts))];
  }

  /** All of the replay has been sent. As the place is not known, the log lacks events that the client has. */
  replayed(message: Replayed): Item[] {
    const reading = this.#reading;
    const { answer, isSameLog, held } = this.#replay;
    const covered = Math.max(reading.covered, answer.head);
    const items = isSameLog ? this.#goOnWithState() : reading.begin(answer);
    reading.covered = covered;
    for (const event of held) if (event.offset > answer.head) items.push(...reading.event(event));
    const { epoch, offset, ts } = reading.cursor as Cursor; // both ways to go on set it
    reading.cursor = { epoch, offset: Math.max(offset, message.to), ts: message.ts ?? ts };
    return items;
  }

  /** Go on in a log that lacks events which the client has: with its state, and the events that are new. */
  #goOnWithState(): Item[] {
    const reading = this.#reading;
    const { answer, state, held } = this.#replay;
    const { epoch, head } = answer;
    const news = held.filter(({ offset }) => offset <= head);
    for (const event of news) reading.seen.add(event);
    reading.head = head;
    const ts = news.at(-1)?.ts ?? reading.cursor?.ts ?? -1;
    const joined = reading.goOn(answer, cursorAt(epoch, head, ts), {
      replacesState: true,
      recent: news.length,
      state: reading.state(state, epoch),
    });
    return [joined, ...news.map((event) => reading.item(event, epoch))];
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
class Replay {
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
