/**
 * The phases of a room that a client follows, and what leads from one to the next: `Room` follows this table.
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
