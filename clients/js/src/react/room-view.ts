/**
 * What a component sees of a room: one object that never changes, so that React can tell by `===` whether to render.
 *
 * It knows the SDK's types, and nothing of React.
 */
import type { AnyRoom, RoomEvent, RoomState, RoomTypes } from "../room-types.js";
import type { Members, Occupancy, RoomStatus, SubscribeOptions, Subscription } from "../types.js";

/** A room as it was at one moment. */
export interface RoomView<R extends RoomTypes = AnyRoom> {
  /** Where the subscription is: before the first answer, and on a server, it is `joining`. */
  readonly status: RoomStatus;
  /** The newest event of each key. */
  readonly state: RoomState<R>;
  /** False: keys may be missing from `state`. */
  readonly stateComplete: boolean;
  /** The newest events, oldest first: as many as the option `last` says. */
  readonly events: readonly RoomEvent<R>[];
  /** How often the room had to start over, so that events may have been missed. */
  readonly restarts: number;
  /** How many connections are in the room; null before the server has said so, and without the option `occupancy`. */
  readonly occupancy: Occupancy | null;
  /** Which players are in the room; null before the server has said so, and without the option `members`. */
  readonly members: Members | null;
}

/** What a component asks of a room. If several components use a room, all of them get what any of them asks for. */
export type RoomWants = Pick<SubscribeOptions, "last" | "deliver" | "occupancy" | "members" | "persist">;

/** The view of a room that nobody has joined yet, and of every room on a server. */
export const NOT_JOINED: RoomView = {
  status: { state: "joining", error: null },
  state: new Map(),
  stateComplete: false,
  events: [],
  restarts: 0,
  occupancy: null,
  members: null,
};

/** The view of a subscription now. */
export function viewOf(subscription: Subscription, events: readonly RoomEvent[]): RoomView {
  const { status, state, stateComplete, restarts, occupancy, members } = subscription;
  return { status, state, stateComplete, events, restarts, occupancy, members };
}

/** Whether two views show the same. */
export function isSame(one: RoomView, other: RoomView): boolean {
  return (Object.keys(one) as (keyof RoomView)[]).every((name) => one[name] === other[name]);
}

/** What satisfies all of `wants`. */
export function union(wants: Iterable<RoomWants>): Required<RoomWants> {
  const all = [...wants];
  return {
    last: Math.max(0, ...all.map(({ last = 0 }) => last)),
    deliver: all.every(({ deliver }) => deliver === "latest") ? "latest" : "all",
    occupancy: all.some(({ occupancy = false }) => occupancy),
    members: all.some(({ members = false }) => members),
    persist: all.every(({ persist = true }) => persist),
  };
}

/** Whether a subscription with `asked` lacks something of `wanted`. */
export function lacks(asked: Required<RoomWants>, wanted: Required<RoomWants>): boolean {
  return (
    wanted.last > asked.last ||
    (wanted.deliver === "all" && asked.deliver === "latest") ||
    (wanted.occupancy && !asked.occupancy) ||
    (wanted.members && !asked.members)
  );
}
