/**
 * What the page's client knows of one room: where to continue, and the events by which it knows its place in another log.
 *
 * After a failover to a mirror offsets are others, so an event is recognised by its key, time and data. The rules are in
 * "The feed moves to another cluster" in protocol/README.md.
 */

const SEEN_EVENTS_MAX = 256; // a mirror may lag by that many
const EQUAL_EVENTS_MAX = 4_096; // kept if older ones are equal to the newest
const CLOCKS_DIFFER_MS = 10_000; // the server's move_margin_s by default
const HELD_EVENTS_MAX = 100_000; // beyond that the room starts over

const identity = ({ key = null, ts, data }) => JSON.stringify([key, ts, data]);

/**
 * A room that is followed. `epoch` and `cursor` are where to continue, once there is an epoch, and `ts` is the time of the
 * newest event. Up to `covered` no event can be missing. `asked` is the id of the newest subscribe, 0 if the server does
 * not count this page in. `gap` is a gap that has not healed: it was found at `cursor`, with events missing up to `to`.
 * `seen` are the identities and times of the newest events. `replay` is one that is under way.
 */
export const newRoom = (last, deliver, occupancy) => ({
  last,
  deliver,
  occupancy,
  epoch: null,
  cursor: -1,
  ts: null,
  covered: -1,
  head: -1,
  asked: 0,
  isJoined: false,
  retries: 0,
  gap: null,
  seen: [],
  trimAt: 2 * SEEN_EVENTS_MAX,
  replay: null,
});

/** What to ask for. */
export const requestOf = (name, { last, deliver, occupancy, epoch, cursor, ts }) => ({
  room: name,
  last,
  deliver,
  ...(occupancy && { occupancy }),
  ...(epoch !== null && { epoch, after: cursor }),
  ...(epoch !== null && ts !== null && { ts }),
});

/** The page has received events, in order. */
export function remember(room, events) {
  for (const event of events) {
    room.seen.push({ is: identity(event), ts: event.ts });
    room.ts = event.ts >= 0 ? event.ts : null;
    if (room.seen.length >= room.trimAt) trim(room);
  }
}

/** Forget old events, but none before a newer one that is equal: so a replay can tell how many of them are old. */
function trim(room) {
  const kept = new Set(room.seen.slice(-SEEN_EVENTS_MAX).map(({ is }) => is));
  room.seen = room.seen.filter(({ is }) => kept.has(is)).slice(-EQUAL_EVENTS_MAX);
  room.trimAt = 2 * Math.max(SEEN_EVENTS_MAX, room.seen.length);
}

/** The room has started over with these events. */
export function startOver(room, { epoch, head, ts = null, state = [], recent = [] }) {
  const events = new Map([...state, ...recent].map((event) => [event.offset, event]));
  Object.assign(room, { epoch, head, cursor: head, covered: head, seen: [], gap: null, replay: null });
  remember(room, [...events.values()].sort((one, other) => one.offset - other.offset));
  room.ts = ts;
}

/** The room's place in another log is known. */
export const goOn = (room, epoch, cursor) =>
  Object.assign(room, { epoch, cursor, head: room.replay.answer.head, gap: null });

/**
 * The replay of another log. Once `isKnown`, all further events are new. Until then `held` has those that are new if no
 * later one is recognised; `isSameLog`: something was recognised.
 *
 * As many of the events of before as possible are recognised, in their order: their longest common subsequence with the
 * replay (Hyyrö 2004). The clear bits of `#open` are where it grows by one. `#needed` are those that must be in the replay.
 */
export class Replay {
  #places = new Map();
  #ts;
  #all;
  #open;
  #needed;
  #state;

  constructor(answer, room) {
    trim(room);
    const { seen, ts } = room;
    this.answer = answer;
    this.isKnown = !answer.by_time;
    this.held = [];
    this.#ts = ts;
    seen.forEach(({ is }, index) => this.#places.set(is, (this.#places.get(is) ?? 0n) | (1n << BigInt(index))));
    this.#open = this.#all = (1n << BigInt(seen.length)) - 1n;
    const since = (seen.at(-1)?.ts ?? 0) - CLOCKS_DIFFER_MS;
    this.#needed = this.#all ^ ((1n << BigInt(Math.max(0, seen.findIndex((event) => event.ts >= since)))) - 1n);
    const state = answer.state ?? [];
    this.#state = new Map(state.map((event) => [event.key, event]));
    this.isSameLog = state.some((event) => this.#places.has(identity(event)));
  }

  /** The newest event of each key, up to the last one that was recognised or the head of the answer. */
  get state() {
    return [...this.#state.values()];
  }

  /** The new events that are older than the state, for a room that begins with it. */
  get recent() {
    return this.isSameLog ? this.held.filter((event) => event.offset <= this.answer.head) : [];
  }

  /** The new events that are newer than the state. */
  get later() {
    return this.held.filter((event) => event.offset > this.answer.head);
  }

  get isTooLong() {
    return this.held.length > HELD_EVENTS_MAX;
  }

  take(event) {
    if (!this.#recognises(event)) {
      this.held.push(event);
      return;
    }
    for (const old of [...this.held, event]) this.#keep(old);
    this.held = [];
    this.isSameLog = true;
  }

  #keep(old) {
    const { key = null, offset, data } = old;
    if (key === null || offset <= this.answer.head) return;
    if (data === null) this.#state.delete(key);
    else this.#state.set(key, old);
  }

  /** A page that has received no events takes the first one of its cursor's time for the one before it. */
  #recognises(event) {
    if (this.#all === 0n) {
      this.isKnown = event.ts === this.#ts;
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
