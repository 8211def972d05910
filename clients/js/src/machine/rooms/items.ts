/** What happened in a room, in the order in which its reader gets it. Pure data: `View` applies it. */

import type { RoomRefused } from "../../errors.js";
import type { Members, Occupancy } from "../../types.js";
import type { EventMessage } from "../messages.js";
import { type Cursor, cursorAt, formatCursor } from "./cursor.js";

/** One event as it is handed out; see `RoomEvent` in types.ts. */
export interface Event {
  readonly room: string;
  readonly offset: number;
  readonly key: string | null;
  readonly ts: number;
  readonly data: unknown;
  readonly cursor: string;
  readonly live: boolean;
  readonly traceparent: string | null;
}

/**
 * The client joined the room. If `recovered`, the events after the cursor follow. Otherwise the room begins at the cursor
 * with `state`, and the first `recent` of the events that follow are older than that.
 *
 * `restarted`: the reader had seen the room before, so some events may never reach it. `moved`: the room goes on in
 * another log. If that lacks events which the client has, it has a `state` although it is recovered: `replacesState`.
 */
export interface JoinedItem {
  readonly type: "joined";
  readonly cursor: Cursor;
  readonly recovered: boolean;
  readonly restarted: boolean;
  readonly moved: boolean;
  readonly state: readonly Event[];
  readonly recent: number;
  readonly stateComplete: boolean;
  readonly replacesState?: boolean;
}

export type Item =
  | JoinedItem
  | { readonly type: "event"; readonly event: Event }
  | { readonly type: "skipped"; readonly count: number }
  | { readonly type: "gap" }
  | { readonly type: "refused"; readonly error: RoomRefused }
  | { readonly type: "occupancy"; readonly occupancy: Occupancy }
  | { readonly type: "members"; readonly members: Members };

/** An event as it is handed out. `head` is where the room was when the client joined it. */
export function eventOf(message: EventMessage, epoch: string, head: number): Event {
  const { room, offset, key, ts, data, traceparent } = message;
  const cursor = formatCursor(cursorAt(message.epoch ?? epoch, offset, ts));
  return { room, offset, key, ts, data, cursor, live: offset > head, traceparent };
}
