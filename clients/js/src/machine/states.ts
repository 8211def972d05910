/**
 * The states of a session, and what leads from one to the next: `Session` follows this table.
 *
 *     state        what happens                        next
 *     connecting   the transport is open               greeting     the client sends hello
 *     connecting   opening failed                      waiting      the wait grows
 *     greeting     welcome                             open         the client asks for its rooms from their cursors,
 *                                                                   and sends unanswered actions again
 *     greeting     goaway, silence, lost connection    waiting
 *     open         goaway                              leaving      the server still serves the client until it leaves
 *     open         silence, lost connection            waiting
 *     leaving      the time to leave has come          connecting   to any server
 *     leaving      goaway                              leaving      the newest one counts
 *     leaving      silence, lost connection            waiting      until the time to leave
 *     waiting      the wait is over                    connecting
 *     any of them  a close or error that says give up  closed       `failure` says why
 *     any of them  the user closes                     closed
 */

export type State = "connecting" | "greeting" | "open" | "leaving" | "waiting" | "closed";

/** The server accepts subscribes and actions. */
export const isServed = (state: State): boolean => state === "open" || state === "leaving";

/** A transport is in use. */
export const isConnected = (state: State): boolean => state === "greeting" || isServed(state);
