/**
 * The phases of a room that a client follows, and what leads from one to the next.
 *
 *     phase      what happens                    next
 *     wanted     the subscribe is sent           requested
 *     wanted     code that it needs does not load  waiting
 *     wanted     the connection is lost          wanted
 *     requested  subscribed                      joined
 *     requested  an error: try again later       waiting
 *     requested  an error: give up               closed
 *     requested  another log, without its code   wanted      the client unsubscribes first
 *     requested  the connection is lost          wanted
 *     joined     a gap, or another log           wanted      the client unsubscribes first
 *     joined     subscribed (starts over)        joined
 *     joined     an error: try again later       waiting
 *     joined     an error: give up               closed
 *     joined     the connection is lost          wanted
 *     waiting    the wait is over                wanted
 *     waiting    the connection is lost          wanted
 *     any        the reader is behind            paused      the client unsubscribes first
 *     paused     the connection is lost          paused
 *     paused     the reader has caught up        wanted
 *     any        the user leaves                 closed
 */

export type Phase = "wanted" | "requested" | "joined" | "waiting" | "paused" | "closed";

export type RoomInput =
  | "sent"
  | "subscribed"
  | "again"
  | "retry"
  | "giveUp"
  | "due"
  | "lost"
  | "pause"
  | "resume"
  | "left";

const TRANSITIONS: Readonly<Record<Phase, Partial<Record<RoomInput, Phase>>>> = {
  wanted: { sent: "requested", retry: "waiting", lost: "wanted", pause: "paused" },
  requested: {
    subscribed: "joined",
    again: "wanted",
    retry: "waiting",
    giveUp: "closed",
    lost: "wanted",
    pause: "paused",
  },
  joined: {
    subscribed: "joined",
    again: "wanted",
    retry: "waiting",
    giveUp: "closed",
    lost: "wanted",
    pause: "paused",
  },
  waiting: { due: "wanted", lost: "wanted", pause: "paused" },
  paused: { lost: "paused", resume: "wanted", pause: "paused" },
  closed: {},
};

/** The next phase. Anything that is not in the table is our own bug. */
export function nextPhase(phase: Phase, input: RoomInput): Phase {
  const next = input === "left" ? "closed" : TRANSITIONS[phase][input];
  if (next === undefined) throw new Error(`${input} in ${phase}`);
  return next;
}
