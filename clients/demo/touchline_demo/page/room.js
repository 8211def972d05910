/**
 * What the page's client knows of one room: where to continue, and the events by which it knows its place in another log.
 *
 * After a failover to a mirror offsets are others, so an event is recognised by its key, time and data. The rules are in
 * "The feed moves to another cluster" in protocol/README.md.
 */

const SEEN_EVENTS_MAX = 256; // a mirror may lag by that many
const HELD_EVENTS_MAX = 10_000; // beyond that the room starts over

const identity = ({ key = null, ts, data }) => JSON.stringify([key, ts, data]);

/**
 * A room that is followed. `epoch` and `cursor` are where to continue, once there is an epoch, and `ts` is the time of the
 * newest event. Up to `covered` no event can be missing. `asked` is the id of the newest subscribe, 0 if the server does
 * not count this page in. `gap` is a gap that has not healed: it was found at `cursor`, with events missing up to `to`.
 * `seen` are the identities of the newest events. `replay` is one that is under way.
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
    room.seen.push(identity(event));
    room.ts = event.ts >= 0 ? event.ts : null;
  }
  room.seen.splice(0, room.seen.length - SEEN_EVENTS_MAX);
}

/** The room has started over with these events. */
export function startOver(room, { epoch, head, state = [], recent = [] }) {
  const events = new Map([...state, ...recent].map((event) => [event.offset, event]));
  Object.assign(room, { epoch, head, cursor: head, covered: head, ts: null, seen: [], gap: null, replay: null });
  remember(room, [...events.values()].sort((one, other) => one.offset - other.offset));
}

/** The room's place in another log is known. */
export const goOn = (room, epoch, cursor) =>
  Object.assign(room, { epoch, cursor, head: room.replay.answer.head, gap: null });

/**
 * The replay of another log. Once `isKnown`, all further events are new. Until then `held` has those that are new if no
 * later one is recognised; `isSameLog`: something was recognised.
 */
export class Replay {
  #seen;
  #next = 0;

  constructor(answer, seen) {
    this.answer = answer;
    this.isKnown = !answer.by_time;
    this.held = [];
    this.#seen = [...seen];
    this.isSameLog = (answer.state ?? []).some((event) => seen.includes(identity(event)));
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
    const index = this.#seen.indexOf(identity(event), this.#next);
    if (index < 0) {
      this.held.push(event);
      return;
    }
    this.#next = index + 1;
    this.held = [];
    this.isSameLog = true;
    this.isKnown = this.#next === this.#seen.length;
  }
}
